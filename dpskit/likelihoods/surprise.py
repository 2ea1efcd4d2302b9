"""Observed points as draws from the density of a cloud, whatever their order."""

from __future__ import annotations

import math

from torch import Tensor

WEIGHT = 3.0  # beside the energy of the matching
SHARP = 0.01  # width below which single precision has too few digits for sums of squares


def kernel_log_density(points: Tensor, seen: Tensor, width: float) -> Tensor:
    """log 1/n sum_i exp(-|y_j - x_i|^2 / (2 width^2)) of observed points y (m, d) and what is seen (b, n, d): (b, m).

    Up to a constant the density of a point that was drawn from a random one of the cloud, with noise of that width.
    """
    x = seen.double() if width < SHARP else seen
    y = points.to(x)
    squares = y.square().sum(dim=1)[:, None] + x.square().sum(dim=2)[:, None, :] - 2 * y @ x.mT
    return ((squares / (-2 * width**2)).logsumexp(dim=2) - math.log(x.shape[1])).to(seen)


def draws_log_prob(points: Tensor, seen: Tensor, width: float) -> Tensor:
    """log p of observed points (m, d), each drawn from a random one of what is seen (b, n, d), with noise: (b,)."""
    m, d = points.shape
    return kernel_log_density(points, seen, width).sum(dim=1) - m * d * math.log(2 * math.pi * width**2) / 2


def surprise(points: Tensor, seen: Tensor, width: float, trimmed: float = 0.0) -> Tensor:
    """-3 width^2 times the mean of `kernel_log_density`, at least 0: (b,).

    The share `trimmed` of the points, those that are least likely, may be outliers and is left out.

    Matching alone prefers a cloud that crowds at observed points to the object that they were drawn from.
    """
    log_density = kernel_log_density(points, seen, width)
    if trimmed:
        log_density = log_density.topk(len(points) - math.floor(trimmed * len(points)), dim=1).values
    return -WEIGHT * width**2 * log_density.mean(dim=1)
