"""The box plots of the paper's appendix A.4."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from dpskit.benchmarks.reconstruction.run import Result
from dpskit.experiments.scenarios import Scenario

if TYPE_CHECKING:
    import matplotlib.figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00")  # Okabe and Ito's
MARKERS = "osD^v"
RMSDS = {"rmsd": "RMSD to points (Å)", "rmsd_atoms": "RMSD to atoms (Å)"}


def benchmark_figure(results: Sequence[Result], scenarios: Sequence[Scenario]) -> matplotlib.figure.Figure:
    """Per scenario the RMSD to points and to atoms of every target, a box over the samples of each method.

    Dashed: the mean of a method over all targets; grey ticks: the floor, the RMSD of the target's own points to the
    atoms. Targets are sorted by the RMSD of the last method. Raises ValueError without results on complexes.
    """
    from matplotlib.figure import Figure

    shown = [s for s in scenarios if any(r.setting == s.name and r.rmsd is not None for r in results)]
    if not shown:
        raise ValueError("results must hold RMSDs of complexes, got none.")
    count = len({r.target for r in results})
    size = (max(7.0, 1.5 + 0.55 * count), 3.1 * len(shown))
    figure = Figure(figsize=(2 * size[0], size[1]), layout="constrained", dpi=110)
    for scenario, line in zip(shown, figure.subplots(len(shown), 2, squeeze=False), strict=True):
        own = [r for r in results if r.setting == scenario.name and r.alpha in (None, scenario.alpha)]
        for axis, (name, label) in zip(line, RMSDS.items(), strict=True):
            _boxes(axis, own, name)
            axis.set(title=str(scenario), ylabel=label, ylim=(0, None), xlabel="structure")
            axis.legend(fontsize=8, loc="upper left")
    return figure


def _boxes(axis: matplotlib.axes.Axes, results: Sequence[Result], name: str) -> None:
    methods = list(dict.fromkeys(r.method for r in results))
    last = {r.target: r for r in results if r.method == methods[-1]}
    targets = sorted({r.target for r in results}, key=lambda t: last[t].rmsd if t in last else np.inf)
    width = 0.8 / len(methods)
    for number, method in enumerate(methods):
        colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
        values = [[getattr(r, name) for r in results if (r.target, r.method) == (t, method)] for t in targets]
        places = np.arange(len(targets)) + (number - (len(methods) - 1) / 2) * width
        found = [(place, value) for place, value in zip(places, values, strict=True) if value]
        axis.boxplot(
            [value for _, value in found],
            positions=[place for place, _ in found],
            widths=0.8 * width,
            manage_ticks=False,
            patch_artist=True,
            boxprops={"facecolor": colour, "edgecolor": colour, "alpha": 0.6},
            medianprops={"color": "black"},
            flierprops={"markersize": 2},
        )
        means = [np.mean(value) for _, value in found]
        label = f"{method} ({np.mean(means):.2f})"
        axis.plot([place for place, _ in found], means, marker, color=colour, markersize=3, label=label)
        axis.axhline(np.mean(means), color=colour, linestyle="--", linewidth=0.9)
    if name == "rmsd_atoms":
        floors = [next(r.floor for r in results if r.target == t) for t in targets]
        axis.hlines(floors, np.arange(len(targets)) - 0.4, np.arange(len(targets)) + 0.4, color="0.4", label="floor")
    axis.set_xticks(np.arange(len(targets)), targets, rotation=90, fontsize=7)
