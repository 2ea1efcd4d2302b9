"""Table 2 and Figure 6: what noise, the correction step and more time steps bring."""

from __future__ import annotations

from collections.abc import Iterator

from dpskit.benchmarks.paper import FIGURE_6, ROWS, STEPS
from dpskit.benchmarks.paper.compare import Study, compare
from dpskit.benchmarks.paper.record import TablePart
from dpskit.sampling.noise import InverseTime
from dpskit.sampling.protocol import Solver
from dpskit.sampling.solvers import Algorithm1, EulerMaruyama, EulerODE, Heun


def table_2(study: Study, prior: str, note: str) -> TablePart:
    """Row 8 by four solvers with 79 evaluations of the network each; Heun's method is not in the paper.

    prior: which of the study's.
    """
    scenario, noise = ROWS["8"], InverseTime(ROWS["8"].cutoff)
    solvers: dict[str, tuple[Solver, int]] = {
        "A, Euler ODE": (EulerODE(), 79),
        "B, + noise": (EulerMaruyama(noise), 79),
        "C, + correction step": (Algorithm1(noise), 40),
        "Heun": (Heun(noise), 40),
    }
    methods = [
        study.posterior(prior, scenario, label=name, solver=solver, n_steps=n_steps)
        for name, (solver, n_steps) in solvers.items()
    ]
    return compare(study, "Table 2", scenario, f"Row 8 of Table 1, {prior}. {note}", methods)


def figure_6(study: Study, prior: str, note: str) -> Iterator[TablePart]:
    """Rows 8 and 3 in `STEPS` time steps each: left and right side of the figure."""
    for side, row in FIGURE_6.items():
        methods = [study.posterior(prior, ROWS[row], label=f"{n} steps", n_steps=n) for n in STEPS]
        yield compare(study, side, ROWS[row], f"Row {row} of Table 1, {prior}. {note}", methods)
