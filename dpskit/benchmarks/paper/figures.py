"""The pictures of the paper's figures: box plots of A.4, errors over the number of steps, reconstructions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from dpskit.benchmarks.paper.record import Line, TablePart
from dpskit.experiments.methods import FLOOR

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # Okabe and Ito's
MARKERS = "osD^vP"
RMSDS = {"rmsd": "RMSD to points (Å)", "rmsd_atoms": "RMSD to atoms (Å)"}


def box_figure(parts: Sequence[TablePart]) -> matplotlib.figure.Figure:
    """Per scenario the RMSD to points and to atoms of every target, a box over the samples of each method.

    Dashed: the mean of a method over all targets; grey: the floor, which to atoms is the RMSD of the target's own
    points. Targets are sorted by the RMSD of the first prior. Raises ValueError without single samples of complexes.
    """
    from matplotlib.figure import Figure

    shown = [found for found in parts if found.structures and found.reference.values]
    if not shown:
        raise ValueError("parts must hold the samples of complexes, got none.")
    count = max(len(found.targets) for found in shown)
    width = 1.5 + min(max(5.5, 0.55 * count), 11.0)
    figure = Figure(figsize=(2 * width, 3.1 * len(shown)), layout="constrained", dpi=110)
    for found, line in zip(shown, figure.subplots(len(shown), 2, squeeze=False), strict=True):
        for axis, (metric, label) in zip(line, RMSDS.items(), strict=True):
            _boxes(axis, found, metric)
            axis.set(title=found.title, ylabel=label, ylim=(0, None), xlabel="structure")
            axis.legend(fontsize=8, loc="upper left")
    return figure


def _boxes(axis: matplotlib.axes.Axes, found: TablePart, metric: str) -> None:
    methods = _best_lines(found)
    sorted_by = methods[min(1, len(methods) - 1)].means["rmsd"]
    order = np.argsort(sorted_by, kind="stable")
    width = 0.8 / len(methods)
    for number, line in enumerate(methods):
        colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
        places = np.arange(len(order)) + (number - (len(methods) - 1) / 2) * width
        axis.boxplot(
            [line.values[metric][k] for k in order],
            positions=places,
            widths=0.8 * width,
            manage_ticks=False,
            patch_artist=True,
            boxprops={"facecolor": colour, "edgecolor": colour, "alpha": 0.6},
            medianprops={"color": "black"},
            flierprops={"markersize": 2},
        )
        means = np.array(line.means[metric])[order]
        axis.plot(places, means, marker, color=colour, markersize=3, label=f"{line.method} ({means.mean():.2f})")
        axis.axhline(means.mean(), color=colour, linestyle="--", linewidth=0.9)
    floor = found.line(FLOOR)
    values = found.own_rmsd if metric == "rmsd_atoms" else floor.means[metric] if floor else None
    if values:
        places = np.arange(len(order))
        axis.hlines(np.array(values)[order], places - 0.4, places + 0.4, color="0.4", label="floor")
    axis.set_xticks(np.arange(len(order)), [found.targets[k] for k in order], rotation=90, fontsize=7)


def _best_lines(found: TablePart) -> list[Line]:
    """Each method once, at the alpha chosen on other targets if there is one."""
    names = dict.fromkeys(line.method for line in found.lines if line.method != FLOOR)
    return [found.line(name, chosen=True) or found.line(name) for name in names]


def steps_figure(parts: Sequence[TablePart], steps: Sequence[int]) -> matplotlib.figure.Figure:
    """CD and EMD over the number of time steps, mean and deviation; dashed: maximum likelihood. Paper: Figure 6.

    parts: each a side of the figure, with lines for `steps` after that of maximum likelihood.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6 * len(parts), 3.4), layout="constrained", dpi=130)
    axes = figure.subplots(1, len(parts), squeeze=False)[0]
    for axis, found in zip(axes, parts, strict=True):
        lines = found.lines[1 : 1 + len(steps)]
        for metric, name, colour, marker in (("cd", "CD", COLOURS[0], "o"), ("emd", "EMD", COLOURS[1], "s")):
            means = [100 * np.mean(line.means[metric]) for line in lines]
            spread = [100 * line.deviations[metric] for line in lines]
            axis.errorbar(steps, means, spread, color=colour, marker=marker, capsize=2, label=f"{name} x 100")
            axis.axhline(100 * np.mean(found.reference.means[metric]), color=colour, linestyle="--", linewidth=0.9)
        axis.set(title=found.key, xlabel="time steps", xscale="log", ylim=(0, None), xticks=list(steps))
        axis.set_xticklabels([str(count) for count in steps])
        axis.minorticks_off()
        axis.legend(frameon=False)
    return figure
