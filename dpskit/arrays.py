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
            entries = archive.infolist()
            unpacked = sum(entry.file_size for entry in entries)
            if unpacked > max(ALWAYS, MAX_RATIO * size):
                raise ValueError(f"it must unpack to at most {max(ALWAYS, MAX_RATIO * size) >> 20} MB")
            for entry in entries:
                if not entry.filename.endswith(".npy"):  # a note, for instance
                    continue
                with archive.open(entry) as file:
                    _check_header(file, entry.file_size)
        stream.seek(0)
        with np.load(stream, allow_pickle=False) as arrays:
            yield NpzArrays(arrays, [e.filename.removesuffix(".npy") for e in entries if e.filename.endswith(".npy")])


class NpzArrays:
    """A mapping from names to arrays in this machine's byte order."""

    def __init__(self, arrays: np.lib.npyio.NpzFile, names: list[str]) -> None:
        self._arrays = arrays
        self.names = list(dict.fromkeys(names))

    def __getitem__(self, name: str) -> np.ndarray:
        return _native(self._arrays[name])

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)


def _check_header(file: IO[bytes], size: int) -> None:
    """Raise ValueError unless the header of an .npy file declares as many bytes as follow it."""
    major, _ = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
    shape, _order, dtype = read(file)
    if dtype.hasobject:
        raise ValueError("it must hold numbers or text, got Python objects")
    if any(length < 0 for length in shape) or math.prod(shape) * dtype.itemsize > size - file.tell():
        raise ValueError(f"it is cut off, or its header is wrong: an array of shape {shape} does not fit into it")


def _native(array: np.ndarray) -> np.ndarray:
    return array.astype(array.dtype.newbyteorder("=")) if array.dtype.byteorder in "<>" else array


def _reason(error: Exception) -> str:
    return (str(error).splitlines() or ["it is cut off"])[0].partition("; use")[0].rstrip(".")
