"""NumPy files, whose declared sizes are checked before any of it is read: a small file must not fill the memory."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

MAX_RATIO, ALWAYS = 10, 1 << 27  # an npz may unpack to ten times its size, and to 128 MB in any case
LEAST = 4  # bytes that a number takes once it is used, whatever the file has
MAX_ARRAYS = 50_000


def read_npy(content: bytes) -> np.ndarray:
    """The array of an .npy file, in this machine's byte order. Raises ValueError for any other `content`."""
    try:
        _check_header(io.BytesIO(content), len(content))
        return _native(np.load(io.BytesIO(content), allow_pickle=False))
    except (ValueError, EOFError, OSError, SyntaxError, TypeError, OverflowError) as error:
        raise ValueError(_reason(error)) from None


@contextmanager
def open_npz(path: str | Path) -> Iterator[NpzArrays]:
    """The arrays of an .npz file, read when they are asked for.

    Raises what NPZ_ERRORS of `dpskit.files` names for a file that is none, is truncated, or says that it holds more
    than such a file can.
    """
    with Path(path).open("rb") as stream:
        size = stream.seek(0, io.SEEK_END)
        stream.seek(0)
        with zipfile.ZipFile(stream) as archive:
            entries = [entry for entry in archive.infolist() if entry.filename.endswith(".npy")]  # others are notes
            if len(entries) > MAX_ARRAYS:
                raise ValueError(f"it must hold at most {MAX_ARRAYS:,} arrays")
            limit, used = max(ALWAYS, MAX_RATIO * size), 0
            for entry in entries:
                with archive.open(entry) as file:
                    used += _check_header(file, entry.file_size)
                if used > limit:
                    raise ValueError(f"it must unpack to at most {limit >> 20} MB of arrays")
            yield NpzArrays(archive, {entry.filename.removesuffix(".npy"): entry for entry in entries})


class NpzArrays:
    """A mapping from names to arrays in this machine's byte order."""

    def __init__(self, archive: zipfile.ZipFile, entries: dict[str, zipfile.ZipInfo]) -> None:
        self._archive = archive
        self._entries = entries

    def __getitem__(self, name: str) -> np.ndarray:
        with self._archive.open(self._entries[name]) as file:
            return _native(np.lib.format.read_array(file, allow_pickle=False))

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)


def _check_header(file: IO[bytes], size: int) -> int:
    """The bytes that an .npy file of `size` takes once it is used, as single precision or text of four bytes a letter.

    Raises ValueError unless its header declares as many bytes as follow it.
    """
    major, _ = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
    shape, _order, dtype = read(file)
    if dtype.hasobject:
        raise ValueError("it must hold numbers or text, got Python objects")
    if any(length < 0 for length in shape) or math.prod(shape) * dtype.itemsize > size - file.tell():
        raise ValueError(f"it is cut off, or its header is wrong: an array of shape {shape} does not fit into it")
    return math.prod(shape) * (LEAST * dtype.itemsize if dtype.kind == "S" else max(dtype.itemsize, LEAST))


def _native(array: np.ndarray) -> np.ndarray:
    return array.astype(array.dtype.newbyteorder("=")) if array.dtype.byteorder in "<>" else array


def _reason(error: Exception) -> str:
    return (str(error).splitlines() or ["it is cut off"])[0].partition("; use")[0].rstrip(".")
