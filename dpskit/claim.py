"""Try an output before a long run: that it can be written, that it fits, and that no other run writes there."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dpskit.checks import check_path
from dpskit.files import kind_of, real_path

MARGIN = 1 << 20  # bytes beside what a run is known to write


@contextmanager
def claim(out: str | Path, size: int = 0, *, folder: bool = False, name: str = "out") -> Iterator[Path]:
    """Hold the output `out`, a file or with `folder` a folder, for one run, and yield its path with "~" expanded.

    size: bytes that will be written, for which there must be space. While it is held, a hidden file beside it (in it)
    is locked, so that a second run is refused; what the try itself made is removed in the end. Raises FileExistsError
    for a file in place of a folder or the other way round, or a device, and OSError or its kind with one sentence for
    what cannot be written, is full or in use; each names the argument, `name`.
    """
    from filelock import FileLock, Timeout

    path = real_path(check_path(name, out))
    home = path if folder else path.parent
    mark = home / (".lock" if folder else f".{path.name}.lock")
    lock, made = FileLock(mark, timeout=0), []
    try:
        try:
            wanted, got = "folder" if folder else "file", kind_of(path)
            if got not in ("", wanted):
                raise FileExistsError(f"{name} must be a {wanted}, but {str(out)!r} is a {got}.")
            made = [parent for parent in (home, *home.parents) if not parent.exists()]
            home.mkdir(parents=True, exist_ok=True)
            _try_space(home, size)
            lock.acquire()
        except Timeout:
            raise BlockingIOError(f"{name} must not be in use, but another run writes to {str(out)!r}.") from None
        except OSError as error:
            if error.errno is None:  # said above
                raise
            reason = (error.strerror or type(error).__name__).lower()
            raise type(error)(
                f"{name} must be a place that can be written, but {str(out)!r} is not ({reason})."
            ) from None
        yield path
    finally:
        if lock.is_locked:
            mark.unlink(missing_ok=True)
            lock.release()
        for parent in made:
            with suppress(OSError):
                parent.rmdir()  # only where nothing was written


def _try_space(folder: Path, size: int) -> None:
    """Write and remove a file of `size` bytes and some more; OSError where that cannot be."""
    if shutil.disk_usage(folder).free < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    trial = folder / f".{os.getpid()}.space"
    try:
        with open(trial, "wb") as file:
            file.write(b"\0" * 4096)
            file.flush()
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size + MARGIN)
    finally:
        trial.unlink(missing_ok=True)
