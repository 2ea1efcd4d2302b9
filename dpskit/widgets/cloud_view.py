"""Point clouds side by side in 3-D, updated during a run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots
from torch import Tensor

from dpskit.experiments.experiment import Experiment
from dpskit.plots.colours import BASELINE_COLOUR
from dpskit.plots.figures import COLOURS, cube_scene, ticks
from dpskit.widgets.live_figure import LiveFigure

MARKED = BASELINE_COLOUR  # stands out from Cividis, also for colour-blind readers
LINE = "#a0a0a0"  # of the cube, on a light page and on a dark one; opaque, because WebGL adds the page to what is not


@dataclass(frozen=True)
class Unit:
    """A unit of length by its name, of which there are `scale` in a unit of the cube."""

    name: str = "cube"
    scale: float = 1.0

    @staticmethod
    def of(experiment: Experiment) -> Unit:
        """That of the frame for a target with a physical size, else the cube's."""
        frame = experiment.target.frame
        return Unit() if experiment.target.atoms is None else Unit(frame.symbol, frame.scale)


CUBE = Unit()


class CloudView:
    """Scenes with equal axes of the same length, in one figure; colour is height unless values are given. The browser
    puts as many of them in a row as makes them largest.

    The camera a person chose stays, and the axes shrink with the noise: they span the cube, or the clouds if these
    reach further. most: part of the window's height that it takes at most. group: of scenes that turn together. growth:
    by which axes become longer where clouds reach further; with a large one they stand still in most steps of a run.
    """

    def __init__(self, titles: Sequence[str], *, most: float = 0.3, group: str = "", growth: float = 1.25) -> None:
        count = len(titles)
        frame = make_subplots(1, count, specs=[[{"type": "scene"}] * count], subplot_titles=list(titles))
        for k in range(count):
            marker = {"size": 2.4, "color": [], "colorscale": COLOURS, "cmin": -1.0, "cmax": 1.0}
            frame.add_trace(_dots(marker), row=1, col=k + 1)
        for k in range(count):
            frame.add_trace(_dots({"size": 5, "color": MARKED}), row=1, col=k + 1)
        for k in range(count):
            frame.update_layout({_scene(k): cube_scene("cube", 1.1)})
            frame.layout[_scene(k)].update({f"{a}axis": {"gridcolor": LINE, "zerolinecolor": LINE} for a in "xyz"})
        frame.update_layout(margin={"l": 0, "r": 0, "t": 0, "b": 0}, showlegend=False)
        frame.update_annotations(font_size=13)
        self.count, self.growth = count, growth
        self.live = LiveFigure(frame, ", ".join(titles), most=most, group=group)

    def show(
        self,
        clouds: Sequence[Tensor | None],
        *,
        titles: Sequence[str] | None = None,
        unit: Unit = CUBE,
        marked: Tensor | None = None,
        values: Tensor | None = None,
        bar: str = "",
    ) -> None:
        """Draw `clouds` (n, 3) of the cube, one per scene (None: empty).

        marked: further points (m, 3), drawn into the last scene. values: (n,) colours of the last scene in place of the
        height, with a colour bar named `bar`; it ends where 95 % of the values lie, so that outliers leave the others
        their colours.
        """
        reach = max((reach_of(cloud, self.growth) for cloud in clouds if cloud is not None), default=1.1) * unit.scale
        label = "3-D scenes: " + ", ".join(titles or [a.text for a in self.live.figure.layout.annotations])
        with self.live.drawing(label) as figure:
            for k, cloud in enumerate(clouds):
                trace = figure.data[k]
                trace.x, trace.y, trace.z = columns = _columns(cloud, unit)
                limits = {"cmin": -reach / 1.1, "cmax": reach / 1.1, "showscale": False}
                trace.marker.update(color=columns[2], **limits)
                self._limits(k, reach, unit)
                if titles is not None:
                    figure.layout.annotations[k].text = titles[k]
            figure.layout.margin.r = 0 if values is None else 64  # room for the bar
            if values is not None and cloud is not None:
                trace.marker.update(_scaled(values, bar))
            extra = figure.data[2 * self.count - 1]
            extra.x, extra.y, extra.z = _columns(marked, unit)

    def _limits(self, k: int, reach: float, unit: Unit) -> None:
        scene = self.live.figure.layout[_scene(k)]
        for name, axis in (("x", scene.xaxis), ("y", scene.yaxis), ("z", scene.zaxis)):
            axis.range, axis.title.text = (-reach, reach), f"{name} ({unit.name})"
            axis.tickvals = ticks(name, reach)


def _scaled(values: Tensor, name: str) -> dict[str, Any]:
    """A marker coloured by values, from 0 to what 95 % of them reach, with its bar."""
    values = values.cpu().float()
    top = float(values.quantile(0.95)) or 1.0
    more = "≥ " if float(values.max()) > top else ""
    ticks = {"tickvals": [0, top / 2, top], "ticktext": ["0", f"{top / 2:.2g}", f"{more}{top:.2g}"]}
    title = {"text": name, "side": "right", "font": {"size": 11}}
    place = {"yanchor": "bottom", "x": 1.0, "xanchor": "left"}
    bar = {"thickness": 10, "tickfont": {"size": 10}, "title": title} | place | ticks
    return {"color": values.numpy(), "cmin": 0, "cmax": top, "showscale": True, "colorbar": bar}


def reach_of(cloud: Tensor, growth: float = 1.25) -> float:
    """Half the length of axes that hold `cloud`: 1.1; for outliers 1.25 times that; or 1.1 by a power of `growth`."""
    widest = float(cloud.abs().max()) / 1.1
    if widest <= 1.25:
        return 1.1 if widest <= 1 else 1.1 * 1.25
    return 1.1 * growth ** math.ceil(math.log(widest, growth))


def _columns(cloud: Tensor | None, unit: Unit) -> np.ndarray:
    """x, y and z of a cloud (n, 3)."""
    points = np.zeros((0, 3), np.float32) if cloud is None else unit.scale * cloud.detach().cpu().float().numpy()
    return points.T


def _dots(marker: dict[str, Any]) -> go.Scatter3d:
    return go.Scatter3d(x=[], y=[], z=[], mode="markers", marker={"line": {"width": 0}} | marker, hoverinfo="skip")


def _scene(k: int) -> str:
    return f"scene{k + 1}" if k else "scene"
