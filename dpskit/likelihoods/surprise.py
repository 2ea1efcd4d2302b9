"""How unexpected observed points are under the density of a cloud's projection."""

from __future__ import annotations

import math

from torch import Tensor

WEIGHT = 3.0  # beside the energy of the matching


def surprise(points: Tensor, seen: Tensor, width: float) -> Tensor:
    """-3 width^2 times the mean of log p(y), at least 0, of observed points y (m, d) and what is seen (b, n, d): (b,).

    p(y) = 1/n sum_i exp(-|y - x_i|^2 / (2 width^2)) is, up to a constant, a kernel estimate of the density from which
    the points are drawn. Matching alone prefers a cloud that crowds at them to the object that they were drawn from.
    """
    y = points.to(seen)
    squares = y.square().sum(dim=1)[:, None] + seen.square().sum(dim=2)[:, None, :] - 2 * y @ seen.mT
    log_density = (squares / (-2 * width**2)).logsumexp(dim=2) - math.log(seen.shape[1])
    return -WEIGHT * width**2 * log_density.mean(dim=1)
