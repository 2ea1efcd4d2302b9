"""The command line: `dpskit reconstruct | data | train | sample | benchmark`, thin over the library's functions."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from dpskit.benchmarks import command as benchmark
from dpskit.commands import data, reconstruct, sample, train
from dpskit.commands.streams import tolerant_streams
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
    """Run a command; what the user or the machine can mend ends with one sentence and exit status 2.

    An interruption ends with status 130. Nothing that is printed can end a run.
    """
    with tolerant_streams():
        options = make_parser().parse_args(arguments)
        try:
            options.run(options)
        except KeyboardInterrupt:
            print("dpskit: interrupted.", file=sys.stderr)
            return 130
        except MemoryError:
            print("dpskit: there is not enough memory for this.", file=sys.stderr)
            return 2
        except RecursionError:
            print("dpskit: an input is nested too deeply.", file=sys.stderr)
            return 2
        except OSError as error:
            print(f"dpskit: {_sentence(error)}", file=sys.stderr)
            return 2
        except (ValueError, TypeError, FloatingPointError) as error:
            print(f"dpskit: {error}", file=sys.stderr)
            return 2
    return 0


def _sentence(error: OSError) -> str:
    """One sentence for what the operating system refused; the package's own errors have theirs."""
    if error.errno is None or error.strerror is None:
        return str(error)
    place = f" ({error.filename})" if error.filename else ""
    return f"the operating system refused a file: {error.strerror.lower()}{place}."
