"""Files of JSON lines that a run adds to as it goes, and from which it is resumed after any interruption."""

from __future__ import annotations

import json
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
    text = path.read_text() if path.exists() else ""
    with path.open("a") as file:
        file.write("\n" * (text != "" and not text.endswith("\n")))
        file.writelines(json.dumps(record) + "\n" for record in records)
