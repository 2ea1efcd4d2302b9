"""How far samples of the same shape differ, point by point."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree
from torch import Tensor

from dpskit.checks import check_number, check_points
from dpskit.transport.assignment import assign


def point_spread(points: Tensor) -> tuple[Tensor, Tensor]:
    """Match samples to their medoid, and measure how far corresponding points scatter.

    Parameters
    ----------
    points : Tensor
        (s, n, 3); the points of a sample have no order.

    Returns
    -------
    ordered : Tensor
        (s, n, 3): the same points, those of each sample in the order of the medoid's points that the optimal assignment
        gives them.
    spread : Tensor
        (n,): the root mean square distance of corresponding points from their mean, in the unit of `points`; 0 for a
        single sample.

    Raises
    ------
    ValueError
        For a wrong shape and NaN.

    Examples
    --------
    >>> import dpskit, torch
    >>> cloud = torch.randn(50, 3)
    >>> ordered, spread = dpskit.point_spread(torch.stack([cloud, cloud.flip(0)]))
    >>> float(spread.max())
    0.0
    """
    points = check_points("points", points, batched=True)
    reference = points[medoid(points)]
    index = assign(reference.expand_as(points), points).index
    ordered = points.gather(1, index.unsqueeze(-1).expand_as(points))
    spread = (ordered - ordered.mean(dim=0)).square().sum(dim=-1).mean(dim=0).sqrt()
    return ordered, spread


def credible_radius(points: Tensor, level: float = 0.9) -> Tensor:
    """Radius around the mean of each matched point that holds a share of the samples.

    Parameters
    ----------
    points : Tensor
        (s, n, 3).
    level : float
        The share, between 0 and 1.

    Returns
    -------
    Tensor
        (n,), in the unit of `points`; the matching, and the order of the result, are those of `point_spread`.

    Raises
    ------
    ValueError
        For a wrong shape, NaN, and a level out of range.

    Examples
    --------
    >>> import dpskit, torch
    >>> points = torch.zeros(3, 1, 3)
    >>> points[:, 0, 0] = torch.tensor([-2.0, 0.0, 2.0])
    >>> dpskit.credible_radius(points, level=0.5)
    tensor([2.])
    """
    if not 0 < check_number("level", level) < 1:
        raise ValueError(f"level must be between 0 and 1, got {level!r}.")
    ordered, _ = point_spread(points)
    return (ordered - ordered.mean(dim=0)).norm(dim=-1).quantile(level, dim=0)


def medoid(points: Tensor) -> int:
    """The sample nearest to all others, by mean squared nearest distance both ways.

    Parameters
    ----------
    points : Tensor
        (s, n, 3).

    Returns
    -------
    int
        Its number.

    Raises
    ------
    ValueError
        For a wrong shape and NaN.

    Examples
    --------
    >>> import dpskit, torch
    >>> dpskit.medoid(torch.tensor([[[0.0, 0.0, 0.0]], [[1.0, 0.0, 0.0]], [[3.0, 0.0, 0.0]]]))
    1
    """
    return int(squared_distances(points).sum(axis=1).argmin())


def squared_distances(points: Tensor) -> np.ndarray:
    """Mean squared distance to the nearest point, both ways added, of each sample from each other: (s, s)."""
    clouds = check_points("points", points, batched=True).detach().cpu().double().numpy()
    trees = [cKDTree(cloud) for cloud in clouds]
    directed = np.array([[np.square(tree.query(cloud)[0]).mean() for tree in trees] for cloud in clouds])
    return directed + directed.T
