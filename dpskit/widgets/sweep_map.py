"""The map of one metric over alpha and cutoff, for each number of steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dpskit.experiments.sweep import METRICS, Outcome, best
from dpskit.plots.figures import COLOURS
from dpskit.widgets.cloud_view import MARKED
from dpskit.widgets.live_figure import LiveFigure

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.image


class SweepMap:
    """A heat map with its numbers; a star marks the best setting. Live in `live`."""

    def __init__(self, alphas: Sequence[float], cutoffs: Sequence[float], steps: Sequence[int]) -> None:
        self.alphas, self.cutoffs, self.steps = list(alphas), list(cutoffs), list(steps)
        self.live = LiveFigure(self._empty(), "map of the sweep", extra=300)

    def values(self, outcomes: Sequence[Outcome], metric: str) -> np.ndarray:
        """The metric of each setting, (steps, cutoffs, alphas), NaN where it is not known yet."""
        values = np.full((len(self.steps), len(self.cutoffs), len(self.alphas)), np.nan)
        for outcome in outcomes:
            values[self._place(outcome)] = np.nan if (v := getattr(outcome, metric)) is None else v
        return values

    def show(self, outcomes: Sequence[Outcome], metric: str) -> None:
        """Draw what is known."""
        values, winner = self.values(outcomes, metric), best(outcomes, metric)
        known = values[np.isfinite(values)]
        label = f"map of {METRICS[metric]} over pull and noise, {len(known)} of {values.size} settings"
        with self.live.drawing(label) as figure:
            for k in range(len(self.steps)):
                figure.data[k].z = values[k]
                figure.data[k].text = [["" if np.isnan(v) else f"{v:.2f}" for v in row] for row in values[k]]
                star = figure.data[len(self.steps) + k]
                here = winner is not None and self._place(winner)[0] == k
                star.x = [f"{winner.settings.scenario.alpha:,.0f}"] if here else []
                star.y = [f"{winner.settings.scenario.cutoff:g}"] if here else []
            axis = figure.layout.coloraxis
            axis.colorbar.title.text = METRICS[metric]
            if len(known):
                axis.cmin, axis.cmax = _limits(known)

    def paint(
        self, axes: Sequence[matplotlib.axes.Axes], outcomes: Sequence[Outcome], metric: str
    ) -> matplotlib.image.AxesImage:
        """Draw the same with matplotlib, one axis per number of steps; returns the last image, for a colour bar."""
        values, winner = self.values(outcomes, metric), best(outcomes, metric)
        known = values[np.isfinite(values)]
        low, high = _limits(known) if len(known) else (None, None)
        for k, axis in enumerate(axes):
            image = axis.imshow(
                values[k], cmap=COLOURS.lower() + "_r", origin="lower", aspect="auto", vmin=low, vmax=high
            )
            axis.set(title=f"{self.steps[k]} steps", xlabel="pull α")
            axis.set_xticks(range(len(self.alphas)), [f"{alpha:,.0f}" for alpha in self.alphas])
            axis.set_yticks(range(len(self.cutoffs)), [f"{cutoff:g}" for cutoff in self.cutoffs])
            for (row, column), value in np.ndenumerate(values[k]):
                if np.isfinite(value):
                    colour = "white" if np.asarray(image.norm(value)) > 0.5 else "black"
                    axis.text(column, row, f"{value:.2f}", ha="center", va="center", color=colour, fontsize=8)
            if winner is not None and self._place(winner)[0] == k:
                _, row, column = self._place(winner)
                style: dict[str, Any] = {"color": MARKED, "markeredgecolor": "white", "markersize": 14}
                axis.plot(column + 0.3, row + 0.3, "*", **style)
        axes[0].set_ylabel("noise until t =")
        return image

    def _place(self, outcome: Outcome) -> tuple[int, int, int]:
        s = outcome.settings.scenario
        return self.steps.index(s.n_steps), self.cutoffs.index(s.cutoff), self.alphas.index(s.alpha)

    def _empty(self) -> go.Figure:
        titles = [f"{n} steps" for n in self.steps]
        figure = make_subplots(1, len(self.steps), subplot_titles=titles, shared_yaxes=True, horizontal_spacing=0.04)
        x, y = [f"{alpha:,.0f}" for alpha in self.alphas], [f"{cutoff:g}" for cutoff in self.cutoffs]
        for k in range(len(self.steps)):
            empty = np.full((len(y), len(x)), np.nan)
            tip = "α %{x}, noise until t = %{y}: %{z:.2f}<extra></extra>"
            cells = {"coloraxis": "coloraxis", "xgap": 2, "ygap": 2, "hovertemplate": tip, "texttemplate": "%{text}"}
            figure.add_trace(go.Heatmap(x=x, y=y, z=empty, **cells), row=1, col=k + 1)
        font = {"color": MARKED, "size": 20}
        star = {"mode": "text", "text": ["★"], "textposition": "top center", "textfont": font}  # above the number
        for k in range(len(self.steps)):
            figure.add_scatter(x=[], y=[], hoverinfo="skip", showlegend=False, **star, row=1, col=k + 1)
        figure.update_xaxes(title_text="pull α", type="category", categoryorder="array", categoryarray=x)
        figure.update_yaxes(type="category", categoryorder="array", categoryarray=y)
        figure.update_yaxes(title_text="noise until t =", row=1, col=1)
        scale = {"colorscale": COLOURS, "reversescale": True, "colorbar": {"thickness": 14}}
        return figure.update_layout(coloraxis=scale, margin={"l": 60, "r": 10, "t": 30, "b": 50})


def _limits(known: np.ndarray) -> tuple[float, float]:
    """The ends of the colours for the values (k,): one that is far above the others leaves them their colours."""
    return float(known.min()), float(min(known.max(), 3 * np.median(known))) + 1e-9
