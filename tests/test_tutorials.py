"""The form of the tutorials; nbval runs them."""

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


def test_there_are_nine_in_order():
    assert [path.name[:2] for path in LESSONS] == [f"{k:02d}" for k in range(1, 10)]


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_every_exercise_has_a_hidden_solution_that_checks_something(path):
    exercises, solutions = 0, []
    for cell in cells(path):
        if cell["cell_type"] == "markdown":
            exercises += len(re.findall(r"^\*\*\d\. ", text(cell), flags=re.M))
        elif "solution" in cell["metadata"].get("tags", []):
            solutions.append(cell)
    assert 2 <= exercises == len(solutions) <= 4
    for cell in solutions:
        assert cell["metadata"]["jupyter"] == {"source_hidden": True, "outputs_hidden": True}
        assert text(cell).startswith("# Solution\n") and "assert" in text(cell)


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_it_is_short_cites_and_has_a_widget(path):
    prose = " ".join(text(cell) for cell in cells(path) if cell["cell_type"] == "markdown")
    code = " ".join(text(cell) for cell in cells(path) if cell["cell_type"] == "code")
    assert len(prose.split()) < 1500
    assert "ipywidgets.interact" in code
    assert "2412.14897" in prose and "Further reading" in prose


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_its_links_lead_somewhere(path):
    links = [link for cell in cells(path) for link in re.findall(r"\]\(([^)]+\.ipynb)\)", text(cell))]
    assert links or path == LESSONS[-1]
    assert all((FOLDER / link).is_file() for link in links)
