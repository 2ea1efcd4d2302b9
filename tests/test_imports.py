"""Notebooks, lessons, pages and public docstrings import from dpskit and its subpackages, and no deeper."""

import ast
import doctest
import importlib
import inspect
import json
import re
from pathlib import Path

import pytest

import dpskit

ROOT = Path(__file__).parents[1]
PACKAGES = {path.parent.name for path in ROOT.glob("dpskit/*/__init__.py")}
NESTED = {path.parts[-3:-1] for path in ROOT.glob("dpskit/*/*/__init__.py")}
NOTEBOOKS = sorted([*ROOT.glob("notebooks/*.ipynb"), *ROOT.glob("tutorials/*.ipynb")])
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def code_of_notebook(path):
    """The code cells, without lines for the shell or for IPython."""
    cells = json.loads(path.read_text())["cells"]
    lines = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code").splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith(("%", "!")))


def code_of_page(path):
    return "\n".join(re.findall(r"^```python\n(.*?)^```", path.read_text(), re.DOTALL | re.MULTILINE))


def code_of_docstring(thing):
    """The examples of a docstring, and of those of its methods."""
    texts = [inspect.getdoc(thing) or ""]
    if inspect.isclass(thing):
        texts += [inspect.getdoc(member) or "" for member in vars(thing).values()]
    parser = doctest.DocTestParser()
    return "".join(example.source for text in texts for example in parser.get_examples(text))


def is_public(name):
    """Whether a dotted name below dpskit is one of its public names, or of those of a subpackage."""
    first, _, rest = name.partition(".")
    if first in dpskit.__all__ or not name:
        return True
    if first not in PACKAGES:
        return False
    last = rest.partition(".")[0]
    return last in ("", *getattr(importlib.import_module(f"dpskit.{first}"), "__all__", ())) or (first, last) in NESTED


def deeper(code):
    """The names of dpskit in the code that are not public."""
    used = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "dpskit":
            used |= {f"{node.module}.{name.name}" for name in node.names}
        elif isinstance(node, ast.Import):
            used |= {name.name for name in node.names if name.name.split(".")[0] == "dpskit"}
        elif isinstance(node, ast.Attribute):
            dotted = ast.unparse(node)
            if re.fullmatch(r"dpskit(\.\w+)+", dotted):
                used.add(dotted)
    return sorted(name for name in used if not is_public(name.partition(".")[2]))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_and_lessons(path):
    code = code_of_notebook(path)
    assert "dpskit" in code and deeper(code) == []


@pytest.mark.parametrize("path", [path for path in PAGES if code_of_page(path)], ids=lambda path: path.stem)
def test_pages(path):
    assert deeper(code_of_page(path)) == []


def test_docstrings_of_public_names():
    code = {name: code_of_docstring(getattr(dpskit, name)) for name in dpskit.__all__ if name != "__version__"}
    assert sum("dpskit" in text for text in code.values()) > 70
    assert {name: deeper(text) for name, text in code.items() if deeper(text)} == {}


def test_all_texts_are_read():
    assert len(NOTEBOOKS) >= 31 and len([path for path in PAGES if code_of_page(path)]) >= 6


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("import dpskit\ndpskit.sample(dpskit.experiments.Scenario)", []),
        ("from dpskit import sample, widgets\nfrom dpskit.plots import cloud_figure", []),
        ("if True:\n    from dpskit.sampling.dps import DPS", ["dpskit.sampling.dps.DPS"]),
        ("from dpskit.benchmarks.paper import ROWS", []),
        ("import dpskit.cloud", ["dpskit.cloud"]),
        ("from dpskit import cloud", ["dpskit.cloud"]),
        ("from dpskit.plots import colours", ["dpskit.plots.colours"]),
        ("x = dpskit.sampling.dps.DPS()", ["dpskit.sampling.dps", "dpskit.sampling.dps.DPS"]),
    ],
)
def test_what_is_deeper(code, names):
    assert deeper(code) == names
