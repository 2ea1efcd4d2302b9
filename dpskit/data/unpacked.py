"""Files that may be packed, and how much of anything one of a given size may hold, so that none fills the memory."""

from __future__ import annotations

import bz2
import gzip
import zlib
from pathlib import Path
from typing import IO, Any

OPENERS: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZ": bz2.open}
"""How to open what begins so, whatever its name says."""
DAMAGED = (EOFError, OSError, zlib.error)
"""What reading a packed file raises where it is cut off or damaged."""
ROWS, ROW_BYTES = 1_250_000, 16
LINES_A_ROW = 4


class TooMuch(ValueError):
    """A file holds more than one of its size should; what is said begins with "it"."""


def is_packed(path: Path) -> bool:
    """Whether a file is gzipped or bzip2ed."""
    with path.open("rb") as file:
        return file.read(2) in OPENERS


def open_unpacked(path: Path) -> IO[bytes]:
    """The content of a file that is packed or not."""
    with path.open("rb") as file:
        opener = OPENERS.get(file.read(2), open)
    opened: IO[bytes] = opener(path, "rb")
    return opened


def read_unpacked(path: Path, limit: int) -> bytes:
    """The content of a file, of which `limit` bytes are allowed. Raises ValueError for more, and for a damaged one."""
    if not is_packed(path) and path.stat().st_size > limit:
        raise _too_long(path, limit)
    try:
        with open_unpacked(path) as file:
            content = file.read(limit + 1)
    except DAMAGED as error:
        if isinstance(error, OSError) and error.errno is not None:  # of the disk, not of what is packed
            raise
        raise ValueError(f"{path} is truncated or damaged: it could not be unpacked.") from None
    if len(content) > limit:
        raise _too_long(path, limit)
    return content


def most_rows(size: int) -> int:
    """How many atoms, particles or points a file of `size` bytes may have: 1,250,000, and one for every 16 bytes."""
    return max(ROWS, size // ROW_BYTES)


def check_lines(content: bytes, size: int) -> None:
    """Raise TooMuch for more lines than rows, remarks and comments make in a file of `size` bytes."""
    most = LINES_A_ROW * most_rows(size)
    if max(content.count(b"\n"), content.count(b"\r")) > most:
        raise TooMuch(f"it must have at most {most:,} lines")


def _too_long(path: Path, limit: int) -> ValueError:
    return ValueError(f"{path} must hold at most {limit >> 20} MB of text.")
