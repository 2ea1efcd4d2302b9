"""Projections side by side, such as the observed ones."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from plotly.subplots import make_subplots
from torch import Tensor

from dpskit.widgets.live_figure import LiveFigure

TILES = 5  # projections that are shown
DOTS = 300  # points drawn in each
REACH = 1.75  # half the width of a tile, in the cube


class TilesView:
    """Up to five projections (m, 2) in a row that is called `name`; `titled` leaves room for their numbers."""

    def __init__(self, name: str, colour: str, *, titled: bool, width: int = 590) -> None:
        above = 22 if titled else 4
        figure = make_subplots(1, TILES, subplot_titles=[" "] * TILES, horizontal_spacing=0.012)
        for k in range(1, TILES + 1):
            dots = {"mode": "markers", "marker": {"size": 2.5, "color": colour}, "hoverinfo": "skip"}
            figure.add_scatter(x=[], y=[], **dots, row=1, col=k)
        box = {"showticklabels": False, "showgrid": False, "zeroline": False, "mirror": True, "linecolor": "#bbbbbb"}
        figure.update_xaxes(range=[-REACH, REACH], **box)
        figure.update_yaxes(range=[-REACH, REACH], **box)
        figure.update_yaxes(title_text=name, title_standoff=4, col=1)
        figure.update_annotations(font_size=12)
        left, right, spacing = 36, 4, 0.012
        tile = (width - left - right) * (1 - spacing * (TILES - 1)) / TILES  # square
        layout = {"width": width, "height": round(tile) + above + 4}
        figure.update_layout(
            template="plotly_white", showlegend=False, margin={"l": left, "r": right, "t": above, "b": 4}, **layout
        )
        self.live, self._titled = LiveFigure(figure), titled

    def show(self, clouds: Sequence[Tensor], limit: int = DOTS) -> None:
        """Draw `clouds`, of each no more than `limit` points."""
        hidden = max(0, len(clouds) - TILES)
        with self.live.drawing() as figure:
            for k, (trace, title) in enumerate(zip(figure.data, figure.layout.annotations, strict=True)):
                cloud = clouds[k][:limit].cpu() if k < len(clouds) else torch.zeros(0, 2)
                trace.x, trace.y = cloud.float().numpy().T
                if self._titled:
                    more = f" ({hidden} more)" if k == TILES - 1 and hidden else ""
                    title.text = f"projection {k + 1}{more}" if k < len(clouds) else ""
