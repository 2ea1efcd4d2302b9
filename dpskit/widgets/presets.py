"""The rows of the paper's tables as settings of the panel."""

from __future__ import annotations

from collections.abc import Sequence

from dpskit.benchmarks.paper import CHAIR, COMPLEX, FIGURE_2, MIXED, OBJECTS, ROWS, SETTINGS
from dpskit.experiments.scenarios import Scenario

PAPER_POINTS = 1024
"""Of which the paper counts a subunit."""
TARGETS = {CHAIR: "chair", MIXED: "table", COMPLEX: "ruvab"}
"""A shipped object of each kind."""


def presets() -> dict[str, tuple[Scenario, str]]:
    """By its name in the list, the scenario of a row and the kind of its objects, which is also the name of a prior."""
    found = {f"Table 1, row {key}: {OBJECTS[key]}": (row, OBJECTS[key]) for key, row in ROWS.items()}
    found |= {f"{key}: {COMPLEX}": (row, COMPLEX) for key, row in (SETTINGS | FIGURE_2).items()}
    return found


def values_of(name: str, priors: Sequence[str], targets: Sequence[str]) -> dict[str, object]:
    """What the controls are set to by the row of this name: the data, the method and a fitting prior and target.

    The number of points, of samples and the seed stay as they are; so do prior and target where there is no fitting
    one among the names.
    """
    row, kind = presets()[name]
    values: dict[str, object] = {"scenario": row.kind, "alpha": row.alpha, "cutoff": row.cutoff, "n_steps": row.n_steps}
    values |= {"n_views": row.n_views, "view_points": row.n_points}
    values |= {"coarse_points": row.coarse_points, "means": row.means} if row.coarse_points else {}
    values |= {"share": row.subunit_points / PAPER_POINTS} if row.subunit_points else {}
    values |= {"prior": kind} if kind in priors else {}
    return values | ({"target": TARGETS[kind]} if TARGETS[kind] in targets else {})
