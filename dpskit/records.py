"""Files of JSON lines that a run adds to as it goes, and from which it is resumed after any interruption."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def read_records(path: str | Path) -> list[dict[str, Any]]:
    """What the file holds, without lines that were cut off. An absent file holds nothing."""
    path, found = Path(path), []
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return [record for record in found if isinstance(record, dict)]


def append_records(path: str | Path, records: Iterable[dict[str, Any]]) -> None:
    """Add a line for each of `records`; a last line that was cut off is ended first."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        if file.tell() > 0:
            file.seek(-1, os.SEEK_END)
            file.write(b"\n" * (file.read() != b"\n"))
        file.writelines(json.dumps(record).encode() + b"\n" for record in records)
