"""MRC files: the array and the header, or one sentence that says what is wrong with the file."""

from __future__ import annotations

import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np

SUFFIXES = (".mrc", ".mrcs", ".map", ".ccp4", ".st")


def read_mrc(path: str | Path) -> tuple[np.ndarray, Any]:
    """The data of an MRC file (also gzipped or bzip2ed) as finite float32, in the file's own order, and its header.

    Headers that break the standard, as many programs write them, are read as far as their meaning is clear. Raises
    FileNotFoundError, or ValueError for a truncated or foreign file, complex numbers, NaN and infinity.
    """
    import mrcfile

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"path must be an existing MRC file, got {str(path)!r}.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with mrcfile.open(path, permissive=True) as file:
                data, header = file.data, file.header
                data = None if data is None else np.array(data)
    except (ValueError, OSError, EOFError, OverflowError, MemoryError, zlib.error):
        data = header = None
    if data is None or data.size == 0:
        raise ValueError(f"path must be an MRC file, but {str(path)!r} is truncated or another file.")
    if np.iscomplexobj(data) or data.dtype.fields is not None:
        raise ValueError(f"path must hold real numbers, but {str(path)!r} holds {data.dtype} (a Fourier transform?).")
    data = data.astype(np.float32)
    if not np.isfinite(data).all():
        raise ValueError(f"path must hold finite numbers, but {str(path)!r} holds NaN or infinity.")
    return data, header
