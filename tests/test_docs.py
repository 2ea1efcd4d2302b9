"""The tables of the documentation are those of the records that are kept beside it."""

from pathlib import Path

import pytest

from dpskit.benchmarks.paper.collect import marked_tables, paper_page, table_of

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_tables_with_a_record_are_those_of_the_record(page):
    for record, table in marked_tables(page.read_text()):
        assert table == table_of(ROOT / "docs" / record), f"{page.name} differs from its record {record}"


def test_the_page_of_the_paper_is_made_from_its_records():
    page, kept = ROOT / "docs" / "paper.md", ROOT / "docs" / "paper"
    assert page.exists() == kept.exists()
    if kept.exists():
        assert page.read_text() == paper_page(kept), "run dpskit benchmark paper"
