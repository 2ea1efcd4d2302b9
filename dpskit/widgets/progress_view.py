"""Observed projections above their predictions, and the numbers of every step beneath them, in one figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import plotly.graph_objects as go
import torch
from plotly.subplots import make_subplots
from torch import Tensor

from dpskit.evaluation.experiment import Progress
from dpskit.widgets.colours import SAMPLE_COLOURS
from dpskit.widgets.live_figure import LiveFigure

TILES = 5  # projections that are shown
DOTS = 300  # points drawn in each
CURVES = ("energy E × 1000", "residual ({unit})", "CD to truth × 100")


@dataclass
class Curves:
    """What the steps of a run have told so far: one list per curve, each entry the mean over the samples."""

    energy: list[float] = field(default_factory=list)
    residual: list[float] = field(default_factory=list)
    distance: list[float] = field(default_factory=list)

    def add(self, progress: Progress) -> None:
        """Append a step; steps without data leave the first two curves empty."""
        if progress.energy is not None:
            self.energy.append(1000 * float(progress.energy.mean()))
            self.residual.append(float(progress.residual.mean()))
        self.distance.append(100 * float(progress.distance.mean()))

    def lists(self) -> list[list[float]]:
        """In the order of CURVES."""
        return [self.energy, self.residual, self.distance]


class ProgressView:
    """Up to five observed projections (m, 2), in grey, each above what one cloud predicts for it, in blue; beneath them
    energy, residual and distance to the truth against the step.

    One figure, because a browser loads plotly anew for each, and anywidget gives it no more than two seconds.
    """

    def __init__(self, unit: str = "cube", *, width: int = 590, height: int = 440) -> None:
        titles = [f"projection {k + 1}" for k in range(TILES)] + [title.format(unit=unit) for title in CURVES]
        grid = [[{}] * TILES, [{}] * TILES, [{}] * len(CURVES) + [None] * (TILES - len(CURVES))]
        frame = make_subplots(3, TILES, specs=grid, subplot_titles=[*titles[:TILES], *[" "] * TILES, *titles[TILES:]])
        for k in range(2 * TILES):
            colour = "#666666" if k < TILES else SAMPLE_COLOURS[0]
            dots = go.Scatter(x=[], y=[], mode="markers", marker={"size": 2.5, "color": colour}, hoverinfo="skip")
            frame.add_trace(dots, row=k // TILES + 1, col=k % TILES + 1)
        for k, colour in enumerate(SAMPLE_COLOURS[: len(CURVES)]):
            line = go.Scatter(x=[], y=[], mode="lines+markers", line={"color": colour, "width": 2}, marker={"size": 4})
            frame.add_trace(line, row=3, col=k + 1)
        box = {"showticklabels": False, "showgrid": False, "zeroline": False, "mirror": True, "linecolor": "#bbbbbb"}
        for k in range(2 * TILES):
            x, y = _axes(frame, k)
            left, top = 0.2 * (k % TILES), 0.96 if k < TILES else 0.67
            x.update(range=[-1.75, 1.75], domain=[left + 0.01, left + 0.19], constrain="domain", **box)
            y.update(
                range=[-1.75, 1.75], domain=[top - 0.27, top], scaleanchor=x.plotly_name.replace("axis", ""), **box
            )
        for k in range(len(CURVES)):
            x, y = _axes(frame, 2 * TILES + k)
            x.update(range=[0, 40], domain=[0.36 * k + 0.02, 0.36 * k + 0.28], zeroline=False)
            x.title.update(text="step", standoff=2)
            y.update(rangemode="tozero", nticks=5, domain=[0, 0.3])
        for name, row in (("observed", 0), ("predicted", 1)):
            _axes(frame, row * TILES)[1].title.update(text=name, standoff=4)
        for k, title in enumerate(frame.layout.annotations):
            curve = k - 2 * TILES
            x, y = (0.36 * curve + 0.15, 0.31) if curve >= 0 else (0.2 * (k % TILES) + 0.1, 0.965)
            title.update(x=x, y=y, font_size=12)
        layout = {"width": width, "height": height, "margin": {"l": 36, "r": 4, "t": 10, "b": 34}}
        frame.update_layout(template="plotly_white", showlegend=False, **layout)
        self.live = LiveFigure(frame)

    def observe(self, observed: Sequence[Tensor]) -> None:
        """Show the data; the predictions are emptied."""
        self._draw(0, observed, DOTS)
        self._draw(TILES, [], DOTS)
        hidden = max(0, len(observed) - TILES)
        with self.live.figure.batch_update():
            for k, title in enumerate(self.live.figure.layout.annotations[:TILES]):
                last = k == TILES - 1 and hidden
                text = f"projection {k + 1}" + (f" ({hidden} more)" if last else "")
                title.text = text if k < len(observed) else ""

    def predict(self, predicted: Sequence[Tensor], observed: Sequence[Tensor]) -> None:
        """Show the predictions (n, 2), each with as many points as were observed."""
        self._draw(TILES, predicted, min(DOTS, max((len(y) for y in observed), default=DOTS)))

    def show(self, curves: Curves, n_steps: int) -> None:
        """Draw the curves as far as they are known; their axes span the whole run."""
        figure = self.live.figure
        with figure.batch_update():
            for k, values in enumerate(curves.lists()):
                trace = figure.data[2 * TILES + k]
                trace.x, trace.y = list(range(1, len(values) + 1)), list(values)
                _axes(figure, 2 * TILES + k)[0].range = (0, n_steps)

    def _draw(self, first: int, clouds: Sequence[Tensor], limit: int) -> None:
        with self.live.figure.batch_update():
            for k in range(TILES):
                cloud = clouds[k][:limit].cpu() if k < len(clouds) else torch.zeros(0, 2)
                trace = self.live.figure.data[first + k]
                trace.x, trace.y = np.ascontiguousarray(cloud.float().numpy().T)


def _axes(figure: go.Figure, k: int) -> tuple[go.layout.XAxis, go.layout.YAxis]:
    """The axes of subplot k, row by row."""
    suffix = str(k + 1) if k else ""
    return figure.layout[f"xaxis{suffix}"], figure.layout[f"yaxis{suffix}"]
