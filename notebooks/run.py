"""Run a notebook headless, with a progress bar, and write it as HTML.

usage: python notebooks/run.py NOTEBOOK FOLDER
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from tqdm import tqdm


def run(path: Path, folder: Path) -> Path:
    """Execute the notebook at `path`, in its own folder; returns the HTML file written to `folder`."""
    os.environ["PLOTLY_RENDERER"] = "notebook"  # the page carries plotly's script, and needs no network
    notebook = nbformat.read(path, as_version=4)
    folder.mkdir(parents=True, exist_ok=True)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    titles = _titles(notebook.cells)
    bar = tqdm(total=len(code), unit="cell", bar_format="{l_bar}{bar}| cell {n_fmt}/{total_fmt} [{elapsed}]")

    def starts(cell: Any, cell_index: int) -> None:
        bar.set_description(titles[cell_index])

    def ends(cell: Any, cell_index: int, **_: Any) -> None:
        bar.update()

    client = NotebookClient(
        notebook,
        timeout=1200,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        on_cell_execute=starts,
        on_cell_executed=ends,
    )
    client.execute()
    bar.close()
    page, _ = HTMLExporter().from_notebook_node(notebook)
    target = folder / path.with_suffix(".html").name
    target.write_text(page)
    return target


def _titles(cells: list[Any]) -> list[str]:
    """For every cell the last heading above it."""
    titles, title = [], ""
    for cell in cells:
        if cell.cell_type == "markdown" and cell.source.startswith("#"):
            title = cell.source.splitlines()[0].strip("# ")
        titles.append(title)
    return titles


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    start = time.monotonic()
    print(f"{run(Path(sys.argv[1]).resolve(), Path(sys.argv[2]))} ({time.monotonic() - start:.0f} s)")
