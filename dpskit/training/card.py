"""The model card of a trained prior: what it was trained on, how, and how its loss fell."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from dpskit.priors.transformer import PRESETS

CURVE_ROWS = 12


def model_card(name: str, card: dict[str, Any]) -> str:
    """Markdown from the card that is stored with the weights (`load_prior(name).card`)."""
    settings, curve = card["settings"], card["curve"]
    network = settings["network"]
    preset = next((key for key, config in PRESETS.items() if asdict(config) == network), "custom")
    flags = [f"--minutes {settings['minutes']:g}", f"--preset {preset}"]
    flags += [f"--learning-rate {settings['learning_rate']:g}", f"--precision {settings['precision']}"]
    flags += [f"--seed {settings['seed']}"]
    flags += ["--proper"] * settings["proper"] + ["--compile"] * settings["compile"]
    stages = "; ".join(
        f"{stage['n_points']} points, batch {stage['batch']}, until {stage['until']:.0%}"
        for stage in settings["curriculum"]
    )
    lines = [
        f"# The prior `{name}`",
        "",
        f"- data: `{settings['data']}`, {settings['held_out']} clouds held out",
        f"- command: `dpskit train {settings['data']} --out {name} {' '.join(flags)}`",
        f"- network: point transformer, width {network['width']}, {network['layers']} layers",
        f"- {card['steps']:,} steps, {card['clouds']:,} clouds, {card['minutes']:g} minutes",
        f"- curriculum: {stages}",
        f"- noise: ln t ~ N({settings['p_mean']:g}, {settings['p_std']:g}^2), and {settings['uniform_share']:.0%} "
        f"log-uniform over {settings['t_range'][0]:g} to {settings['t_range'][1]:g}",
        f"- rotations: {'SO(3)' if settings['proper'] else 'O(3)'}; arithmetic: {settings['precision']}; "
        f"seed {settings['seed']}",
        "",
        "EDM loss of the averaged weights on held-out clouds of 256 points, by noise level (1: as a zero network).",
        "",
    ]
    levels = list(curve[0]["held_out"])
    lines.append("| minutes | clouds | training | " + " | ".join(f"t = {t}" for t in levels) + " |")
    lines.append("|---" * (3 + len(levels)) + "|")
    stride = max(1, -(-len(curve) // CURVE_ROWS))
    for row in [*curve[:-1:stride], curve[-1]]:
        losses = " | ".join(f"{row['held_out'][t]:.3f}" for t in levels)
        lines.append(f"| {row['minutes']:.0f} | {row['clouds']:,} | {row['loss']:.3f} | {losses} |")
    return "\n".join(lines) + "\n"
