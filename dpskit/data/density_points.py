"""Points that stand for a density on a grid, of two or three dimensions."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from dpskit.checks import check_number
from dpskit.transport.solver import spatial_order

DARK = 5.0  # times as much lies below the background as above it where the object is dark; a halo has less than once
DUST = 0.01  # the share of the largest connected part up to which another part is dust


def above_background(name: str, values: np.ndarray, threshold: float | None) -> np.ndarray:
    """The excess of `values` over the background where they exceed the threshold, and 0 elsewhere.

    The background is the median of what lies outside the largest ball of the grid; the default threshold is three of
    its standard deviations (from the median absolute deviation, which outliers do not move) above it. With it a dark
    object is refused, above which only noise would be left. Small parts that are connected with nothing larger, `DUST`,
    are left out: far from the object, they would make it seem larger.
    """
    axes = [np.linspace(-1, 1, n) ** 2 for n in values.shape]
    outside = values[sum(np.meshgrid(*axes, indexing="ij")) > 1] if min(values.shape) > 2 else values.ravel()
    background = float(np.median(outside))
    if threshold is None:
        noise = 3 * 1.4826 * float(np.median(np.abs(outside - background)))
        threshold = background + noise
        dark, bright = values[values < background - noise], values[values > threshold]
        lacking = background * len(dark) - dark.sum(dtype=np.float64)
        if lacking > DARK * (bright.sum(dtype=np.float64) - background * len(bright)):
            raise ValueError(
                f"{name} must show its object bright, but nearly all that stands out of it is darker than the "
                f"background: pass the negative of the {name}."
            )
    threshold = check_number("threshold", threshold)
    density = np.where(values > threshold, values - min(background, threshold), 0.0).astype(np.float64)
    if not density.any():
        raise ValueError(
            f"threshold must lie below the largest value of the {name}, {values.max():.4g}, got {threshold:.4g}; "
            f"if the object is dark, pass the negative of the {name}."
        )
    parts, count = ndimage.label(density, np.ones([3] * density.ndim))
    amounts = np.bincount(parts.ravel(), density.ravel(), count + 1)
    return np.where((amounts > DUST * amounts.max())[parts], density, 0.0)


def draw_points(density: np.ndarray, n_points: int, seed: int) -> np.ndarray:
    """(n_points, d) places in units of cells, drawn from `density` (..., y, x); coordinates are x, y, ....

    Systematic sampling: one point for each equal share of the sum along a curve through neighbouring cells, so that the
    points are spread more evenly than independent ones, and uniform inside the cell.
    """
    random = np.random.default_rng(seed)
    cells = np.argwhere(density > 0)[:, ::-1].astype(np.float64)
    cells = cells[spatial_order(np.ascontiguousarray(cells))]
    share = np.cumsum(density[tuple(cells[:, ::-1].astype(int).T)])
    at = (np.arange(n_points) + random.random()) / n_points * share[-1]
    chosen = cells[np.minimum(np.searchsorted(share, at, side="right"), len(cells) - 1)]
    return chosen + random.random(chosen.shape) - 0.5
