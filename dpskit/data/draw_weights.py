"""How often each structure of a collection is drawn in training: relatives share, large ones come more often."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from dpskit.checks import check_points

SIZE_TOLERANCE, SHAPE_TOLERANCE = 0.02, 0.03
"""Relatives differ by less: in the logarithm of the radius of gyration, and in each number of the shape."""

POWER, LEAST, MOST = 1.8, 0.5, 4.0


def draw_weights(clouds: Sequence[Tensor]) -> np.ndarray:
    """Relative weights (k,) of clouds (m_i, 3), all in the same unit, with a mean of 1.

    Clouds of nearly the same radius of gyration, principal standard deviations and radial profile are counted as
    relatives, which share one weight: entries of the same assembly in several states, for instance. And a weight grows
    with the radius of gyration r as r^1.8, about the number of atoms to the power 0.6, between 0.5 and 4 times that of
    the median: collections hold more small structures than large ones. No sequences are compared.
    """
    shapes = np.stack([_shape(check_points(f"clouds[{k}]", cloud)) for k, cloud in enumerate(clouds)])
    log_radius, shape = np.log(shapes[:, 0]), shapes[:, 1:]
    relatives = np.array(
        [
            np.sum((np.abs(log_radius - r) < SIZE_TOLERANCE) & (np.abs(shape - s).max(axis=1) < SHAPE_TOLERANCE))
            for r, s in zip(log_radius, shape, strict=True)
        ]
    )
    weight = np.exp(POWER * (log_radius - np.median(log_radius))).clip(LEAST, MOST) / relatives
    return weight / weight.mean()


def _shape(points: Tensor) -> np.ndarray:
    """Radius of gyration, and in its unit the three principal standard deviations and 16 quantiles of the radius."""
    offset = points.double() - points.double().mean(dim=0)
    variances = torch.linalg.eigvalsh(offset.T @ offset / len(offset)).clamp_min(0)
    radius = variances.sum().sqrt().clamp_min(1e-12)
    quantiles = offset.norm(dim=1).quantile(torch.linspace(0, 1, 16, dtype=torch.float64))
    return torch.cat([radius.reshape(1), variances.sqrt() / radius, quantiles / radius]).numpy()
