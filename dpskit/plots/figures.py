"""Pictures of point clouds: live in plotly, and a static twin in matplotlib."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from dpskit.checks import check_array, check_points

if TYPE_CHECKING:
    import matplotlib.figure
    import plotly.graph_objects as go

COLOURS = "Cividis"  # perceptually even, and the same to colour-blind readers
VIEW = ((0.866, -0.25, 0.433), (0.5, 0.433, -0.75), (0.0, 0.866, 0.5))
"""Columns: right, up and towards the viewer of the static picture, 30 degrees above the ground, z up."""


def round_below(most: float, digits: Iterable[int] = (1, 2, 5)) -> float:
    """The largest of the digits times a power of ten that is not above `most`."""
    power = 10.0 ** math.floor(math.log10(most))
    return max(digit * power for digit in digits if digit * power <= most * (1 + 1e-9))


def ticks(name: str, reach: float) -> list[float]:
    """Where the axis from -reach to reach has its numbers; z has none at its foot, where x begins."""
    far = round_below(0.95 * reach, range(1, 10))
    return [0.0, far] if name == "z" else [-far, 0.0, far]


def cube_scene(unit: str, reach: float, zoom: float = 1.05) -> dict[str, Any]:
    """Plotly's settings of a 3-D scene with equal axes from -reach to reach. With this zoom nothing touches the border
    of a scene that is wider than high."""

    def axis(name: str) -> dict[str, Any]:
        return {
            "title": {"text": f"{name} ({unit})", "font": {"size": 11, "color": "#444444"}},
            "range": [-reach, reach],
            "tickvals": ticks(name, reach),
            "tickfont": {"size": 10, "color": "#444444"},
            "backgroundcolor": "rgba(0,0,0,0)",
            "gridcolor": "#dddddd",
            "zerolinecolor": "#cccccc",
        }

    # In parallel projection, as in the static pictures; the aspect ratio is the zoom, and leaves room for the labels.
    eye, center = {"x": 1.3, "y": -1.9, "z": 0.98}, {"x": 0, "y": 0, "z": -0.04}
    camera = {"eye": eye, "center": center, "projection": {"type": "orthographic"}}
    aspect = {"aspectmode": "manual", "aspectratio": dict.fromkeys("xyz", zoom)}
    return {f"{name}axis": axis(name) for name in "xyz"} | {"camera": camera} | aspect


def cloud_figure(
    clouds: dict[str, Tensor], *, unit: str = "cube", colour: Tensor | None = None, label: str = "height"
) -> go.Figure:
    """Clouds side by side in 3-D, with equal axes and the same limits.

    Parameters
    ----------
    clouds : dict of str and Tensor
        (n, 3) each; the keys are the titles.
    unit : str
        Of the axes.
    colour : Tensor, optional
        (n,) for all of the clouds (default: z). The scale ends at its 95th percentile, so that a single outlier does
        not make the others dark.
    label : str
        What the colour is.

    Returns
    -------
    plotly Figure
        Live where plotly shows it.

    Raises
    ------
    ValueError
        For a wrong shape and NaN.
    """
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    parts = {name: check_points(name, points).cpu() for name, points in clouds.items()}
    reach = max(float(points.abs().max()) for points in parts.values()) or 1.0
    shades = {name: points[:, 2] for name, points in parts.items()}
    if colour is not None:
        colour = check_array("colour", colour, "(n,)").detach().cpu().double()
        if any(colour.shape != (len(points),) for points in parts.values()) or not bool(torch.isfinite(colour).all()):
            raise ValueError(f"colour must be a finite number for each point of a cloud, got {tuple(colour.shape)}.")
        shades = dict.fromkeys(parts, colour)
    known = torch.cat(list(shades.values()))
    limits = {"cmin": float(known.min()), "cmax": float(known.max() if colour is None else known.quantile(0.95))}
    figure = make_subplots(
        1, len(parts), specs=[[{"type": "scene"}] * len(parts)], subplot_titles=list(parts), horizontal_spacing=0.01
    )
    zoom = min(1.05, 2.0 / len(parts))  # narrow scenes need room for the names of their axes
    for column, (name, points) in enumerate(parts.items(), start=1):
        marker = {"size": 2.2, "color": shades[name].tolist(), "colorscale": COLOURS, **limits}
        marker["showscale"] = column == len(parts)
        marker["colorbar"] = {"title": {"text": f"{label} ({unit})"}, "thickness": 12, "len": 0.7}
        x, y, z = points.T.tolist()
        figure.add_trace(
            go.Scatter3d(x=x, y=y, z=z, mode="markers", marker=marker, showlegend=False), row=1, col=column
        )
        figure.update_layout({f"scene{column if column > 1 else ''}": cube_scene(unit, reach, zoom)})
    height = 420 - 30 * max(0, len(parts) - 2)  # a scene is as large as its height says
    return figure.update_layout(height=height, margin={"l": 10, "r": 0, "t": 30, "b": 0}, template="plotly_white")


def static_figure(rows: list[dict[str, Tensor]], units: list[str]) -> matplotlib.figure.Figure:
    """A grid of clouds seen from one direction; the colour is the depth, bright is near.

    Parameters
    ----------
    rows : list of dict of str and Tensor
        For each row its titles and clouds, (n, 3) or (n, 2); the latter, such as observed projections, are drawn as
        they are, in grey.
    units : list of str
        Of the axes, one per row.

    Returns
    -------
    matplotlib Figure
        With a panel for each cloud.

    Raises
    ------
    ValueError
        For a wrong shape and NaN.
    """
    from matplotlib.figure import Figure

    columns = max(len(row) for row in rows)
    figure = Figure(figsize=(2.6 * columns + 0.6, 2.75 * len(rows)), layout="constrained", dpi=130)
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for row, unit, line in zip(rows, units, axes, strict=True):
        parts = {title: check_points(title, points, dim=None).cpu() for title, points in row.items()}
        reach = 1.05 * max(float(points.norm(dim=1).max()) for points in parts.values())
        dots = None
        for axis, (title, points) in zip(line, parts.items(), strict=False):
            flat = points.shape[1] == 2
            seen = points if flat else points @ torch.tensor(VIEW)
            order = torch.arange(len(seen)) if flat else seen[:, 2].argsort()
            shade = (
                {"color": "0.35"}
                if flat
                else {"c": seen[order, 2], "cmap": COLOURS.lower(), "vmin": -reach, "vmax": reach}
            )
            drawn = axis.scatter(seen[order, 0], seen[order, 1], s=3, linewidths=0, **shade)
            dots = dots if flat else drawn
            axis.set(title=title, xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xlabel=f"right ({unit})")
            axis.tick_params(labelsize=7)
            axis.xaxis.label.set_size(8)
            axis.title.set_size(10)
        line[0].set_ylabel(f"up ({unit})", fontsize=8)
        for axis in line[len(parts) :]:
            axis.set_axis_off()
        if dots is not None:
            spare = line[len(parts) :]  # room for the scale, which else takes it from the row
            place = {"cax": spare[0].inset_axes((0, 0.1, 0.05, 0.8))} if len(spare) else {"ax": line, "shrink": 0.8}
            bar = figure.colorbar(dots, **place, aspect=30)
            bar.set_label(f"towards the viewer ({unit})", fontsize=8)
            bar.ax.tick_params(labelsize=7)
    return figure


def cloud_grid(clouds: Tensor, *, columns: int = 4, unit: str = "cube") -> matplotlib.figure.Figure:
    """Clouds side by side in a static grid, numbered, with equal axes and the view of `static_figure`.

    The axes hold all but the outermost 0.1 % of all points; how many of a cloud lie outside them stands above it.

    Parameters
    ----------
    clouds : Tensor
        (k, n, 3).
    columns : int
        Of the grid.
    unit : str
        Of the axes.

    Returns
    -------
    matplotlib Figure
        With a panel for each cloud.

    Raises
    ------
    ValueError
        For a wrong shape and NaN.
    """
    from matplotlib.figure import Figure

    clouds = check_points("clouds", clouds, batched=True).cpu()
    seen = clouds @ torch.tensor(VIEW)
    extent = seen.abs().amax(dim=2)
    reach = 1.05 * float(extent.quantile(0.999))
    outside = (extent > reach).sum(dim=1).tolist()
    rows = -(-len(clouds) // columns)
    figure = Figure(figsize=(1.9 * columns + 1.2, 1.9 * rows + 0.4), layout="constrained", dpi=130)
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for axis in axes.flat[len(clouds) :]:
        axis.set_axis_off()
    for number, (axis, cloud) in enumerate(zip(axes.flat, seen, strict=False)):
        x, y, depth = cloud[cloud[:, 2].argsort()].T
        size = min(40.0, 14 * 1024 / len(cloud))  # near points cover far ones, so that one sees a surface
        style = {"s": size, "linewidths": 0.3, "edgecolors": "white", "cmap": COLOURS.lower()}
        dots = axis.scatter(x, y, c=depth, vmin=-reach, vmax=reach, **style)
        axis.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
        strays = f" ({outside[number]} outside)" if outside[number] else ""
        axis.set_title(f"{number}{strays}", fontsize=8, pad=2)
        axis.tick_params(labelsize=7)
    figure.supxlabel(f"right ({unit})", fontsize=8)
    figure.supylabel(f"up ({unit})", fontsize=8)
    bar = figure.colorbar(dots, ax=axes, shrink=0.6, aspect=40)
    bar.set_label(f"towards the viewer ({unit})", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    return figure
