"""How the held-out loss of a prior fell with the hours of training, and what a line through it predicts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dpskit.markdown import markdown_table
from dpskit.plots.colours import SAMPLE_COLOURS
from dpskit.priors.edm import DiffusionPrior

if TYPE_CHECKING:
    import matplotlib.figure

FACTOR = 10
"""Times as much training as there was, for which the loss is predicted."""
EARLY = 1 / 3
"""Of a run: what comes before is left out, because the learning rate is still high."""


@dataclass(frozen=True)
class LearningCurve:
    """Held-out losses by hours of training.

    Parameters
    ----------
    name
        Of the prior.
    hours
        Of one process, those of the priors that it started from among them; rising.
    losses
        For every noise level, by its name in the card, one EDM loss for each of the hours.
    """

    name: str
    hours: tuple[float, ...]
    losses: dict[str, tuple[float, ...]]

    def predicted(self, level: str) -> float:
        """The loss after `FACTOR` times the hours, by a straight line over the logarithm of the hours."""
        slope, offset = np.polyfit(np.log(self.hours), self.losses[level], 1)
        return float(offset + slope * math.log(FACTOR * self.hours[-1]))


def learning_curve(prior: DiffusionPrior) -> LearningCurve:
    """What the card of a prior says of its training.

    Where the prior was trained on its data in several runs, one after the other, these are their ends; otherwise the
    moments of its only run.

    Raises
    ------
    ValueError
        For a card without a training.
    """
    card = prior.card
    ancestors = card.get("ancestors", [])
    if not card.get("curve") or any("minutes" not in run for run in ancestors):
        raise ValueError(f"prior {prior.name!r} must have a card that says how it was trained, and for how long.")
    hours, points = 0.0, []
    for run in ancestors:
        hours += run["minutes"] / 60
        if run["data"] == card["settings"]["data"]:
            points.append((hours, run["held_out"]))
    last = card["curve"][-1]
    if points:
        points.append((hours + last["minutes"] / 60, last["held_out"]))
    else:
        late = [row for row in card["curve"] if row["minutes"] >= EARLY * last["minutes"]]
        points = [(hours + row["minutes"] / 60, row["held_out"]) for row in late]
    levels = {level: tuple(losses[level] for _, losses in points) for level in last["held_out"]}
    return LearningCurve(prior.name, tuple(time for time, _ in points), levels)


def learning_table(curves: Sequence[LearningCurve]) -> str:
    """Markdown: a line for each recorded time and one for `FACTOR` times the last, by noise level."""
    levels = list(curves[0].losses)
    rows = []
    for curve in curves:
        for k, time in enumerate(curve.hours):
            rows.append([curve.name, f"{time:.2f}", *(f"{curve.losses[level][k]:.3f}" for level in levels)])
        predicted = (f"{curve.predicted(level):.3f}" for level in levels)
        rows.append([f"{curve.name}, predicted", f"{FACTOR * curve.hours[-1]:.0f}", *predicted])
    return markdown_table(["prior", "hours", *(f"t = {level}" for level in levels)], rows)


def learning_figure(curves: Sequence[LearningCurve]) -> matplotlib.figure.Figure:
    """A panel for each prior: the losses over the hours, and the predicted ones at the end of dashed lines."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.4 * len(curves), 3.4), layout="constrained", dpi=110)
    for axis, curve in zip(figure.subplots(1, len(curves), squeeze=False)[0], curves, strict=True):
        ends = curve.hours[-1], FACTOR * curve.hours[-1]
        for (level, losses), colour in zip(curve.losses.items(), SAMPLE_COLOURS, strict=False):
            axis.plot(curve.hours, losses, color=colour, marker="o", markersize=3, label=f"t = {level}")
            axis.plot(ends, (losses[-1], curve.predicted(level)), color=colour, linestyle="--", linewidth=1)
        axis.set(title=curve.name, xlabel="hours of one CPU thread", xscale="log")
        ticks = curve.hours[0], *ends
        axis.set_xticks(ticks, [f"{time:.2g}" for time in ticks])
        axis.minorticks_off()
    figure.axes[0].set_ylabel("held-out loss (1: of a network that returns 0)")
    axis.legend(frameon=False, fontsize=7)
    return figure
