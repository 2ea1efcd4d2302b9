"""The command line: `dpskit reconstruct | data | train | sample | benchmark`, thin over the library's functions."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from dpskit.commands import benchmark, data, reconstruct, sample, train


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; errors in the input end with one sentence and exit status 2."""
    parser = argparse.ArgumentParser(prog="dpskit", description="Bayesian 3-D reconstruction with diffusion priors.")
    commands = parser.add_subparsers(required=True, metavar="command")
    for command in (reconstruct, data, train, sample, benchmark):
        command.add(commands)
    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except (ValueError, TypeError, FileNotFoundError, FileExistsError, ConnectionError) as error:
        print(f"dpskit: {error}", file=sys.stderr)
        return 2
    return 0
