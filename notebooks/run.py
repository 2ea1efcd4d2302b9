"""Run notebooks headless, with progress bars, write them as HTML, and print the time and peak memory of each.

usage: python notebooks/run.py [--fast] NOTEBOOK [NOTEBOOK ...] FOLDER

An error fails, also one in a thread. --fast takes the parameters of the tests, in fast.toml.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).parent))
from pages import offline_page
from parameters import fast_values, override
from thread_errors import RAISE, RECORD

HEAD = "| notebook | seconds | CPU seconds | peak memory (GB) |\n|---|---|---|---|"
USAGE = """
import pathlib, re, resource, sys, time
_status = pathlib.Path("/proc/self/status")  # on Linux ru_maxrss begins with that of the parent
_peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**10 if sys.platform == "darwin" else 1)
_peak = int(re.search(r"VmHWM:\\s*(\\d+)", _status.read_text())[1]) if _status.exists() else _peak
print(_peak * 1024 / 1e9, time.process_time())
"""


@dataclass(frozen=True)
class Executed:
    """A notebook with its outputs, and what it took, as in `Page`."""

    notebook: Any
    seconds: float
    cpu_seconds: float
    gigabytes: float


@dataclass(frozen=True)
class Page:
    """An executed notebook: seconds with the start of its kernel, and CPU seconds and peak GB of the kernel. On a busy
    machine the CPU seconds tell more than the seconds."""

    title: str
    path: Path
    seconds: float
    cpu_seconds: float
    gigabytes: float

    def row(self) -> str:
        """A line of a Markdown table."""
        return f"| {self.path.stem} | {self.seconds:.0f} | {self.cpu_seconds:.0f} | {self.gigabytes:.2f} |"


def run(path: Path, folder: Path, *, fast: bool = False) -> Page:
    """Execute the notebook at `path`, in its own folder, and write it to `folder` as HTML.

    fast: with the parameters of the tests.
    """
    done = execute(path, fast=fast)
    title = next(heading for heading in _titles(done.notebook.cells) if heading)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / path.with_suffix(".html").name
    target.write_text(offline_page(done.notebook, title))
    return Page(title, target, done.seconds, done.cpu_seconds, done.gigabytes)


def execute(path: Path, *, fast: bool) -> Executed:
    """Execute the notebook at `path`, in its own folder."""
    notebook = nbformat.read(path, as_version=4)
    override(notebook.cells, fast_values(path) if fast else {})
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    notebook.cells.insert(0, nbformat.v4.new_code_cell(RECORD))
    notebook.cells += [nbformat.v4.new_code_cell(RAISE), nbformat.v4.new_code_cell(USAGE)]
    titles = _titles(notebook.cells)
    bar = tqdm(total=len(code), unit="cell", bar_format="{l_bar}{bar}| cell {n_fmt}/{total_fmt} [{elapsed}]")

    def starts(cell: Any, cell_index: int) -> None:
        bar.set_description(f"{path.stem}: {titles[cell_index]}"[:60])

    def ends(cell: Any, cell_index: int, **_: Any) -> None:
        bar.update(cell in code)

    client = NotebookClient(
        notebook,
        timeout=1200,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        on_cell_execute=starts,
        on_cell_executed=ends,
    )
    client.comm_open_handlers = {}  # of output widgets, for which nbclient can wait for ever (its issue 312)
    start = time.monotonic()
    client.execute(env=os.environ | {"PLOTLY_RENDERER": "plotly_mimetype"})
    seconds = time.monotonic() - start
    bar.close()
    printed = "".join(output.text for output in notebook.cells[-1].outputs)  # a busy kernel sends it in pieces
    peak, cpu = map(float, printed.split())
    notebook.cells = notebook.cells[1:-2]
    return Executed(notebook, seconds, cpu, peak)


def _titles(cells: list[Any]) -> list[str]:
    """For every cell the last heading above it."""
    titles, title = [], ""
    for cell in cells:
        if cell.cell_type == "markdown" and cell.source.startswith("#"):
            title = cell.source.splitlines()[0].strip("# ")
        titles.append(title)
    return titles


def main(arguments: list[str]) -> None:
    """The command line of the module's docstring."""
    options = {argument for argument in arguments if argument.startswith("-")}
    paths = [Path(argument).resolve() for argument in arguments if argument not in options]
    if len(paths) < 2 or options - {"--fast"}:
        sys.exit(__doc__)
    *notebooks, folder = paths
    pages = []
    print(HEAD)
    for path in notebooks:
        pages.append(run(path, folder, fast="--fast" in options))
        print(pages[-1].row(), flush=True)
    print("\n".join(str(page.path) for page in pages))


if __name__ == "__main__":
    main(sys.argv[1:])
