"""Every public name is documented: all of its parameters, what it returns and raises, and an example."""

import ast
import dataclasses
import doctest
import importlib
import inspect
import re
import sys
import textwrap
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "docs"))
from reference import public_names

import dpskit

NAMES = [name for names in public_names().values() for name in names]
PROTOCOLS = (dpskit.Prior, dpskit.Likelihood, dpskit.Measurement, dpskit.Guidance, dpskit.Solver)
DESCRIBED = {method for protocol in PROTOCOLS for method in vars(protocol) if not method.startswith("_")}
"""Methods whose arguments a protocol describes, once for all classes that have them."""


def sections(thing):
    """{title: text} of a docstring in the numpy style."""
    parts = re.split(r"^(\w+)\n-+$", inspect.getdoc(thing) or "", flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def listed(text):
    """The names that a section of parameters describes."""
    heads = re.findall(r"^(\w[\w, ]*?)(?: : .*)?$", text, flags=re.MULTILINE)
    return [name.strip() for head in heads for name in head.split(",")]


def parameters(thing):
    if dataclasses.is_dataclass(thing):
        return [field.name for field in dataclasses.fields(thing) if field.init]
    if inspect.isclass(thing) and (thing in PROTOCOLS or thing.__init__ is object.__init__):
        return []
    names = inspect.signature(thing).parameters
    return [name for name in names if name not in ("self", "cls") and not name.startswith("_")]


def missing(thing):
    """What the docstring of a class or function lacks, in words."""
    found = sections(thing)
    described, expected = listed(found.get("Parameters", found.get("Attributes", ""))), parameters(thing)
    lacks = [f"parameter {name}" for name in expected if name not in described]
    if not inspect.isclass(thing):
        lacks += [f"{name}, which is no parameter" for name in described if name not in expected]
        if inspect.signature(thing).return_annotation != "None" and "Returns" not in found:
            lacks.append("Returns")
        tree = ast.parse(textwrap.dedent(inspect.getsource(thing)))
        if any(isinstance(node, ast.Raise) for node in ast.walk(tree)) and "Raises" not in found:
            lacks.append("Raises")
    return lacks if inspect.getdoc(thing) else ["a docstring"]


def methods(thing):
    """The public methods of a class that no protocol describes."""
    own = {name: getattr(member, "__func__", member) for name, member in vars(thing).items() if name[0] != "_"}
    return {name: member for name, member in own.items() if inspect.isfunction(member) and name not in DESCRIBED}


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_says_what_it_takes_and_gives(name):
    package, _, last = name.rpartition(".")
    thing = getattr(importlib.import_module(package), last)
    lacks = {"": missing(thing)}
    if inspect.isclass(thing):
        lacks |= {method: missing(member) for method, member in methods(thing).items()}
        own = {method: member for method, member in vars(thing).items() if method[0] != "_"}
        lacks |= {method: [] if inspect.getdoc(member) else ["a docstring"]
                  for method, member in own.items() if isinstance(member, property) or method in DESCRIBED}  # fmt: skip
    assert {method: words for method, words in lacks.items() if words} == {}
    if package == "dpskit":
        assert doctest.DocTestParser().get_examples(thing.__doc__), "an example"


def test_the_checks_see_what_is_missing():
    def undocumented(x: int, y: int) -> int:
        """Add.

        Parameters
        ----------
        x : int
            One.
        z
            Nothing.
        """
        if x > y:
            raise ValueError
        return x + y

    assert missing(undocumented) == ["parameter y", "z, which is no parameter", "Returns", "Raises"]
    assert set(PROTOCOLS) <= {getattr(dpskit, name.rpartition(".")[2], None) for name in NAMES} and len(NAMES) > 90
