"""What one takes away from a run: a picture, an animation, the samples."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dpskit.experiments.experiment import Experiment, Report
from dpskit.experiments.reproduce import samples_of
from dpskit.plots.animation import animation
from dpskit.plots.figures import static_figure
from dpskit.sampling.protocol import Info
from dpskit.sampling.samples import Samples
from dpskit.widgets.tiles_view import TILES

if TYPE_CHECKING:
    import matplotlib.figure

FRAMES = 50  # of an animation, at most
FIRST = 2.0  # the noise of its first one: at more, hardly a point is near the cube


def picture_of(experiment: Experiment, history: Sequence[Info], report: Report | None) -> matplotlib.figure.Figure:
    """Static figure: data, predictions, and the clouds of the last step; before a run, of the noise."""
    cloud = experiment.noise()[0] if not history else history[-1].denoised[0]
    observed = [] if experiment.views is None else experiment.views.points
    predicted = experiment.predict(cloud) if history else []
    clouds = {"sample 1" if history else "noise": cloud}
    if report is not None and report.fitted is not None:
        clouds["maximum likelihood"] = report.fitted[0]
    clouds[experiment.truth_name] = experiment.truth
    rows = [
        {f"observed {k + 1}": y for k, y in enumerate(observed[:TILES])},
        {f"predicted {k + 1}": y for k, y in enumerate(predicted[:TILES])},
        {name: experiment.upright(points) for name, points in clouds.items()},
    ]
    rows = [row for row in rows if row]
    return static_figure(rows, ["cube"] * len(rows))


def png(figure: matplotlib.figure.Figure, dpi: int) -> bytes:
    """A figure as the content of a PNG file."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=dpi)
    return file.getvalue()


def write_animation(experiment: Experiment, history: Sequence[Info], path: Path) -> None:
    """The first sample from noise to structure as a GIF, beside the truth. Raises ValueError before a first step."""
    if not history:
        raise ValueError("There is no run yet: press Run first.")
    near = [info for info in history if info.t <= FIRST] or history
    shown = list(near[:: -(-len(near) // FRAMES)])
    shown += [history[-1]] * (shown[-1] is not history[-1])
    captions = [f"sample 1, step {info.step + 1}, t = {info.t:.3g}" for info in shown]
    clouds = [experiment.upright(info.x[0]) for info in shown]
    beside = None if experiment.data is None else experiment.upright(experiment.truth)
    animation(clouds, path, captions=captions, beside=beside)


def finished_samples(experiment: Experiment, history: Sequence[Info], report: Report | None) -> Samples:
    """The samples of a run. Raises ValueError before its end."""
    if report is None:
        raise ValueError("There are no samples yet: they come at the end of a run.")
    return samples_of(experiment, history[-1])
