"""Numbers that describe a cloud, by which calibration ranks the truth among the samples."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from dpskit.checks import check_array

Statistic = Callable[[Tensor], Tensor]
"""statistic(clouds (b, n, d)) -> (b,)."""


def one_each(name: str, values: Tensor, count: int) -> Tensor:
    """Return `values` if they are one finite number for each of `count` clouds, or raise ValueError or TypeError."""
    array = check_array(f"what {name} returns", values, f"({count},)")
    if array.shape != (count,):
        raise ValueError(f"{name} must return one number for each of {count} clouds, got shape {tuple(array.shape)}.")
    if not bool(torch.isfinite(array).all()):
        raise ValueError(f"{name} must return finite numbers, got NaN or infinity.")
    return array


def coordinates(n_points: int, dim: int) -> dict[str, Statistic]:
    """Every coordinate of a cloud whose points have an order, for `simulation_based_calibration`.

    Parameters
    ----------
    n_points, dim : int
        Points of a cloud, and their coordinates.

    Returns
    -------
    dict of str and Callable
        statistic(clouds (b, n, d)) -> (b,), by name.

    Examples
    --------
    >>> import dpskit
    >>> list(dpskit.coordinates(2, 1))
    ['x[0,0]', 'x[1,0]']
    """
    return {f"x[{i},{j}]": lambda clouds, i=i, j=j: clouds[:, i, j] for i in range(n_points) for j in range(dim)}


def _gyration(clouds: Tensor) -> Tensor:
    return (clouds - clouds.mean(dim=1, keepdim=True)).square().sum(dim=2).mean(dim=1).sqrt()


def _nearest(clouds: Tensor) -> Tensor:
    gap = torch.cdist(clouds, clouds) + torch.diag(torch.full((clouds.shape[1],), torch.inf))
    return gap.amin(dim=2).mean(dim=1)


CLOUD_STATISTICS: dict[str, Statistic] = {
    "radius of gyration": _gyration,
    "mean x^2": lambda clouds: clouds[:, :, 0].square().mean(dim=1),
    "mean xy": lambda clouds: (clouds[:, :, 0] * clouds[:, :, 1]).mean(dim=1),
    "largest radius": lambda clouds: clouds.norm(dim=2).amax(dim=1),
    "mean nearest distance": _nearest,
}
"""Statistics of clouds that do not depend on the order of the points. The orientation is the data's."""
