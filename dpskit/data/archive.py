"""A data set behind a URL: downloaded once into the cache folder, and unpacked there if it is a zip archive."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

from dpskit.data.cache import cache_folder, download


def fetch_archive(url: str) -> Path:
    """The file behind `url` in the cache folder, or the folder into which it was unpacked if it ends in .zip.

    Raises FileNotFoundError and ConnectionError as `download` does, and ValueError for an incomplete archive. An
    interruption leaves nothing half-made.
    """
    path = cache_folder() / url.rstrip("/").rsplit("/", 1)[-1].partition("?")[0]
    folder = path.with_suffix("") if path.suffix.lower() == ".zip" else path
    if folder.exists():
        return folder
    if not path.exists():
        download(url, path)
    return path if folder == path else _unpack(path, folder)


def _unpack(path: Path, folder: Path) -> Path:
    with TemporaryDirectory(dir=path.parent) as temporary:
        content = Path(temporary) / folder.name
        try:
            with zipfile.ZipFile(path) as archive:
                archive.extractall(content)
        except (zipfile.BadZipFile, EOFError) as error:
            raise ValueError(f"{path} must be a complete zip archive, but is not ({error}): delete it.") from None
        os.replace(content, folder)
    return folder
