"""Standard output that cannot end a run: whatever the terminal lacks, the work goes on."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO


class _Tolerant:
    """A stream that writes what its encoding has, "?" for the rest, and nothing once it is closed."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lost = False

    def write(self, text: str) -> int:
        """Write as much of `text` as can be, and say that it was all."""
        if not self._lost:
            encoding = getattr(self._stream, "encoding", None) or "ascii"
            try:
                self._stream.write(text.encode(encoding, errors="replace").decode(encoding))
            except (OSError, ValueError, LookupError):
                self._lose()
        return len(text)

    def flush(self) -> None:
        """Flush, if there is still something behind."""
        if not self._lost:
            try:
                self._stream.flush()
            except (OSError, ValueError):
                self._lose()

    def _lose(self) -> None:
        """Let what is still in the buffer go to nowhere, or the interpreter fails over it when it ends."""
        self._lost = True
        with suppress(OSError, ValueError, AttributeError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def tolerant_streams() -> Iterator[None]:
    """Let printing to standard output and error, also when they are closed, be without consequences."""
    before = sys.stdout, sys.stderr
    with open(os.devnull, "w") as nowhere:
        sys.stdout, sys.stderr = (_Tolerant(nowhere if stream is None else stream) for stream in before)
        try:
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            sys.stdout, sys.stderr = before
