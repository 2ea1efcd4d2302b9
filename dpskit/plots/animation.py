"""A run as an animated picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from dpskit.checks import check_points
from dpskit.files import replacing
from dpskit.plots.figures import VIEW

SECONDS = 0.1  # of a frame; the last one stays
LAST = 2.0


def animation(
    clouds: Sequence[Tensor], path: str | Path, *, captions: Sequence[str], beside: Tensor | None = None
) -> None:
    """Write clouds (n, 3) one after the other as a GIF, seen from the direction of `static_figure`; atomic.

    Parameters
    ----------
    clouds
        The frames, all with the limits of the last one.
    path
        The file.
    captions
        The title of each frame.
    beside
        (m, 3), a cloud that stands still beside them, the truth.

    Raises
    ------
    ValueError
        Without a cloud.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image

    if not clouds:
        raise ValueError("clouds must hold at least one cloud, got none.")
    seen = [check_points("clouds", cloud).cpu().float() @ torch.tensor(VIEW) for cloud in clouds]
    still = None if beside is None else check_points("beside", beside).cpu().float() @ torch.tensor(VIEW)
    reach = 1.1 * max(float(part.abs().max()) for part in (seen[-1], still) if part is not None)
    figure = Figure(figsize=(3 + 3 * (still is not None), 3.2), layout="constrained", dpi=90)
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots(1, 1 + (still is not None), squeeze=False)[0]
    style = {"s": 5, "linewidths": 0, "cmap": "cividis", "vmin": -reach, "vmax": reach}
    for axis in axes:
        axis.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xticks=[], yticks=[])
    if still is not None:
        axes[1].scatter(still[:, 0], still[:, 1], c=still[:, 2], **style)
        axes[1].set_title("truth", fontsize=10)
    dots = axes[0].scatter(seen[0][:, 0], seen[0][:, 1], c=seen[0][:, 2], **style)
    frames = []
    for cloud, caption in zip(seen, captions, strict=True):
        cloud = cloud[cloud[:, 2].argsort()]
        dots.set_offsets(cloud[:, :2].numpy())
        dots.set_array(cloud[:, 2].numpy())
        axes[0].set_title(caption, fontsize=10)
        canvas.draw()
        frames.append(Image.frombytes("RGBA", canvas.get_width_height(), canvas.buffer_rgba()).convert("RGB"))
    durations = [1000 * SECONDS] * (len(frames) - 1) + [1000 * LAST]
    with replacing(path) as temporary:
        frames[0].save(temporary, "GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0)
