"""The command line: `dpskit train`, thin over the functions of the library."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from dpskit.priors.transformer import PRESETS


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; errors in the input end with one sentence and exit status 2."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except (ValueError, TypeError, FileNotFoundError, FileExistsError) as error:
        print(f"dpskit: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dpskit", description="Bayesian 3-D reconstruction with diffusion priors.")
    commands = parser.add_subparsers(required=True, metavar="command")
    train = commands.add_parser(
        "train", help="train a prior on point clouds", formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    train.add_argument("data", help="npz file with points (k, m, 3)")
    train.add_argument("--out", required=True, help="path of the result, without suffix")
    train.add_argument("--minutes", type=float, required=True, help="time budget; all schedules follow it")
    train.add_argument("--preset", choices=sorted(PRESETS), default="small", help="size of the network")
    train.add_argument("--proper", action="store_true", help="augment with proper rotations only (biomolecules)")
    train.add_argument("--learning-rate", type=float, default=2e-3)
    train.add_argument("--precision", choices=["bf16", "fp32"], default="bf16")
    train.add_argument("--threads", type=int, help="CPU threads (default: all)")
    train.add_argument("--compile", action="store_true", help="use torch.compile (needs a C++ compiler)")
    train.add_argument("--seed", type=int, default=0)
    train.add_argument("--resume", action="store_true", help="continue from the checkpoint beside the result")
    train.set_defaults(run=_train)
    return parser


def _train(options: argparse.Namespace) -> None:
    import signal

    import torch

    from dpskit.training.config import TrainConfig
    from dpskit.training.train import train

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the loop writes its checkpoint on the way out
    if options.threads:
        torch.set_num_threads(options.threads)
    # fmt: off
    config = TrainConfig(options.data, options.minutes, PRESETS[options.preset], options.proper,
                         learning_rate=options.learning_rate, precision=options.precision,
                         compile=options.compile, seed=options.seed)
    # fmt: on
    print(train(config, options.out, resume=options.resume))
