"""The results of a benchmark as Markdown tables."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np

from dpskit.benchmarks.reconstruction.run import ML, Result, measure
from dpskit.experiments.scenarios import ENERGY_ROWS, Scenario
from dpskit.experiments.targets import Target
from dpskit.markdown import markdown_table
from dpskit.sampling.maximum_likelihood import maximum_likelihood

TABLE_1 = {"1": 3.68, "2": 3.87, "5": 5.04}
"""E x 10^3 of maximum likelihood on ShapeNet chairs in rows 1, 2 and 5 of the paper's Table 1."""

SHAPE_COLUMNS = {"CD x 10^2": ("cd", 100), "EMD x 10^2": ("emd", 100), "E x 10^3": ("energy", 1000)}
COMPLEX_COLUMNS = {"RMSD to points (angstrom)": ("rmsd", 1), "RMSD to atoms (angstrom)": ("rmsd_atoms", 1)}


def benchmark_table(results: Sequence[Result], scenarios: Sequence[Scenario]) -> str:
    """The tables of all scenarios as Markdown: at the scenario's alpha on all targets, and at each prior's best alpha.

    Means and standard deviations over samples and targets; CD and EMD x 10^2, E x 10^3; in brackets the ratio of the
    mean to that of maximum likelihood on the same targets. For complexes the RMSD, on how many targets its mean is
    below that of maximum likelihood, and as the floor of the RMSD to atoms that of the targets' own points.
    """
    parts = []
    for scenario in scenarios:
        own = [r for r in results if r.setting == scenario.name]
        main = [r for r in own if r.alpha in (None, scenario.alpha)]
        if not main:
            continue
        parts.append(_table(main, f"{scenario}, alpha {scenario.alpha:,.0f}"))
        swept = {r.target for r in own if r.alpha not in (None, scenario.alpha)}
        tried = [r for r in own if r.target in swept]
        best = [r for r in tried if r.alpha in (None, best_alpha(tried, r.method))]
        if best:
            parts.append(_table(best, f"{scenario}, each prior at its best alpha", name_alpha=True))
    return "\n\n".join(parts)


def best_alpha(results: Sequence[Result], method: str) -> float | None:
    """The alpha of a method with the least mean CD; None if it has none."""
    own = [r for r in results if r.method == method]
    return min({r.alpha for r in own}, key=lambda alpha: np.mean([r.cd for r in own if r.alpha == alpha]))


def _table(results: Sequence[Result], title: str, *, name_alpha: bool = False) -> str:
    complexes = all(r.rmsd is not None for r in results)
    columns = SHAPE_COLUMNS | (COMPLEX_COLUMNS if complexes else {})
    targets = list(dict.fromkeys(r.target for r in results))
    heads = [f"{title}, {len(targets)} targets", *columns, *(["below ML"] if complexes else [])]
    lines = []
    baseline = [r for r in results if r.method == ML]
    for method in dict.fromkeys(r.method for r in results):
        rows = [r for r in results if r.method == method]
        alphas = {r.alpha for r in rows} - {None}
        cells = [f"{method}, alpha {alphas.pop():,.0f}" if name_alpha and alphas else method]
        for name, factor in columns.values():
            values, reference = _values(rows, name), _values(baseline, name)
            ratio = f" ({values.mean() / reference.mean():.2f})" if len(reference) else ""
            cells.append(f"{factor * values.mean():.2f} ± {factor * values.std():.2f}{ratio}")
        if complexes:
            below = sum(_mean_of(rows, target) < _mean_of(baseline, target) for target in targets)
            cells.append("" if method == ML else f"{below} of {len(targets)}")
        lines.append(cells)
    if complexes:
        floors = np.array([next(r.floor for r in results if r.target == target) for target in targets], dtype=float)
        floor = f"{floors.mean():.2f} ± {floors.std():.2f}"
        lines.append(["the targets' own points", *[""] * len(SHAPE_COLUMNS), "0", floor, ""])
    return markdown_table(heads, lines)


def _values(results: Sequence[Result], name: str) -> np.ndarray:
    return np.array([getattr(r, name) for r in results], dtype=float)


def _mean_of(results: Sequence[Result], target: str) -> float:
    """Mean RMSD to the points of one target."""
    return float(np.mean([r.rmsd for r in results if r.target == target] or [np.nan]))


def energy_table(targets: Sequence[Target], n_samples: int = 2) -> str:
    """Maximum likelihood in the settings of rows 1, 2 and 5 of the paper's Table 1, E x 10^3 beside the paper's.

    It settles the convention of the energy: half the mean over points, and the mean over observations.
    """
    from tqdm.auto import tqdm

    rows = []
    for scenario in ENERGY_ROWS:
        runs = tqdm(targets, desc=f"row {scenario.name}", unit="target")
        fits = [measure(target, scenario, ML, maximum_likelihood, n_samples) for target in runs]
        results = list(chain.from_iterable(fits))
        energies = 1000 * _values(results, "energy")
        rows.append([scenario.name, f"{energies.mean():.2f} ± {energies.std():.2f}", str(TABLE_1[scenario.name])])
    return markdown_table(["row of Table 1", "E x 10^3 here", "in the paper"], rows)
