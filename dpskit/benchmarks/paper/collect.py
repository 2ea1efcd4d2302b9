"""All results of the paper's commands as one page, made from small records that are kept beside it."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from dpskit.benchmarks.paper.page import table_page
from dpskit.benchmarks.paper.record import TablePart
from dpskit.benchmarks.prior import prior_table, result_of
from dpskit.benchmarks.runtime import load_runtimes, runtime_table
from dpskit.files import replacing
from dpskit.records import read_records

TITLES = {
    "figure1": "Figure 1: shapes side by side",
    "table1": "Table 1: shapes from sparse data",
    "table2": "Table 2: what noise and the correction step bring",
    "figure2": "Figure 2: complexes from sparse data",
    "figure6": "Figure 6: how many time steps",
    "a4": "Appendix A.4: complexes from sparse data",
}
"""Folders of results, by the command that makes them, in the order of the page."""

TABLE_3, RUNTIME = "table3", "runtime"

HEAD = """# The paper's tables and figures

Measured with this package, beside the numbers of Möbius and Habeck (arXiv 2412.14897). Each part names its command; its
records are in `paper/`. This page is made from them by `dpskit benchmark paper`.
"""


def parts_in(folder: str | Path) -> list[TablePart]:
    """The parts whose files the folder holds, in the natural order of their keys."""
    found = [TablePart.load(path) for path in Path(folder).glob("*.json")]
    return sorted(found, key=lambda one: [int(p) if p.isdigit() else p for p in re.split(r"(\d+)", one.key)])


def collect(results: str | Path, docs: str | Path) -> Path:
    """Copy records and pictures from the folders of `results` into `docs`/paper, and write `docs`/paper.md.

    What `docs` holds of a command without results stays. Raises ValueError if there is nothing at all.
    """
    results, kept = Path(results), Path(docs) / "paper"
    for name in TITLES:
        for path in sorted((results / name).glob("*.json")):
            TablePart.load(path).without_values().save(kept / name / path.name)
    for path in sorted((results / RUNTIME).glob("*.json")):
        _copy(path, kept / RUNTIME / path.name)
    for path in sorted((results / TABLE_3).glob("*.jsonl")):
        with replacing(kept / TABLE_3 / f"{path.stem}.json") as temporary:
            temporary.write_text(json.dumps(read_records(path)[-1]) + "\n")
    for name in (*TITLES, TABLE_3):
        for path in sorted((results / name).glob("*.png")):
            _copy(path, kept / name / path.name)
    text = paper_page(kept)
    with replacing(Path(docs) / "paper.md") as temporary:
        temporary.write_text(text)
    return Path(docs) / "paper.md"


def _copy(path: Path, to: Path) -> None:
    with replacing(to) as temporary:
        shutil.copyfile(path, temporary)


def paper_page(kept: str | Path) -> str:
    """The page of the records in `kept`. Raises ValueError if there are none."""
    kept, text = Path(kept), []
    for name, title in TITLES.items():
        parts = parts_in(kept / name)
        if parts:
            heading, _, rest = table_page(title, parts, level=2).partition("\n\n")
            text.append(_section(kept, name, heading, rest))
    priors = [json.loads(path.read_text()) for path in sorted((kept / TABLE_3).glob("*.json"))]
    if priors:
        tables = "\n\n".join(prior_table(result_of(record)) for record in priors)
        text.append(_section(kept, TABLE_3, "## Table 3: how well the priors sample", tables + "\n"))
    runtimes = load_runtimes(kept / RUNTIME)
    if runtimes:
        text.append(_section(kept, RUNTIME, "## Runtime (section 4.4)", runtime_table(runtimes) + "\n"))
    if not text:
        known = ", ".join((*TITLES, TABLE_3, RUNTIME))
        raise ValueError(f"results must hold the folder of at least one of {known}, but there is none.")
    return "\n".join([HEAD, *text])


def _section(kept: Path, name: str, heading: str, rest: str) -> str:
    pictures = [f"![{heading.strip('# ')}](paper/{name}/{path.name})" for path in sorted((kept / name).glob("*.png"))]
    return "\n\n".join([heading, f"`dpskit benchmark {name}`", *pictures, rest])
