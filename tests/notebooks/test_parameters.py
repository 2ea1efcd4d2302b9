"""The parameters of the notebooks and lessons, and that each checks what it says."""

import ast
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "notebooks"))
from parameters import FAST, TAG, assigned, fast_values, override  # noqa: E402

NUMBERED = sorted((ROOT / "notebooks").glob("*.ipynb")) + sorted((ROOT / "tutorials").glob("*.ipynb"))


def code(path):
    """The code cells, without their magics."""
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    for cell in cells:
        cell.source = "\n".join(line for line in cell.source.splitlines() if not line.startswith("%"))
    return cells


def asserts(tree):
    """The assertions of a tree that always run, and those that only run without the fast setting."""
    always, sometimes = [], []
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Assert):
            always.append(node)
            continue
        inner = asserts(node)
        sometimes += inner[1]
        (sometimes if isinstance(node, ast.If) and "check_quality" in ast.unparse(node.test) else always).extend(
            inner[0]
        )
    return always, sometimes


@pytest.mark.parametrize("path", NUMBERED, ids=lambda path: path.stem)
def test_a_notebook_has_one_cell_of_parameters_near_its_start_and_the_fast_setting_fits_it(path):
    cells = code(path)
    (position,) = [k for k, cell in enumerate(cells) if TAG in cell.metadata.get("tags", [])]
    assert position == 1, "the imports come first, then the parameters"
    usual, fast = assigned(cells[position].source), fast_values(path)
    assert fast and set(fast) <= set(usual)
    for name, value in fast.items():
        assert type(value) is type(usual[name]), name
        assert value != usual[name], f"{name} need not be overridden"
    assert not any("DPSKIT_FAST" in cell.source for cell in cells)
    others = ast.parse("\n".join(cell.source for k, cell in enumerate(cells) if k != position))
    stored = {node.id for node in ast.walk(others) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    assert not stored & set(usual), "a parameter keeps its value"


@pytest.mark.parametrize("path", NUMBERED, ids=lambda path: path.stem)
def test_a_notebook_asserts_what_it_claims_also_in_the_fast_setting(path):
    always, sometimes = asserts(ast.parse("\n".join(cell.source for cell in code(path))))
    assert always, "at least one assertion holds in the fast setting"
    usual = assigned(next(cell for cell in code(path) if TAG in cell.metadata.get("tags", [])).source)
    assert bool(sometimes) == ("check_quality" in usual)


def test_the_table_names_no_notebook_that_is_gone():
    assert set(tomllib.loads(FAST.read_text())) <= {path.stem for path in NUMBERED}


def cell(source, *tags):
    return nbformat.v4.new_code_cell(source, metadata={"tags": list(tags)})


def test_values_are_appended_to_the_cell_and_win():
    cells = [cell("import math"), cell('n = 10  # many\nname = "long"', TAG), cell("print(n)")]
    override(cells, {"n": 2, "name": "it's short"})
    names = {}
    exec(cells[1].source, names)
    assert (names["n"], names["name"]) == (2, "it's short")
    assert cells[0].source == "import math" and cells[2].source == "print(n)"


def test_nothing_to_override_changes_nothing():
    cells = [cell("n = 10")]
    override(cells, {})
    assert cells[0].source == "n = 10"


@pytest.mark.parametrize(
    ("cells", "values", "words"),
    [
        ([cell("n = 10")], {"n": 2}, "one tagged 'parameters'"),
        ([cell("n = 10", TAG), cell("n = 11", TAG)], {"n": 2}, "got 2"),
        ([cell("n = 10", TAG)], {"m": 2}, "got m"),
        ([cell("n = f(10)", TAG)], {"n": 2}, r"f\(10\)"),
        ([cell("import n", TAG)], {"n": 2}, "import n"),
    ],
)
def test_what_cannot_be_overridden_is_refused(cells, values, words):
    with pytest.raises(ValueError, match=words):
        override(cells, values)
