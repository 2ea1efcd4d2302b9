"""Pages of the reference: every public name, by the folder of the package that it lives in."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

SUBPACKAGES = (
    "benchmarks",
    "data",
    "evaluation",
    "experiments",
    "likelihoods",
    "plots",
    "priors",
    "sampling",
    "training",
    "widgets",
)
"""Whose own public names belong to the reference, beside those of dpskit itself."""

TITLES = {  # in the order of the pages
    "sampling": "Sampling: guidance, solvers, schedules",
    "priors": "Priors",
    "likelihoods": "Likelihoods",
    "exact": "Cases with a known posterior",
    "evaluation": "Distances, calibration, spread",
    "experiments": "Experiments",
    "data": "Reading data",
    "export": "Writing results",
    "training": "Training",
    "benchmarks": "Benchmarks",
    "transport": "Assignment",
    "cloud": "Clouds and frames",
    "rotations": "Rotations",
    "plots": "Figures without a kernel",
    "widgets": "Widgets",
}


def public_names() -> dict[str, list[str]]:
    """{folder: the dotted public names of what it defines}, in alphabetical order, without constants."""
    found: dict[str, list[str]] = {}
    seen: set[int] = set()
    for package in ("dpskit", *(f"dpskit.{name}" for name in SUBPACKAGES)):
        module = importlib.import_module(package)
        for name in module.__all__:
            thing = getattr(module, name)
            if id(thing) in seen or not (inspect.isclass(thing) or inspect.isfunction(thing)):
                continue
            seen.add(id(thing))
            found.setdefault(thing.__module__.split(".")[1], []).append(f"{package}.{name}")
    return found


def entry(name: str) -> str:
    """The directive that documents a public name."""
    package, _, last = name.rpartition(".")
    if inspect.isclass(getattr(importlib.import_module(package), last)):
        return f".. autoclass:: {name}\n   :members:\n"
    return f".. autofunction:: {name}\n"


def write(folder: Path) -> None:
    """Write a page for each folder of the package, and an index of them, into `folder`."""
    folder.mkdir(parents=True)
    names = public_names()
    rooms = [*(room for room in TITLES if room in names), *sorted(set(names) - set(TITLES))]
    for room in rooms:
        entries = "\n".join(map(entry, names[room]))
        page = f"# {TITLES.get(room, room.capitalize())}\n\n```{{eval-rst}}\n{entries}```\n"
        (folder / f"{room}.md").write_text(page)
    lines = "\n".join(rooms)
    intro = "Every public name, with its arguments. `from dpskit import ...`, unless another package is named."
    (folder / "index.md").write_text(f"# Reference\n\n{intro}\n\n```{{toctree}}\n:maxdepth: 2\n\n{lines}\n```\n")
