"""Links between the files of the repository, as one reads them there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page
    for pattern in ("*.md", "docs/**/*.md", "tutorials/*.md", "dpskit/priors/weights/*.md")
    for page in ROOT.glob(pattern)
)
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)\s#]+)")
MADE = {"gallery.md", "api/index.md"}
"""Pages that only the site has: they are made when it is built."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_that_are_there(page):
    links = set(LINK.findall(page.read_text())) - MADE
    assert {link for link in links if not (page.parent / link).exists()} == set()


def test_links_are_found():
    assert LINK.findall("[a](b.md#c), ![d](e/f.png), [g](https://h.i), [j](#k)") == ["b.md", "e/f.png"]
