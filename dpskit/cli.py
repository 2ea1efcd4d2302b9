"""The command line: `dpskit reconstruct | data | train | sample | benchmark`, thin over the library's functions."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from dpskit.benchmarks import command as benchmark
from dpskit.commands import data, reconstruct, sample, train
from dpskit.version import __version__


def make_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(prog="dpskit", description="Bayesian 3-D reconstruction with diffusion priors.")
    parser.add_argument("--version", action="version", version=f"dpskit {__version__}")
    commands = parser.add_subparsers(required=True, metavar="command")
    for command in (reconstruct, data, train, sample, benchmark):
        command.add(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; errors in the input end with one sentence and exit status 2."""
    options = make_parser().parse_args(arguments)
    try:
        options.run(options)
    except (ValueError, TypeError, FileNotFoundError, FileExistsError, ConnectionError) as error:
        print(f"dpskit: {error}", file=sys.stderr)
        return 2
    return 0
