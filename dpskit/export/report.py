"""A report on a reconstruction: one HTML file that works offline."""

from __future__ import annotations

import base64
import html
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from dpskit.checks import check_kind, check_path, check_points
from dpskit.cloud import Frame
from dpskit.data.check_views import check_views
from dpskit.data.view_warning import ViewWarning
from dpskit.evaluation.clusters import cluster_warning
from dpskit.evaluation.spread import medoid, point_spread
from dpskit.files import replacing
from dpskit.likelihoods.coarse import CoarseGrained
from dpskit.likelihoods.image import ProjectionImages
from dpskit.likelihoods.joint import Joint, as_found
from dpskit.likelihoods.projection import Projections, project
from dpskit.likelihoods.protocol import Likelihood
from dpskit.likelihoods.subunit import Subunit
from dpskit.rotations import angles_between

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DIFFERENT = 30.0  # degrees between found orientations of one view that a reader should know of
STYLE = """body{font:16px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#222;background:#fff}
table{border-collapse:collapse}td,th{padding:.2em .8em;border-bottom:1px solid #ccc;text-align:right}
td:first-child,th:first-child{text-align:left}img{max-width:100%}pre{overflow:auto;background:#f4f4f4;padding:1em}
.warning{border-left:.3em solid #b40426;padding-left:.8em}"""


def write_report(
    samples: Any,
    likelihood: Likelihood,
    path: str | Path,
    *,
    frame: Frame,
    warnings: Sequence[ViewWarning] | None = None,
) -> None:
    """Write what came out of a run as one HTML file: residuals, spread, warnings, pictures and settings.

    Parameters
    ----------
    samples : Samples or Tensor
        (s, n, 3) in the cube, or an object with such `points`, and with `settings`, `seed` and `version` if they are
        to be stated.
    likelihood : Likelihood
        The data that the samples were drawn for; residuals of its observations if it has `energies`.
    path : str or Path
        Must end in .html.
    frame : Frame
        Maps the cube to angstrom.
    warnings : list of ViewWarning, optional
        None: those of `check_views`.

    Raises
    ------
    ValueError
        For another ending, a wrong shape and NaN.

    Examples
    --------
    >>> import dpskit, pathlib
    >>> structure = dpskit.load_example("ruvab")
    >>> data = dpskit.CoarseGrained(structure.points[::20])
    >>> dpskit.write_report(structure.points[None], data, "report.html", frame=structure.frame)
    >>> "<h2>Spread</h2>" in pathlib.Path("report.html").read_text()
    True
    """
    path = check_path("path", path)
    if path.suffix != ".html":
        raise ValueError(f"path must end in .html, got {path}.")
    check_kind("frame", frame, Frame)
    points = check_points("samples", getattr(samples, "points", samples), batched=True).detach().cpu()
    views = _views(likelihood)
    if warnings is None:
        warnings = [] if views is None else check_views(views, frame)
    rotations, placement = (getattr(samples, name, None) for name in ("rotations", "placement"))
    data, likelihood = likelihood, as_found(likelihood, rotations, placement)
    ordered, spread = point_spread(points)
    chosen = medoid(ordered)
    best = ordered[chosen]
    unit = html.escape(frame.unit)
    count = f"{len(points)} samples" if len(points) > 1 else "One sample"
    parts = [f"<h1>Reconstruction</h1><p>{count} of {points.shape[1]:,} points.</p>"]
    parts.append("<h2>Warnings</h2>")
    parts += [f'<p class="warning">{html.escape(str(warning))}</p>' for warning in warnings]
    if not warnings:
        parts.append(f"<p>{_agreement(views)}</p>")
    parts.append("<h2>Fit</h2>" + _fit_table(likelihood, points, frame))
    if said := found_orientations(samples, data):
        parts.append(f"<p>{said[0].upper()}{said[1:]}</p>")
    if views is not None:
        caption = "Grey: what was observed. Red: the projection of the medoid, the sample nearest to all others."
        if isinstance(views, Projections):
            caption += " The centre of the cube is at 0."
        parts.append(_picture(_views_figure(views, _rotations(likelihood, points, chosen), best, frame), caption))
    text = "One sample has no spread: draw several."
    if len(points) > 1:
        low, half, high = (spread * frame.scale).quantile(torch.tensor([0.1, 0.5, 0.9])).tolist()
        text = f"A tenth of the points differs between the samples by up to {low:.1f} {unit}, half of them by up to "
        text += f"{half:.1f}, nine tenths by up to {high:.1f} (root mean square over the samples). "
        text += "This is how far the models differ, not how far they are from the truth."
    parts.append(f"<h2>Spread</h2><p>{text}</p>")
    if warning := cluster_warning(points):
        parts.append(f'<p class="warning">{warning}</p>')
    parts.append(_picture(_spread_figure(best, spread, frame), f"The medoid, coloured by its spread in {unit}"))
    about = {name: getattr(samples, name) for name in ("version", "seed", "settings") if hasattr(samples, name)}
    if about:
        shown = html.escape(json.dumps(about, indent=1))
        parts.append(f"<details><summary>Settings</summary><pre>{shown}</pre></details>")
    page = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>dpskit</title><style>{STYLE}</style>'
    with replacing(path) as part:
        part.write_text(page + "\n".join(parts) + "</html>\n", encoding="utf-8")


