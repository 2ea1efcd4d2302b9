"""The folder of files that are made or downloaded once, and the download of a PDB entry into it."""

from __future__ import annotations

import os
import re
from pathlib import Path

from dpskit.data.unpacked import DAMAGED, is_packed, open_unpacked

URL = "https://files.rcsb.org/download/{code}.cif.gz"
MAX_BYTES = 1 << 30  # unpacked


def cache_folder() -> Path:
    """The folder named by the environment variable DPSKIT_CACHE, or else the user's cache folder for dpskit."""
    import pooch

    return Path(os.environ.get("DPSKIT_CACHE") or pooch.os_cache("dpskit")).expanduser()


def fetch_entry(code: str) -> Path:
    """The mmCIF file of the PDB entry `code`, downloaded from the RCSB with a progress bar unless it is there already.

    What was downloaded is unpacked once, which checks its checksum, and must name the entry. Raises ValueError when
    there is no such entry, and ConnectionError for another answer and as `download` does.
    """
    path, url = cache_folder() / f"{code.lower()}.cif.gz", URL.format(code=code.upper())
    if path.exists():
        return path
    try:
        download(url, path)
    except FileNotFoundError as error:
        raise ValueError(f"source must be a file or the code of a PDB entry; {error}") from None
    fault = _fault(path, code)
    if fault:  # such as the page of a proxy or a hotel
        path.unlink()
        raise _by_hand(f"{url} answered with {fault}", path)
    return path


def _fault(path: Path, code: str) -> str | None:
    """What is wrong with a downloaded entry: the RCSB gives no hash, but gzip has a checksum, and the text its code."""
    start, size = b"", 0
    if not is_packed(path):
        return "something else than a gzipped file"
    try:
        with open_unpacked(path) as file:
            while piece := file.read(1 << 20):
                start, size = start or piece[:1000], size + len(piece)
                if size > MAX_BYTES:
                    return f"a file that unpacks to more than {MAX_BYTES >> 20} MB"
    except DAMAGED:
        return "a gzipped file that is truncated or damaged"
    if not re.search(rb"^data_\S*%b\b" % code.lower().encode(), start.lower(), re.MULTILINE):
        return f"something else than the mmCIF file of {code.upper()}"
    return None


def download(url: str, path: Path) -> None:
    """Fetch `url` into `path` with a progress bar, and leave nothing half-written.

    Raises FileNotFoundError if the server knows no such file, and ConnectionError for all else that goes wrong; both
    name the address, and the latter the path where the file may be put by hand.
    """
    import pooch
    import requests

    pooch.get_logger().setLevel("WARNING")  # the progress bar says enough
    downloader = pooch.HTTPDownloader(progressbar=True, timeout=30)
    try:
        pooch.retrieve(url, None, fname=path.name, path=path.parent, downloader=downloader)
    except requests.HTTPError as error:
        status = error.response.status_code
        if status == 404:
            raise FileNotFoundError(f"{url} does not exist.") from None
        raise _by_hand(f"{url} answered {status}", path) from None
    except OSError as error:
        raise _by_hand(f"{url} could not be downloaded ({type(error).__name__})", path) from None


def _by_hand(message: str, path: Path) -> ConnectionError:
    return ConnectionError(f"{message}; put the file at {path} by hand.")
