"""Files: written so that nothing half-written stays, and what reading one that is truncated raises."""

from __future__ import annotations

import lzma
import os
import platform
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dpskit.checks import check_path

NPZ_ERRORS = (OSError, KeyError, TypeError, ValueError, EOFError, RuntimeError, OverflowError, zipfile.BadZipFile,
              zlib.error, lzma.LZMAError)  # fmt: skip
"""What opening an npz file and reading its arrays raises on a truncated or foreign file."""


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; on success it is renamed to `path`, on failure it is deleted.

    What was written is on the disk before the name changes. The temporary files of processes of this machine that were
    killed in between are removed by the next one that writes into the folder. A link is followed. Raises
    FileExistsError for a folder, and for a device, which must not be replaced by a file.
    """
    path = real_path(check_path("path", path))
    if (kind := kind_of(path)) not in ("", "file"):
        raise FileExistsError(f"path must be a file, but {str(path)!r} is a {kind}.")
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_stale(path.parent)
    temporary = path.with_name(f".{os.getpid()}@{platform.node()}.{path.name}")
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())  # a full disk may only show here
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def real_path(path: Path) -> Path:
    """What `path` leads to if it is a link: a new file would take the place of the link itself."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def kind_of(path: Path) -> str:
    """What is there: "file", "folder", "device" (or a pipe or socket), or "" for nothing."""
    if not path.exists():
        return ""
    return "folder" if path.is_dir() else "file" if path.is_file() else "device"


def why_unreadable(error: Exception) -> str:
    """Describe `error`, one of NPZ_ERRORS, as the end of a sentence that names the file."""
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read ({error.strerror.lower()})"
    if isinstance(error, ValueError) and str(error).startswith("it "):
        return f"cannot be read: {error}"
    return "is truncated or another file"


def _remove_stale(folder: Path) -> None:
    for leftover in folder.glob(f".*@{platform.node()}.*"):
        number = leftover.name[1:].partition("@")[0]
        if number.isdigit() and not _is_alive(int(number)):
            leftover.unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
