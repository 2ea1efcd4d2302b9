"""Point clouds side by side in 3-D, updated during a run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots
from torch import Tensor

from dpskit.plots.colours import BASELINE_COLOUR
from dpskit.plots.figures import COLOURS, cube_scene
from dpskit.widgets.live_figure import LiveFigure

MARKED = BASELINE_COLOUR  # stands out from Cividis, also for colour-blind readers


class CloudView:
    """Scenes with equal axes of the same length, in one figure; colour is height unless values are given.

    The camera a person chose stays, and the axes shrink with the noise: they span the cube, or the clouds if these
    reach further.
    """

    def __init__(self, titles: Sequence[str], unit: str = "cube", *, rows: int = 1, width: int, height: int) -> None:
        count = len(titles)
        columns = -(-count // rows)
        grid = [[{"type": "scene"} if r * columns + c < count else None for c in range(columns)] for r in range(rows)]
        frame = make_subplots(
            rows,
            columns,
            specs=grid,
            subplot_titles=list(titles),
            horizontal_spacing=0.01,
            vertical_spacing=0.06,
        )
        for k in range(count):
            marker = {"size": 2.4, "color": [], "colorscale": COLOURS, "cmin": -1.0, "cmax": 1.0}
            frame.add_trace(_dots(marker), row=k // columns + 1, col=k % columns + 1)
        for k in range(count):
            frame.add_trace(_dots({"size": 5, "color": MARKED}), row=k // columns + 1, col=k % columns + 1)
        for k in range(count):
            frame.update_layout({_scene(k): cube_scene(unit, 1.1)})
        frame.update_layout(
            width=width,
            height=height,
            margin={"l": 0, "r": 0, "t": 28, "b": 0},
            template="plotly_white",
            showlegend=False,
            uirevision="kept",
        )
        for title in frame.layout.annotations:
            title.font.size = 14
        self.count, self.unit = count, unit
        self.live = LiveFigure(frame)

    def show(
        self,
        clouds: Sequence[Tensor | None],
        *,
        titles: Sequence[str] | None = None,
        colours: Sequence[Tensor | None] | None = None,
        marked: Tensor | None = None,
    ) -> None:
        """Draw `clouds` (n, 3), one per scene (None: empty); marked: further points (m, 3), drawn into the last scene.

        colours: values (n,) from -1 to 1 in place of the height, one per scene.
        """
        reach = max((reach_of(cloud) for cloud in clouds if cloud is not None), default=1.1)
        with self.live.drawing() as figure:
            for k, cloud in enumerate(clouds):
                trace = figure.data[k]
                trace.x, trace.y, trace.z = columns = _columns(cloud)
                given = None if colours is None else colours[k]
                trace.marker.color = columns[2] if given is None else given.cpu().float().numpy()
                trace.marker.cmin, trace.marker.cmax = (-reach / 1.1, reach / 1.1) if given is None else (-1, 1)
                self._limits(k, reach)
                if titles is not None:
                    figure.layout.annotations[k].text = titles[k]
            extra = figure.data[2 * self.count - 1]
            extra.x, extra.y, extra.z = _columns(marked)

    def _limits(self, k: int, reach: float) -> None:
        scene = self.live.figure.layout[_scene(k)]
        if scene.xaxis.range is None or scene.xaxis.range[1] != reach:
            for axis in (scene.xaxis, scene.yaxis, scene.zaxis):
                axis.range = (-reach, reach)


def reach_of(cloud: Tensor) -> float:
    """Half the length of axes that hold `cloud`: 1.1, or that times a power of 1.25, so that it changes rarely."""
    widest = float(cloud.abs().max())
    return 1.1 * 1.25 ** max(0, math.ceil(math.log(widest / 1.1, 1.25))) if widest > 1.1 else 1.1


def _columns(cloud: Tensor | None) -> np.ndarray:
    """x, y and z of a cloud (n, 3)."""
    points = np.zeros((0, 3), np.float32) if cloud is None else cloud.detach().cpu().float().numpy()
    return points.T


def _dots(marker: dict[str, Any]) -> go.Scatter3d:
    return go.Scatter3d(x=[], y=[], z=[], mode="markers", marker={"line": {"width": 0}} | marker, hoverinfo="skip")


def _scene(k: int) -> str:
    return f"scene{k + 1}" if k else "scene"
