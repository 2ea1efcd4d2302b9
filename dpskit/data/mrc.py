"""MRC files: the array and the header, or one sentence that says what is wrong with the file."""

from __future__ import annotations

import bz2
import gzip
import math
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from dpskit.checks import check_path

SUFFIXES = (".mrc", ".mrcs", ".map", ".ccp4", ".st")


def read_mrc(path: str | Path) -> tuple[np.ndarray, Any]:
    """The data of an MRC file (also gzipped or bzip2ed) as finite float32, in the file's own order, and its header.

    Headers that break the standard, as many programs write them, are read as far as their meaning is clear. Raises
    FileNotFoundError, or ValueError for a truncated or foreign file, complex numbers, NaN and infinity.
    """
    import mrcfile

    path = check_path("path", path)
    if not path.is_file():
        raise FileNotFoundError(f"path must be an existing MRC file, got {str(path)!r}.")
    declared, size = _declared(path), path.stat().st_size
    if declared > (MAX_RATIO if _packed(path) else 1) * size:
        raise ValueError(f"path must be an MRC file, but {str(path)!r} is truncated or another file.")
    if declared > max(ALWAYS, 5 * size):
        raise ValueError(f"path must unpack to at most {max(ALWAYS, 5 * size) >> 20} MB, but {str(path)!r} holds more.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with mrcfile.open(path, permissive=True) as file:
                data, header = file.data, file.header
    except (ValueError, OSError, EOFError, OverflowError, MemoryError, zlib.error):
        data = header = None
    if data is None or data.size == 0:
        raise ValueError(f"path must be an MRC file, but {str(path)!r} is truncated or another file.")
    if np.iscomplexobj(data) or data.dtype.fields is not None:
        raise ValueError(f"path must hold real numbers, but {str(path)!r} holds {data.dtype} (a Fourier transform?).")
    data = np.require(data, np.float32, ["C", "W"])
    if not np.isfinite(data).all():
        raise ValueError(f"path must hold finite numbers, but {str(path)!r} holds NaN or infinity.")
    return data, header


MAX_RATIO = 50  # of what a packed file holds to its own size
ALWAYS = 1 << 27  # bytes that any may unpack to
BYTES = {0: 1.0, 1: 2.0, 2: 4.0, 3: 4.0, 4: 8.0, 6: 2.0, 12: 2.0, 101: 0.5}  # of a value, by the mode of the header
OPENERS: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZ": bz2.open}


def _packed(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) in OPENERS


def _declared(path: Path) -> float:
    """The bytes of data that the header tells of, in the byte order that makes fewer; infinite for no such header."""
    with path.open("rb") as file:
        opener = OPENERS.get(file.read(2), open)
    try:
        with opener(path, "rb") as file:
            head = file.read(96)
    except (OSError, EOFError, zlib.error):
        return math.inf
    if len(head) < 96:
        return math.inf
    found = [(*struct.unpack(f"{order}4i", head[:16]), *struct.unpack(f"{order}i", head[92:])) for order in "<>"]
    sizes = [
        x * y * z * BYTES[mode] + more for x, y, z, mode, more in found if mode in BYTES and min(x, y, z) > 0 <= more
    ]
    return min(sizes, default=math.inf)
