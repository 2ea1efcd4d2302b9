"""The model card of a trained prior: what it was trained on, how, and how its loss fell."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dpskit.priors.edm import DiffusionPrior
from dpskit.priors.latents import LatentConfig
from dpskit.priors.networks import PRESETS, NetworkConfig, network_from_dict

CURVE_ROWS = 12


def model_card(name: str, card: dict[str, Any]) -> str:
    """Markdown from the card that is stored with the weights (`load_prior(name).card`)."""
    settings, curve = card["settings"], card["curve"]
    network = settings["network"]
    lines = [
        f"# The prior `{name}`",
        "",
        f"- data: `{settings['data']}`" + _data(name, card) + f", {settings['held_out']} clouds held out",
        f"- command: `{_command(name, settings)}`",
        f"- network: {_network(network)}",
        f"- started from: {settings['initial'] or 'random weights'}",
        *(f"  - `{one['name']}` was made by `{one['command']}`" for one in reversed(card.get("ancestors", []))),
        f"- {card['steps']:,} steps, {card['clouds']:,} clouds, {card['minutes']:g} minutes on {card['hardware']}",
        f"- orientation: {settings['orientation']}; deformation: {settings['deform']:g}; "
        f"arithmetic: {settings['precision']}; seed {settings['seed']}",
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


def heritage(prior: DiffusionPrior) -> dict[str, Any]:
    """What the card of a run takes over from the prior that it starts from: the runs that made it, and its defaults.

    The defaults of guided runs (cutoff, levels of the Jacobian, blur) were chosen for the weights of before, and
    are the best guess until they are chosen anew.
    """
    return {"ancestors": lineage(prior), "defaults": prior.card.get("defaults", {})}


def lineage(prior: DiffusionPrior) -> list[dict[str, Any]]:
    """The runs that made a prior, oldest first: those that it started from, and its own; by the names of then.

    Of each the command, the data, the minutes, and the held-out losses in the end.
    """
    card = prior.card
    if "settings" not in card:
        return []
    settings, last = card["settings"], card["curve"][-1]
    run = {"name": prior.name, "command": _command(prior.name, settings), "data": settings["data"]}
    return [*card.get("ancestors", []), run | {"minutes": card["minutes"], "held_out": last["held_out"]}]


def _data(name: str, card: dict[str, Any]) -> str:
    if "data" not in card:
        return ""
    return f", {card['data']['count']:,} clouds (names: `{name}.names.txt`; SHA-256 {card['data']['sha256']})"


def _network(network: dict[str, Any]) -> str:
    if "latents" in network:
        size = f"{network['latents']} latents of width {network['width']}, {network['rounds']} rounds"
        return size + ", along the cloud's principal axes" * network["aligned"]
    return f"point transformer, width {network['width']}, {network['layers']} layers"


def _command(name: str, settings: dict[str, Any]) -> str:
    network = network_from_dict(settings["network"])
    flags = [f"--clouds {settings['clouds']}", *_network_flags(network)]
    flags += [f"--initial {settings['initial']}"] if settings["initial"] else []
    flags += [f"--orientation {settings['orientation']}", f"--deform {settings['deform']:g}"]
    flags += ["--stage " + " ".join(f"{value:g}" for value in stage.values()) for stage in settings["curriculum"]]
    flags += [f"--learning-rate {settings['learning_rate']:g}", f"--muon-rate {settings['muon_rate']:g}"]
    flags += [f"--precision {settings['precision']}"]
    flags += ["--compile"] * settings["compile"] + [f"--seed {settings['seed']}"]
    return f"dpskit train {settings['data']} --out {name} {' '.join(flags)}"


def _network_flags(network: NetworkConfig) -> list[str]:
    for preset, config in PRESETS.items():
        if config == network:
            return [f"--preset {preset}"]
        if not (isinstance(config, LatentConfig) and isinstance(network, LatentConfig)):
            continue
        if replace(config, rounds=network.rounds) == network:
            return [f"--preset {preset}", f"--rounds {network.rounds}"]
    return ["--preset custom"]
