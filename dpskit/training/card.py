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
    lines = [
        f"# The prior `{name}`",
        "",
        f"- data: `{settings['data']}`, {settings['held_out']} clouds held out",
        f"- command: `{_command(name, settings)}`",
        f"- network: point transformer, width {network['width']}, {network['layers']} layers"
        + ", along the cloud's principal axes" * network["aligned"],
        f"- started from: {settings['initial'] or 'random weights'}",
        f"- {card['steps']:,} steps, {card['clouds']:,} clouds, {card['minutes']:g} minutes on {card['hardware']}",
        f"- rotations: {'SO(3)' if settings['proper'] else 'O(3)'}; arithmetic: {settings['precision']}; "
        f"seed {settings['seed']}",
        "",
        f"Noise: {settings['uniform_share']:.0%} of the draws are log-uniform from t = {settings['t_min']:g}.",
        "",
        "| stage until | points | batch | ln t: mean, standard deviation | up to t |",
        "|---|---|---|---|---|",
    ]
    for stage in settings["curriculum"]:
        noise = f"{stage['p_mean']:g}, {stage['p_std']:g}"
        lines.append(
            f"| {stage['until']:.0%} | {stage['n_points']} | {stage['batch']} | {noise} | {stage['t_max']:g} |"
        )
    lines += [
        "",
        f"EDM loss of the averaged weights on held-out clouds of {settings['curriculum'][-1]['n_points']:,} points, by "
        "noise level (1: as a zero network).",
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


def _command(name: str, settings: dict[str, Any]) -> str:
    preset = next((key for key, config in PRESETS.items() if asdict(config) == settings["network"]), "custom")
    flags = [f"--clouds {settings['clouds']}", f"--preset {preset}"]
    flags += [f"--initial {settings['initial']}"] if settings["initial"] else []
    flags += ["--proper"] * settings["proper"]
    flags += ["--stage " + " ".join(f"{value:g}" for value in stage.values()) for stage in settings["curriculum"]]
    flags += [f"--learning-rate {settings['learning_rate']:g}", f"--precision {settings['precision']}"]
    flags += ["--compile"] * settings["compile"] + [f"--seed {settings['seed']}"]
    return f"dpskit train {settings['data']} --out {name} {' '.join(flags)}"
