"""How far samples of the same shape differ, point by point."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree
from torch import Tensor

from dpskit.checks import check_number, check_points
from dpskit.transport.assignment import assign


def point_spread(points: Tensor) -> tuple[Tensor, Tensor]:
    """Match the samples `points` (s, n, 3) to their medoid; returns (ordered (s, n, 3), spread (n,)).

    The points of a sample have no order. `ordered` holds the same points, those of each sample in the order of the
    medoid's points that the optimal assignment gives them. spread: the root mean square distance of corresponding
    points from their mean, in the unit of `points`; 0 for a single sample.
    """
    points = check_points("points", points, batched=True)
    reference = points[medoid(points)]
    index = assign(reference.expand_as(points), points).index
    ordered = points.gather(1, index.unsqueeze(-1).expand_as(points))
    spread = (ordered - ordered.mean(dim=0)).square().sum(dim=-1).mean(dim=0).sqrt()
    return ordered, spread


def credible_radius(points: Tensor, level: float = 0.9) -> Tensor:
    """Radius (n,) around the mean of each matched point that holds the share `level` of the samples (s, n, 3).

    The matching, and the order of the result, are those of `point_spread`; in the unit of `points`.
    """
    if not 0 < check_number("level", level) < 1:
        raise ValueError(f"level must be between 0 and 1, got {level!r}.")
    ordered, _ = point_spread(points)
    return (ordered - ordered.mean(dim=0)).norm(dim=-1).quantile(level, dim=0)


def medoid(points: Tensor) -> int:
    """Index of the sample of `points` (s, n, 3) nearest to all others, by mean squared nearest distance both ways."""
    clouds = check_points("points", points, batched=True).detach().cpu().double().numpy()
    trees = [cKDTree(cloud) for cloud in clouds]
    directed = np.array([[np.square(tree.query(cloud)[0]).mean() for tree in trees] for cloud in clouds])
    return int((directed + directed.T).sum(axis=1).argmin())
