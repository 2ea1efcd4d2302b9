"""Observed projections above their predictions, and the numbers of every step beneath them."""

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


class TileView:
    """Up to five observed projections (m, 2), in grey, each above what one cloud predicts for it, in blue."""

    def __init__(self, *, width: int = 590, height: int = 265) -> None:
        titles = [f"projection {k + 1}" for k in range(TILES)]
        frame = make_subplots(2, TILES, subplot_titles=titles, horizontal_spacing=0.015, vertical_spacing=0.03)
        for row, colour in ((1, "#666666"), (2, SAMPLE_COLOURS[0])):
            for column in range(1, TILES + 1):
                dots = go.Scatter(x=[], y=[], mode="markers", marker={"size": 2.5, "color": colour}, hoverinfo="skip")
                frame.add_trace(dots, row=row, col=column)
                k = (row - 1) * TILES + column
                frame.update_xaxes(range=[-1.75, 1.75], constrain="domain", row=row, col=column)
                frame.update_yaxes(range=[-1.75, 1.75], scaleanchor=f"x{k if k > 1 else ''}", row=row, col=column)
        box = {"showticklabels": False, "showgrid": False, "zeroline": False, "mirror": True, "linecolor": "#bbbbbb"}
        frame.update_xaxes(**box, ticks="").update_yaxes(**box, ticks="")
        frame.update_yaxes(title_text="observed", title_standoff=4, row=1, col=1)
        frame.update_yaxes(title_text="predicted", title_standoff=4, row=2, col=1)
        frame.update_layout(
            width=width,
            height=height,
            margin={"l": 30, "r": 4, "t": 24, "b": 4},
            template="plotly_white",
            showlegend=False,
        )
        for title in frame.layout.annotations:
            title.font.size = 12
        self.live = LiveFigure(frame)

    def observe(self, observed: Sequence[Tensor]) -> None:
        """Show the data; the predictions are emptied."""
        self._draw(0, observed, DOTS)
        self._draw(TILES, [], DOTS)
        hidden = max(0, len(observed) - TILES)
        with self.live.figure.batch_update():
            for k, title in enumerate(self.live.figure.layout.annotations):
                last = k == TILES - 1 and hidden
                text = f"projection {k + 1}" + (f" ({hidden} more)" if last else "")
                title.text = text if k < len(observed) else ""

    def predict(self, predicted: Sequence[Tensor], observed: Sequence[Tensor]) -> None:
        """Show the predictions (n, 2), each with as many points as were observed."""
        self._draw(TILES, predicted, min(DOTS, max((len(y) for y in observed), default=DOTS)))

    def _draw(self, first: int, clouds: Sequence[Tensor], limit: int) -> None:
        with self.live.figure.batch_update():
            for k in range(TILES):
                cloud = clouds[k][:limit].cpu() if k < len(clouds) else torch.zeros(0, 2)
                trace = self.live.figure.data[first + k]
                trace.x, trace.y = np.ascontiguousarray(cloud.float().numpy().T)


class CurveView:
    """Energy, residual and distance to the truth against the step."""

    def __init__(self, unit: str = "cube", *, width: int = 590, height: int = 165) -> None:
        titles = [title.format(unit=unit) for title in CURVES]
        frame = make_subplots(1, len(CURVES), subplot_titles=titles, horizontal_spacing=0.07)
        for column, colour in enumerate((SAMPLE_COLOURS[0], SAMPLE_COLOURS[1], SAMPLE_COLOURS[2]), start=1):
            line = go.Scatter(x=[], y=[], mode="lines+markers", line={"color": colour, "width": 2}, marker={"size": 4})
            frame.add_trace(line, row=1, col=column)
        frame.update_xaxes(title_text="step", title_standoff=2, range=[0, 40], zeroline=False)
        frame.update_yaxes(rangemode="tozero", nticks=5)
        frame.update_layout(
            width=width,
            height=height,
            margin={"l": 36, "r": 8, "t": 24, "b": 34},
            template="plotly_white",
            showlegend=False,
        )
        for title in frame.layout.annotations:
            title.font.size = 12
        self.live = LiveFigure(frame)

    def show(self, curves: Curves, n_steps: int) -> None:
        """Draw what there is; the axis spans the whole run."""
        with self.live.figure.batch_update():
            for trace, values in zip(self.live.figure.data, curves.lists(), strict=True):
                trace.x, trace.y = list(range(1, len(values) + 1)), values
            for axis in (self.live.figure.layout.xaxis, self.live.figure.layout.xaxis2, self.live.figure.layout.xaxis3):
                axis.range = (0, n_steps)
