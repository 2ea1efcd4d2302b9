"""How far samples of the same shape differ, point by point."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree
from torch import Tensor

from dpskit.checks import check_points
from dpskit.likelihoods.assignment import assign


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


def medoid(points: Tensor) -> int:
    """Index of the sample of `points` (s, n, 3) nearest to all others, by mean squared nearest distance both ways."""
    clouds = check_points("points", points, batched=True).detach().cpu().double().numpy()
    trees = [cKDTree(cloud) for cloud in clouds]
    directed = np.array([[np.square(tree.query(cloud)[0]).mean() for tree in trees] for cloud in clouds])
    return int((directed + directed.T).sum(axis=1).argmin())
