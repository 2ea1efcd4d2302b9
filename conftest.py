"""What nbval does with a notebook: errors in threads are recorded at its start and raised at its end, and with
DPSKIT_FAST=1 its parameters are those of `notebooks/fast.toml`."""

import itertools
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "notebooks"))
from parameters import fast_values, override
from thread_errors import RAISE, RECORD


def pytest_collection_modifyitems(items: list) -> None:
    cells = [item for item in items if type(item).__name__ == "IPyNbCell"]
    for _, notebook in itertools.groupby(cells, key=lambda item: item.parent):
        notebook = list(notebook)
        if os.environ.get("DPSKIT_FAST") == "1":
            override([item.cell for item in notebook], fast_values(notebook[0].path))
        first, last = notebook[0], notebook[-1]
        first.cell.source = f"{RECORD}\n{first.cell.source}"
        last.cell.source = f"{last.cell.source}\n{RAISE}"
