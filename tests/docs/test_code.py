"""Code in running text: it calls what there is, by arguments that it takes."""

import argparse
import ast
import inspect
import json
import re
import shlex
from operator import attrgetter
from pathlib import Path

import pytest

import dpskit
from dpskit.cli import make_parser

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "tutorials").glob("*.md"))]
NOTEBOOKS = sorted([*(ROOT / "notebooks").glob("*.ipynb"), *(ROOT / "tutorials").glob("*.ipynb")])


def texts(path):
    """The running text of a page or notebook, and what its code defines."""
    if path.suffix == ".md":
        return path.read_text(), set()
    cells = json.loads(path.read_text())["cells"]
    text, code = (
        "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == kind) for kind in ("markdown", "code")
    )
    return text, set(re.findall(r"^def (\w+)", code, re.M))


def calls(text):
    """The calls in the inline code and the Python blocks of a Markdown text."""
    for code in re.findall(r"```python\n(.*?)```", text, re.S) + re.findall(r"`([^`\n]+)`", text):
        try:
            tree = ast.parse(code.strip())
        except SyntaxError:
            continue
        yield from (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def called(name):
    """What of dpskit the name is, with or without its module; None if it is something else."""
    try:
        return attrgetter(name.removeprefix("dpskit."))(dpskit)
    except AttributeError:
        assert not name.startswith("dpskit."), f"there is no {name}"
        return None


@pytest.mark.parametrize("path", PAGES + NOTEBOOKS, ids=lambda path: path.stem)
def test_calls_have_arguments_that_are_taken(path):
    text, own = texts(path)
    for call in calls(text):
        name = ast.unparse(call.func)
        function = called(name) if re.fullmatch(r"[\w.]+", name) and name not in own else None
        if callable(function):
            unknown = {k.arg for k in call.keywords if k.arg} - set(inspect.signature(function).parameters)
            assert not unknown, f"{ast.unparse(call)}: {name} takes no {unknown}"


def commands(text):
    """The commands `dpskit` in Markdown, as a shell takes them apart, and whether they are to be typed as they are."""
    blocks = re.findall(r"```(?:bash|sh)?\n(.*?)```", text, re.S)
    lines = [(line, True) for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    lines += [(line, False) for line in re.findall(r"`(dpskit [^`\n]+)`", text)]
    return [(shlex.split(line, comments=True)[1:], whole) for line, whole in lines if line.startswith("dpskit ")]


@pytest.mark.parametrize("path", PAGES + NOTEBOOKS, ids=lambda path: path.stem)
def test_commands_are_taken(path, monkeypatch):
    def refuse(parser, message):
        raise ValueError(message)

    monkeypatch.setattr(argparse.ArgumentParser, "error", refuse)
    for words, whole in commands(texts(path)[0]):
        if {"...", "--help"} & set(words):
            continue
        try:
            make_parser().parse_args(words)
        except ValueError as error:  # in a sentence a command may lack its arguments
            assert not whole and "are required" in str(error), f"dpskit {shlex.join(words)}: {error}"


def test_a_wrong_argument_is_seen():
    (call,) = calls("`dpskit.sample(prior, None, steps=3)`")
    assert {k.arg for k in call.keywords} - set(inspect.signature(called("dpskit.sample")).parameters) == {"steps"}
    with pytest.raises(AssertionError, match=r"no dpskit\.sampled"):
        called("dpskit.sampled")
    assert commands("```\ndpskit sample chairs \\\n    --out x  # quick\n```") == [
        (["sample", "chairs", "--out", "x"], True)
    ]
