"""A data set behind a URL: downloaded once into the cache folder, and unpacked there if it is a zip archive."""

from __future__ import annotations

import hashlib
import os
import re
import warnings
import zipfile
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from dpskit.data.cache import cache_folder, download

MAX_RATIO, ALWAYS = 50, 1 << 30  # an archive may unpack to fifty times its size, and to 1 GB in any case
OWN = ("localhost", "127.0.0.1", "::1")


def fetch_archive(url: str) -> Path:
    """The file behind `url` in the cache folder, or the folder into which it was unpacked if it ends in .zip.

    Each URL has an entry of its own, named after a hash of it and its last part. "URL#sha256=..." also checks the file.
    A URL that begins with http:// and has no such hash gives a warning: anyone on the way can change what it answers.

    Raises FileNotFoundError and ConnectionError as `download` does, and ValueError for a URL without a host, an archive
    that is incomplete or unpacks to too much, and a file of another hash. An interruption leaves nothing half-made.
    """
    address, _, fragment = url.partition("#")
    parts = urlsplit(address)
    if not parts.hostname:
        raise ValueError(f"source must be a complete URL, got {url!r}.")
    digest = fragment.removeprefix("sha256=").lower() if fragment.startswith("sha256=") else None
    if parts.scheme.lower() == "http" and digest is None and parts.hostname not in OWN:
        warnings.warn(f"{address} is not encrypted: use https, or add #sha256= and the hash of the file.", stacklevel=2)
    last = re.sub(r"[^A-Za-z0-9._-]", "_", parts.path.rstrip("/").rsplit("/", 1)[-1]).strip(".")[-80:] or "data"
    path = cache_folder() / f"{hashlib.sha256(address.encode()).hexdigest()[:12]}-{last}"
    folder = path.with_suffix("") if path.suffix.lower() == ".zip" else path
    if not path.exists() and (folder == path or not folder.exists() or digest is not None):
        download(address, path)
    if digest is not None:
        _check_hash(path, digest)
    if folder.exists():
        return folder
    return path if folder == path else _unpack(path, folder)


def _check_hash(path: Path, digest: str) -> None:
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != digest:
        raise ValueError(f"{path} must have the SHA-256 hash {digest}, got {found}: delete it, or mend the URL.")


def _unpack(path: Path, folder: Path) -> Path:
    with TemporaryDirectory(dir=path.parent) as temporary:
        content = Path(temporary) / folder.name
        try:
            with zipfile.ZipFile(path) as archive:
                unpacked, limit = sum(entry.file_size for entry in archive.infolist()), MAX_RATIO * path.stat().st_size
                if unpacked > max(ALWAYS, limit):
                    raise ValueError(f"{path} must unpack to at most {max(ALWAYS, limit) >> 20} MB: delete it.")
                archive.extractall(content)
        except (zipfile.BadZipFile, EOFError, zlib.error, RuntimeError) as error:
            raise ValueError(f"{path} must be a complete zip archive, but is not ({error}): delete it.") from None
        os.replace(content, folder)
    return folder
