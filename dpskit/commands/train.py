"""`dpskit train`: train a prior, or go on with it."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dpskit.commands.parser import add_command
from dpskit.priors.latents import LatentConfig
from dpskit.priors.networks import PRESETS, NetworkConfig
from dpskit.training.augment import ORIENTATIONS
from dpskit.training.config import CURRICULUM, Stage

STAGE = "UNTIL N_POINTS BATCH [P_MEAN P_STD T_MAX], with UNTIL the share of the clouds at which the stage ends"
DEFAULT = ", ".join(f"{stage.until:g} {stage.n_points} {stage.batch}" for stage in CURRICULUM)


def add(commands: Any) -> None:
    """Add the command to the parser's `commands`."""
    train = add_command(commands, "train", run, "train a prior on point clouds")
    train.add_argument("data", help="npz file with points (k, m, 3); upright objects have z up")
    train.add_argument("--out", required=True, help="path of the result, without suffix")
    budget = train.add_mutually_exclusive_group()
    budget.add_argument("--clouds", type=int, help="how many clouds to draw in all; all schedules follow it")
    budget.add_argument("--minutes", type=float, help="the same, as the time it takes here, which is measured first")
    train.add_argument("--resume", action="store_true", help="continue the run of --out in its settings: others are"
                       " refused, but for DATA, --compile and where and how long it runs")  # fmt: skip
    train.add_argument("--time-limit", type=float, help="stop after so many minutes, to be resumed later")
    train.add_argument("--preset", choices=sorted(PRESETS), help="network (default: shapes)")
    train.add_argument("--rounds", type=int, help="rounds of the network of latents (default: 3)")
    train.add_argument("--initial", help="prior to start from: a shipped name, or a .safetensors file; may have"
                       " fewer rounds")  # fmt: skip
    stand = "of the training clouds: upright and mirrored (default), rotated (biomolecules), or rotated and reflected"
    train.add_argument("--orientation", choices=ORIENTATIONS, help=stand)
    train.add_argument("--deform", type=float, help="strength of random stretching, warping and tilting (default: 0)")
    train.add_argument(
        "--stage", nargs="+", action="append", type=float, help=f"repeatable: {STAGE} (default: {DEFAULT})"
    )
    train.add_argument("--learning-rate", type=float, help="peak of AdamW (default: 0.001)")
    train.add_argument("--muon-rate", type=float, help="peak of Muon, 0 for AdamW alone (default: 0.01)")
    train.add_argument("--precision", choices=["bf16", "fp32"], help="arithmetic precision (default: bf16)")
    train.add_argument("--accelerator", choices=["auto", "cpu", "cuda"], default="auto", help="where to train")
    train.add_argument("--threads", type=int, help="CPU threads (default: all)")
    train.add_argument("--compile", action="store_true", help="use torch.compile (needs a C++ compiler)")
    train.add_argument("--seed", type=int, help="random seed of weights, data order and noise (default: 0)")
    train.add_argument("--interval", type=float, default=150, help="seconds between checkpoints")
    train.add_argument(
        "--shard-size",
        type=float,
        nargs="?",
        const=15.0,
        help="split what is written into files of so many MiB; without a number 15",
    )


def run(options: argparse.Namespace) -> None:
    import torch

    from dpskit.checks import check_integer, check_number
    from dpskit.training.checkpoint import load_checkpoint
    from dpskit.training.config import TrainConfig
    from dpskit.training.speed import clouds_in
    from dpskit.training.train import train

    if not Path(options.data).is_file():
        pack = "; dpskit data packs a folder into one" if Path(options.data).is_dir() else ""
        raise FileNotFoundError(f"data must be an existing npz file, got {options.data!r}{pack}.")
    if options.threads is not None:
        torch.set_num_threads(check_integer("threads", options.threads))
    shard_size = None
    if options.shard_size is not None:
        shard_size = int(check_number("shard_size", options.shard_size, above=0.0) * 2**20)
    if options.resume:
        if options.minutes is not None:
            raise ValueError("--minutes must be left out with --resume, which goes on to the clouds of its run.")
        config = load_checkpoint(Path(options.out).expanduser().with_suffix(".checkpoint"))[1]
    elif options.clouds is None and options.minutes is None:
        raise ValueError("--clouds or --minutes must be given, or --resume.")
    else:
        config = TrainConfig(options.data, clouds=1)
    config = replace(config, **_given(options))
    if options.minutes is not None:
        config = replace(config, clouds=clouds_in(options.minutes, config, options.accelerator))
    print(
        train(
            config,
            options.out,
            resume=options.resume,
            accelerator=options.accelerator,
            interval=options.interval,
            time_limit=options.time_limit,
            shard_size=shard_size,
        )
    )


def _given(options: argparse.Namespace) -> dict[str, Any]:
    """The fields of a TrainConfig that the options say; the others keep their defaults, or those of a resumed run."""
    names = (
        "data",
        "clouds",
        "initial",
        "orientation",
        "deform",
        "learning_rate",
        "muon_rate",
        "precision",
        "compile",
        "seed",
    )
    given = {name: getattr(options, name) for name in names}
    given["network"] = _network(options)
    given["curriculum"] = options.stage and tuple(map(_stage, options.stage))
    return {name: value for name, value in given.items() if value is not None}


def _network(options: argparse.Namespace) -> NetworkConfig | None:
    if options.preset is None and options.rounds is None:
        return None
    network = PRESETS[options.preset or "shapes"]
    if options.rounds is None:
        return network
    if not isinstance(network, LatentConfig):
        raise ValueError(f"--rounds must be left out with --preset {options.preset}, which has none.")
    return replace(network, rounds=options.rounds)


def _stage(values: Sequence[float]) -> Stage:
    if len(values) not in (3, 6) or not all(math.isfinite(value) and value == int(value) for value in values[1:3]):
        raise ValueError(f"--stage must be {STAGE}; got {list(values)}.")
    return Stage(values[0], int(values[1]), int(values[2]), *values[3:])