def _views(data: Any) -> Projections | ProjectionImages | None:
    parts = data.parts if isinstance(data, Joint) else [data]
    return next((part for part in parts if isinstance(part, Projections | ProjectionImages)), None)


def _agreement(views: Projections | ProjectionImages | None) -> str:
    """What it means that there is no warning: views of unknown orientation were not compared."""
    count = 0 if views is None else len(views.rotations)
    known = count - len(views.unknown) if isinstance(views, Projections) else count
    if known > 1:
        which = "views" if known == count else "views of known orientation"
        return f"The {which} agree with each other, as far as that can be seen from them."
    if count > 1:
        return "No two views of known orientation could be compared."
    return "There are no two views that could disagree."


def found_orientations(samples: Any, likelihood: Likelihood) -> str:
    """How sure a run is of the orientations of views that it has found, in sentences; "" if there were none to find."""
    weights, views = getattr(samples, "settings", {}).get("orientations"), _views(likelihood)
    rotations = getattr(samples, "rotations", None)
    if not weights or rotations is None or not isinstance(views, Projections):
        return ""
    if len(weights) == 1:
        return "one set of orientations was found."
    shares = ", ".join(f"{weight:.2f}" for weight in weights)
    off = angles_between(rotations[:, None], rotations).amax(dim=(0, 1)).tolist()
    angles = ", ".join(f"view {k + 1} {off[k]:.0f}" for k in sorted({*views.unknown, *views.rough}))
    text = f"{len(weights)} sets of orientations were found, with weights {shares}; each sample keeps to one. "
    text += f"Between the samples they differ by up to, in degrees: {angles}."
    if max(off) > DIFFERENT:
        text += " That is much: the object looks alike from these sides, or the data do not tell them apart."
    return text


def _rotations(data: Any, points: Tensor, k: int) -> Tensor:
    """(v, 3, 3): from where the views, as they were found, show the sample of number k."""
    views = _views(data)
    return views.orientations(points)[k] if isinstance(views, Projections) else cast(ProjectionImages, views).rotations


def _fit_table(data: Any, points: Tensor, frame: Frame) -> str:
    """The fit of every observation: a residual in the unit of the frame, or the correlation with an image."""
    with torch.no_grad():
        if not hasattr(data, "energies"):
            return f"<p>Mean energy {float(data.energy(points).mean()):.3g}.</p>"
        energies = data.energies(points)
    if isinstance(data, ProjectionImages):
        head, values = "correlation", (1 - energies * (frame.scale / data.width) ** 2).clamp(min=0).sqrt()
    else:
        head, values = f"residual in {html.escape(frame.unit)}", (2 * energies).sqrt() * frame.scale
    spread = "{:.2f}" if len(points) > 1 else "–"
    rows = "".join(
        f"<tr><td>{name}</td><td>{column.mean():.2f}</td><td>{spread.format(column.std(correction=0))}</td></tr>"
        for name, column in zip(_names(data, values.shape[1]), values.T, strict=True)
    )
    return f"<table><tr><th>observation</th><th>{head}</th><th>± over samples</th></tr>{rows}</table>"


