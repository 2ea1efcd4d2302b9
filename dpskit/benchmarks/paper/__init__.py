"""The paper's settings and published numbers, in one place: Table 1, Table 4 and appendix A.4.

Möbius and Habeck, arXiv 2412.14897. Where the paper contradicts itself, the setting of Table 4 has a key of its own:
row 9 has one projection in Table 1, and two in Table 4; rows 3 and 4 of Table 1 are rows 4 and 3 of Table 4 (the text
of Figure 6 pairs them so), and "3 (Table 4)" is line 3 of that table.
"""

from __future__ import annotations

from dataclasses import dataclass

from dpskit.experiments.scenarios import Scenario

CHAIR, MIXED, COMPLEX = "chairs", "shapes", "complexes"


@dataclass(frozen=True)
class Published:
    """Mean and standard deviation over targets and samples, in the units of the tables: CD and EMD x 10^2, E x 10^3."""

    cd: tuple[float, float]
    emd: tuple[float, float]
    energy: tuple[float, float]


def _row(
    name: str, n_views: int, n_points: int, alpha: float, cutoff: float, coarse: int = 0, part: int = 0
) -> Scenario:
    return Scenario(name, n_views, n_points, coarse, part, alpha, cutoff, reflections=True)


_LINES = (
    _row("1", 5, 200, 10_000, 0.15),
    _row("2", 6, 200, 10_000, 0.15),
    _row("3", 4, 400, 5_000, 0.0),
    _row("3 (Table 4)", 5, 400, 10_000, 0.0),
    _row("4", 5, 400, 10_000, 0.0),
    _row("4 (Table 4)", 4, 400, 5_000, 0.0),
    _row("5", 1, 300, 4_000, 0.0, coarse=30),
    _row("6", 1, 300, 4_000, 0.0, coarse=30),
    _row("7", 2, 200, 4_000, 0.15, part=256),
    _row("8", 2, 200, 4_000, 0.15, part=256),
    _row("9", 1, 200, 4_000, 0.15, coarse=30, part=128),
    _row("9 (Table 4)", 2, 200, 4_000, 0.15, coarse=30, part=128),
)

ROWS: dict[str, Scenario] = {line.name: line for line in _LINES}
"""Table 1 with the parameters of Table 4, by row."""

OBJECTS: dict[str, str] = {key: CHAIR if key in ("1", "2", "5", "7") else MIXED for key in ROWS}
"""What each row of Table 1 is about, by the name of the shipped prior: ShapeNet-Chair or ShapeNet-Mixed."""

SETTINGS: dict[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario("A.4.1", 3, 1024, alpha=40_000),
        Scenario("A.4.2", 4, 1024, alpha=60_000),
        Scenario("A.4.3", 5, 1024, alpha=80_000),
        Scenario("A.4.4", 4, 800, alpha=40_000),
        Scenario("A.4.5", 2, 900, coarse_points=30, alpha=4_000),
        Scenario("A.4.6", 1, 1024, coarse_points=40, alpha=4_000),
        Scenario("A.4.7", 1, 300, coarse_points=40, alpha=4_000),
    )
}
"""Appendices A.4.1 to A.4.7 (CryoStruct) with the parameters of Table 4, of which the paper has box plots only."""

FIGURE_2: dict[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario("Figure 2A", 5, 1024, alpha=80_000, n_steps=80),
        Scenario("Figure 2B", 4, 1024, alpha=60_000, n_steps=80),
        Scenario("Figure 2C", 3, 1024, alpha=40_000, n_steps=80),
        Scenario("Figure 2D", 1, 1024, coarse_points=40, alpha=4_000, n_steps=80),
        Scenario("Figure 2E", 3, 1024, subunit_points=256, alpha=40_000, n_steps=80),
    )
}
"""The five reconstructions of Figure 2, in 80 steps.

Table 4 has no line for E, whose alpha is taken to be that of three projections. The number of points in a projection is
not given, and taken to be 1,024.
"""

FIGURE_1 = ("9", "8", "1", "8", "2")
"""Rows of Table 1 whose reconstructions Figure 1 shows, from left to right."""

STEPS = (5, 10, 20, 40, 80)
"""Numbers of time steps for Figure 6, whose own are not given in its text."""

FIGURE_6 = {"Figure 6, left": "8", "Figure 6, right": "3"}
"""Sides of Figure 6, and their rows of Table 1."""

_TABLE_1 = {
    # row: CD, EMD and E of diffusion posterior sampling, and of maximum likelihood
    "1": ((9.98, 2.38), (8.32, 1.77), (3.80, 1.02), (13.30, 2.00), (11.03, 1.69), (3.68, 0.88)),
    "2": ((9.71, 1.81), (7.78, 1.35), (3.98, 0.87), (12.53, 1.53), (10.04, 1.30), (3.87, 0.79)),
    "3": ((10.56, 4.09), (8.18, 3.40), (2.41, 1.01), (12.37, 2.34), (10.21, 2.09), (2.38, 0.79)),
    "4": ((9.29, 2.65), (7.00, 2.22), (2.30, 0.89), (11.78, 1.88), (9.39, 1.77), (2.72, 1.27)),
    "5": ((10.38, 2.24), (10.66, 3.23), (6.21, 1.76), (12.40, 2.16), (11.89, 2.84), (5.04, 1.52)),
    "6": ((9.36, 2.23), (9.21, 2.47), (5.57, 2.11), (11.99, 1.89), (11.08, 2.01), (5.13, 1.69)),
    "7": ((13.21, 5.69), (12.86, 5.62), (2.51, 0.66), (16.98, 4.58), (16.63, 4.85), (1.84, 0.63)),
    "8": ((11.11, 4.13), (11.19, 5.09), (2.47, 0.86), (18.14, 6.28), (17.99, 6.59), (2.22, 1.05)),
    "9": ((8.55, 1.97), (9.38, 1.96), (4.17, 1.64), (11.19, 1.82), (10.90, 1.88), (3.80, 1.49)),
}

PUBLISHED: dict[str, dict[str, Published]] = {
    key: {"maximum likelihood": Published(*_TABLE_1[key[0]][3:]), "DPS": Published(*_TABLE_1[key[0]][:3])}
    for key in ROWS
}
"""Table 1 by row, and Table 2: what the paper's methods reach."""

PUBLISHED["Table 2"] = {
    "A, Euler ODE": Published((14.38, 5.64), (13.98, 5.94), (3.09, 1.19)),
    "B, + noise": Published((11.80, 3.94), (11.71, 5.03), (2.61, 0.85)),
    "C, + correction step": Published((11.11, 4.13), (11.19, 5.09), (2.47, 0.86)),
}

PUBLISHED_RMSD: dict[str, dict[str, tuple[str, str]]] = {
    "Figure 2A": {"6ryr, nucleosome with CHD4": ("2.05 ± 0.09", "3.56 ± 0.04")},
    "Figure 2B": {"6rdm, F-ATP synthase": ("", "4.46 ± 0.02")},
    "Figure 2C": {"6vvy, RNA polymerase with Sorangicin": ("3.39 ± 1.21", "4.87 ± 0.77")},
    "Figure 2D": {"6id1, spliceosome": ("9.82 ± 0.15", "10.35 ± 0.20")},
    "Figure 2E": {"6fvt, 26S proteasome, its 20S known": ("5.66 ± 0.19", "8.14 ± 0.12")},
}
"""RMSD in angstrom to points and to atoms of the five complexes of Figure 2, as the text has them."""
