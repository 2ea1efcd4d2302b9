"""The form of the tutorials; nbval runs them."""

import itertools
import json
import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "tutorials"
LESSONS = sorted(FOLDER.glob("*.ipynb"))


def cells(path):
    return json.loads(path.read_text())["cells"]


def text(cell):
    return "".join(cell["source"])


def test_they_are_in_order_and_in_the_table_for_teachers():
    assert [path.name[:2] for path in LESSONS] == [f"{k:02d}" for k in range(1, 16)]
    overview = (FOLDER / "README.md").read_text()
    assert all(f"]({path.name})" in overview for path in LESSONS)
    rows = re.findall(r"^\| (\d+) [^|]+\| (\d+), (\d+) \|", overview, flags=re.M)
    assert [int(row[0]) for row in rows] == list(range(1, len(LESSONS) + 1))
    for number, minutes, _ in rows:
        first = text(cells(LESSONS[int(number) - 1])[0])
        assert f"About {minutes} minutes" in first


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_every_exercise_has_a_solution_that_checks_something_under_a_collapsed_heading(path):
    """JupyterLab hides what follows a collapsed heading, also when all cells are run."""
    exercises, solutions = [], []
    for heading, cell in itertools.pairwise(cells(path)):
        if heading["cell_type"] == "markdown":
            exercises += re.findall(r"^### (\d)\. ", text(heading), flags=re.M)
        if "solution" in cell["metadata"].get("tags", []):
            assert heading["metadata"] == {"jp-MarkdownHeadingCollapsed": True}
            solutions += re.findall(r"^#### Solution of exercise (\d)$", text(heading))
            assert "assert" in text(cell)
    assert exercises == solutions == [str(k + 1) for k in range(len(exercises))] and 2 <= len(exercises) <= 4


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_it_is_short_cites_and_has_a_slider_that_needs_no_kernel(path):
    prose = " ".join(text(cell) for cell in cells(path) if cell["cell_type"] == "markdown")
    code = " ".join(text(cell) for cell in cells(path) if cell["cell_type"] == "code")
    assert len(prose.split()) < 1500
    assert "picture_slider(" in code
    assert "2412.14897" in prose and "Further reading" in prose


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_its_links_lead_somewhere(path):
    links = [link for cell in cells(path) for link in re.findall(r"\]\(([^)]+\.ipynb)\)", text(cell))]
    assert links or path == LESSONS[-1]
    assert all((FOLDER / link).is_file() for link in links)