def _names(data: Any, count: int) -> Iterator[str]:
    """What each of `count` observations is: views by number, others by kind; images in a joint one count as one."""
    kinds: dict[type, str] = {
        CoarseGrained: "low-resolution structure",
        Subunit: "known part",
        ProjectionImages: "images",
    }
    for part in data.parts if isinstance(data, Joint) else [data]:
        if isinstance(part, Projections) or (part is data and isinstance(part, ProjectionImages)):
            seen = part.points if isinstance(part, Projections) else part.pixels
            yield from (f"view {k + 1}" for k in range(len(seen)))
        else:
            name = kinds.get(type(part), html.escape(type(part).__name__))
            yield from [name] if part is not data or count == 1 else (f"{name} {k + 1}" for k in range(count))


def _views_figure(views: Projections | ProjectionImages, rotations: Tensor, best: Tensor, frame: Frame) -> Figure:
    """What was observed and the projections of a cloud, all views in one scale."""
    from matplotlib.figure import Figure

    count, reach = len(rotations), 0.0
    figure = Figure(figsize=(2.6 * min(count, 4), 2.8 * -(-count // 4)), layout="constrained")
    for k, rotation in enumerate(rotations):
        axes = figure.add_subplot(-(-count // 4), min(count, 4), k + 1, aspect="equal", title=f"view {k + 1}")
        if isinstance(views, ProjectionImages):
            seen = project(frame.to_physical(best), rotation)
            seen = seen if views.shifts is None else seen - views.shifts[k]
            size, n = views.pixel_size, views.pixels.shape[1]
            low = (-(n // 2) - 0.5) * size
            axes.imshow(views.pixels[k].numpy(), cmap="gray", origin="lower", extent=(low, low + n * size) * 2)
        else:
            axes.scatter(*(views.points[k].T * frame.scale), s=7, c="0.75", linewidths=0)
            seen = project(best, rotation) * frame.scale
            reach = max(reach, float(seen.abs().max()), float(views.points[k].abs().max()) * frame.scale)
        axes.scatter(*seen.T, s=0.5, c="#b40426")
        axes.set(xlabel=f"x ({frame.unit})", ylabel=f"y ({frame.unit})")
    for axes in figure.axes if reach else ():
        axes.set(xlim=(-1.05 * reach, 1.05 * reach), ylim=(-1.05 * reach, 1.05 * reach))
    return figure


def _spread_figure(best: Tensor, spread: Tensor, frame: Frame) -> Figure:
    from matplotlib.figure import Figure

    physical, colour = frame.to_physical(best), spread * frame.scale
    reach = 1.05 * float(best.abs().max()) * frame.scale
    limits = [(middle - reach, middle + reach) for middle in frame.center]
    figure = Figure(figsize=(9, 3), layout="constrained")
    panels = figure.subplots(1, 3, subplot_kw={"aspect": "equal"})
    for axes, (i, j) in zip(panels, [(0, 1), (0, 2), (1, 2)], strict=True):
        drawn = axes.scatter(physical[:, i], physical[:, j], c=colour, s=4, cmap="coolwarm")
        axes.set(xlabel=f"{'xyz'[i]} ({frame.unit})", ylabel=f"{'xyz'[j]} ({frame.unit})")
        axes.set(xlim=limits[i], ylim=limits[j])
    figure.colorbar(drawn, ax=list(panels), label=f"spread ({frame.unit})")
    return figure


def _picture(figure: Figure, caption: str) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    data = base64.b64encode(buffer.getvalue()).decode()
    image = f'<img alt="{caption}" src="data:image/png;base64,{data}">'
    return f"<figure>{image}<figcaption>{caption}</figcaption></figure>"
