"""The tables of the documentation are those of the records that are kept beside it."""

import json
import re
from pathlib import Path

import pytest

from dpskit.benchmarks.paper.collect import TABLE_3, paper_page, parts_in
from dpskit.benchmarks.paper.page import part_table, summary_table
from dpskit.benchmarks.paper.record import TablePart
from dpskit.benchmarks.prior import prior_table, result_of
from dpskit.markdown import Table

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
MARKED = re.compile(r"<!-- table of (?P<record>\S+) -->\n+(?P<table>(?:\|.*\n)+)")


def marked_tables(text):
    """(record, table) of all tables of a Markdown text that follow a comment such as `<!-- table of paper/a4 -->`."""
    return [(found["record"], found["table"].rstrip("\n")) for found in MARKED.finditer(text)]


def table_of(record):
    """The table of a record: of one part in full, of a folder of parts the summary, of a prior the first one, and
    outside the paper's the one that a benchmark has kept."""
    path = Path(record)
    if "paper" not in path.parts:
        return Table.load(path).markdown
    if path.parent.name == TABLE_3:
        return prior_table(result_of(json.loads(path.read_text()))).partition("\n\n")[0]
    return summary_table(parts_in(path)) if path.is_dir() else part_table(TablePart.load(path))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_tables_with_a_record_are_those_of_the_record(page):
    for record, table in marked_tables(page.read_text()):
        assert table == table_of(ROOT / "docs" / record), f"{page.name} differs from its record {record}"


def test_the_page_of_the_paper_is_made_from_its_records():
    page, kept = ROOT / "docs" / "paper.md", ROOT / "docs" / "paper"
    assert page.exists() == kept.exists()
    if kept.exists():
        assert page.read_text() == paper_page(kept), "run dpskit benchmark paper"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_place_is_left_to_be_filled(page):
    assert not re.findall(r"^[A-Z][A-Z0-9]+$", page.read_text(), re.M)


def test_marked_tables_are_found_with_their_records():
    table = "| x |\n|---|\n| 1 |"
    text = f"A\n\n<!-- table of a/1.json -->\n\n{table}\n\nB\n\n{table}\n"
    assert marked_tables(text) == [("a/1.json", table)]
