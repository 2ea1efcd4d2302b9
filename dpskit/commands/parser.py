"""Helpers shared by all commands."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any


class _HelpFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Shows the defaults that say something."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        silent = action.default is None or action.default is False or action.default == []
        return action.help if silent else super()._get_help_string(action)


def add_command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], None], text: str, *, aliases: Sequence[str] = ()
) -> argparse.ArgumentParser:
    """A new parser among `commands`, whose help shows the defaults and whose options are handed to `run`."""
    parser = commands.add_parser(name, help=text, formatter_class=_HelpFormatter, aliases=aliases)
    parser.set_defaults(run=run)
    return parser
