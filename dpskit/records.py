"""Append-only files of JSON lines, from which an interrupted run is resumed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dpskit.version import NUMBERS


def read_records(path: str | Path) -> list[dict[str, Any]]:
    """Read all complete lines of the file; an absent file has none."""
    path, records = Path(path), []
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            records.append(json.loads(line))
        except ValueError:
            continue
    return [record for record in records if isinstance(record, dict)]


def read_results(path: str | Path) -> list[dict[str, Any]]:
    """The records that `append_result` wrote, without those of a version of dpskit with other numbers."""
    return [record for record in read_records(path) if record.pop("numbers", None) == NUMBERS]


def append_result(path: str | Path, result: dict[str, Any]) -> None:
    """Add a line with what was measured, and the version of the numbers."""
    append_records(path, [{"numbers": NUMBERS} | result])


def append_records(path: str | Path, records: Iterable[dict[str, Any]]) -> None:
    """Add a line for each of `records`, all or none; a last line that was cut off is ended first."""
    path = Path(path).expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = b"".join(json.dumps(record).encode() + b"\n" for record in records)
    with path.open("ab+", buffering=0) as file:
        size = file.tell()
        if size > 0:
            file.seek(-1, os.SEEK_END)
            lines = b"\n" * (file.read() != b"\n") + lines
        written = 0
        try:
            while written < len(lines):
                written += file.write(lines[written:])
        except OSError:  # a full disk
            file.truncate(size)
            raise
