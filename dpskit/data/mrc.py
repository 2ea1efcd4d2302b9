"""MRC files: the array and the header, or one sentence that says what is wrong with the file."""

from __future__ import annotations

import math
import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from dpskit.checks import check_path
from dpskit.data.unpacked import DAMAGED, is_packed, open_unpacked

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
    (declared, values), size = _declared(path), path.stat().st_size
    if declared > (max(ALWAYS, MAX_RATIO * size) if is_packed(path) else size):
        raise ValueError(f"path must be an MRC file, but {str(path)!r} is truncated or another file.")
    limit = max(ALWAYS, 4 * size) if is_packed(path) else math.inf
    if FLOAT * values > limit:
        raise ValueError(
            f"path must unpack to at most {int(limit) >> 20} MB of single precision, but {str(path)!r} holds "
            f"{FLOAT * int(values) >> 20}: unpack the file first."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with mrcfile.open(path, permissive=True) as file:
                data, header = file.data, file.header
    except (ValueError, *DAMAGED, OverflowError, MemoryError):
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
ALWAYS = 1 << 27  # bytes that any may unpack to: a mask is mostly zeros, and packs to a hundredth
BYTES = {0: 1.0, 1: 2.0, 2: 4.0, 3: 4.0, 4: 8.0, 6: 2.0, 12: 2.0, 101: 0.5}  # of a value, by the mode of the header
FLOAT = 4  # bytes, whatever the file has


def _declared(path: Path) -> tuple[float, float]:
    """The bytes and the number of values that the header tells of, in the byte order that makes fewer; infinite for no
    such header."""
    none = math.inf, math.inf
    try:
        with open_unpacked(path) as file:
            head = file.read(96)
    except DAMAGED:
        return none
    if len(head) < 96:
        return none
    found = [(*struct.unpack(f"{order}4i", head[:16]), *struct.unpack(f"{order}i", head[92:])) for order in "<>"]
    sizes = [
        (x * y * z * BYTES[mode] + more, float(x * y * z))
        for x, y, z, mode, more in found
        if mode in BYTES and min(x, y, z) > 0 <= more
    ]
    return min(sizes, default=none)
