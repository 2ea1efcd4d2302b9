"""The examples in the docstrings run, and print what they say."""

import doctest
import importlib
import inspect
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in (ROOT / "dpskit").rglob("*.py")
    if ">>> " in path.read_text()
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # some write files
    module, finder, runner = importlib.import_module(name), doctest.DocTestFinder(), doctest.DocTestRunner()
    tests = finder.find(module, module.__name__)
    for thing in filter(inspect.isfunction, vars(module).values()):
        inner = inspect.unwrap(thing)
        if inner is not thing and inner.__module__ == name:  # which the finder passes over
            tests += finder.find(inner, inner.__qualname__, module)
    for test in tests:
        runner.run(test)
    assert runner.tries > 0 and runner.failures == 0


def test_examples_of_decorated_functions_are_found():
    from dpskit.sampling import sample

    finder = doctest.DocTestFinder()
    assert sum(len(test.examples) for test in finder.find(inspect.unwrap(sample.sample), "sample")) > 3
