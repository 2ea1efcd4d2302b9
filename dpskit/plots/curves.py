"""Curves of an error over a setting, in matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from dpskit.evaluation.scores import mean_and_deviation
from dpskit.plots.colours import SAMPLE_COLOURS

if TYPE_CHECKING:
    import matplotlib.figure

MARKS = "os^Dvx"


def error_curves(
    x: Sequence[float], errors: dict[str, Sequence[Tensor]], *, xlabel: str, ylabel: str, log: bool = False
) -> matplotlib.figure.Figure:
    """Mean and standard deviation of errors over a setting.

    Parameters
    ----------
    x : sequence of float
        The values of the setting.
    errors : dict of str and sequence of Tensor
        For each curve, by its name, one tensor (s,) for each value of the setting: the errors of s samples.
    xlabel, ylabel : str
        Of the axes.
    log : bool
        Whether the axis of the setting is logarithmic.

    Returns
    -------
    matplotlib Figure
        With a curve for each.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3.2), layout="constrained", dpi=110)
    axis = figure.subplots()
    for (name, values), colour, mark in zip(errors.items(), SAMPLE_COLOURS, MARKS, strict=False):
        means, deviations = zip(*map(mean_and_deviation, values), strict=True)
        axis.errorbar(x, means, deviations, color=colour, marker=mark, label=name)
    axis.set(xlabel=xlabel, ylabel=ylabel, xscale="log" if log else "linear", ylim=(0, None))
    axis.set_xticks(x, [f"{value:g}" for value in x])
    axis.minorticks_off()
    axis.legend(frameon=False)
    return figure
