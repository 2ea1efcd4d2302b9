"""Projections side by side: the observed ones, and over them those that a cloud predicts."""

from __future__ import annotations

from collections.abc import Sequence

import ipywidgets as widgets
import torch
from plotly.subplots import make_subplots
from torch import Tensor

from dpskit.plots.colours import SAMPLE_COLOUR
from dpskit.plots.figures import round_below
from dpskit.widgets.cloud_view import CUBE, Unit
from dpskit.widgets.frame import box, show
from dpskit.widgets.live_figure import LINE, LiveFigure

TILES = 5  # projections that are shown
DOTS = 150  # points drawn in each: they take most of the time that a browser needs for a step
GREY = "#8a8a8a"
OBSERVED, PREDICTED = "observed", "predicted from the denoised sample"
LEFT, RIGHT, TOP, BOTTOM, SPACING = 2, 2, 22, 4, 0.012


class TilesView:
    """Up to five projections (m, 2) in a row, each with a scale bar, below a line that says which colour is what."""

    def __init__(self) -> None:
        figure = make_subplots(1, TILES, subplot_titles=[" "] * TILES, horizontal_spacing=SPACING)
        for size, colour in ((3.5, GREY), (2.5, SAMPLE_COLOUR)):
            for k in range(1, TILES + 1):
                dots = {"mode": "markers", "marker": {"size": size, "color": colour}, "hoverinfo": "skip"}
                figure.add_scatter(x=[], y=[], **dots, row=1, col=k)
        for k in range(1, TILES + 1):
            bar = {"mode": "lines+text", "line": {"color": GREY, "width": 3}, "textposition": "top left"}
            figure.add_scatter(x=[], y=[], **bar, textfont={"size": 10}, hoverinfo="skip", row=1, col=k)
        frame = {"showticklabels": False, "showgrid": False, "zeroline": False, "mirror": True, "linecolor": LINE}
        figure.update_xaxes(showline=True, **frame)
        figure.update_yaxes(showline=True, **frame)
        figure.update_annotations(font_size=12)
        figure.update_layout(showlegend=False, margin={"l": LEFT, "r": RIGHT, "t": TOP, "b": BOTTOM})
        ratio = (1 - SPACING * (TILES - 1)) / TILES  # square
        self.live = LiveFigure(figure, "projections", ratio=ratio, extra=TOP + BOTTOM)
        self.legend = widgets.HTML()
        self.widget = box([self.legend, self.live], "tiles")

    def show(self, observed: Sequence[Tensor], predicted: Sequence[Tensor] = (), unit: Unit = CUBE) -> None:
        """Draw clouds (m, 2) of the cube, of each no more than DOTS points."""
        hidden = max(0, len(observed) - TILES)
        reach = 1.15 * max((float(y.abs().max()) for y in observed), default=1.0) * unit.scale
        limit = min(DOTS, max((len(y) for y in observed), default=DOTS))
        label = f"{len(observed)} observed projections" + (", over them the predicted ones" if predicted else "")
        with self.live.drawing(label) as figure:
            for kind, clouds in enumerate((observed, predicted)):
                for k, trace in enumerate(figure.data[kind * TILES : (kind + 1) * TILES]):
                    cloud = clouds[k][:limit].cpu() if k < len(clouds) else torch.zeros(0, 2)
                    trace.x, trace.y = unit.scale * cloud.float().numpy().T
            length = bar_length(reach)
            for k, (bar, title) in enumerate(zip(figure.data[2 * TILES :], figure.layout.annotations, strict=True)):
                right, low, shown = 0.92 * reach, -0.9 * reach, k < len(observed)
                bar.x, bar.y = ((right - length, right - length / 2, right), (low,) * 3) if shown else ((), ())
                bar.text = ("", "", f"{length:g} {unit.name}")
                more = f" of {len(observed)}" if k == TILES - 1 and hidden else ""
                title.text = (f"{k + 1}{more}" if k else "projection 1") if shown else ""
            for k in range(TILES):
                tile = {"range": (-reach, reach), "visible": k < len(observed)}
                figure.update_xaxes(tile, row=1, col=k + 1)
                figure.update_yaxes(tile, row=1, col=k + 1)
        self.legend.value = " ".join(
            [_entry(GREY, OBSERVED), *([_entry(SAMPLE_COLOUR, PREDICTED)] if predicted else [])]
        )
        show(self.widget, bool(observed))


def _entry(colour: str, text: str) -> str:
    """A dot as it is drawn, and what it is."""
    return f"<span><i style='background: {colour}'></i>{text}</span>"


def bar_length(reach: float) -> float:
    """A round length within a third of the width, 2 reach, of a tile."""
    return round_below(2 * reach / 3)
