"""Lets nbval see errors in threads: it starts each notebook by recording them, and ends it by raising them."""

import itertools
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "notebooks"))
from thread_errors import RAISE, RECORD


def pytest_collection_modifyitems(items: list) -> None:
    cells = [item for item in items if type(item).__name__ == "IPyNbCell"]
    for _, notebook in itertools.groupby(cells, key=lambda item: item.parent):
        notebook = list(notebook)
        first, last = notebook[0], notebook[-1]
        first.cell.source = f"{RECORD}\n{first.cell.source}"
        last.cell.source = f"{last.cell.source}\n{RAISE}"
