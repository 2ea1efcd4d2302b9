"""The progress bars of long work, which never end it: none is shown where there is nothing to show it on."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any


def tqdm(*arguments: Any, disable: bool = False, **settings: Any) -> Any:
    """A bar of `tqdm.auto`, by the same arguments; silent if standard error is closed."""
    from tqdm.auto import tqdm as bar

    closed = sys.stderr is None or getattr(sys.stderr, "closed", False)
    return bar(*arguments, disable=disable or closed, **settings)


def write(message: str, *, error: bool = False) -> None:
    """Print a line above the bars, to standard output or error, if it can be."""
    from tqdm import tqdm as bar

    with suppress(OSError, ValueError, AttributeError):
        bar.write(message, file=sys.stderr if error else sys.stdout)
