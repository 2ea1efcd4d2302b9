"""What a cloud looks like around each of its points: density, mean shift and covariance under Gaussian kernels."""

from __future__ import annotations

import torch
from torch import Tensor

PER_SCALE = 10
"""Features of one kernel: log density, three of the mean shift, six of the covariance."""


def local_features(x: Tensor, t: Tensor, scales: tuple[float, ...]) -> Tensor:
    """Moments of the cloud around every point, as seen through Gaussian kernels that follow the noise level.

    Parameters
    ----------
    x : (b, n, 3), clouds at noise level t, in the cube.
    t : (b,), noise levels.
    scales : widths s of the kernels without noise; the standard deviation of a kernel is h = sqrt(t^2 + s^2).

    Returns
    -------
    (b, n, 10 k) for k scales: for each the logarithm of the mean kernel over the cloud, divided by 3, the mean shift
    (the kernel-weighted mean of the cloud minus the point) in units of h, and the six entries of the kernel-weighted
    covariance in units of h^2. They do not depend on the order of the points, and hold no weights.

    Notes
    -----
    The mean shift of a kernel is the gradient of the logarithm of its density estimate (Comaniciu and Meer, 2002): the
    direction in which a denoiser of independent points would move each of them.
    """
    if torch.compiler.is_compiling():
        return _features(x, t, scales)
    clouds = zip(x.split(1), t.split(1), strict=True)  # the matrices of one cloud fit into the cache
    return torch.cat([_features(cloud, time, scales) for cloud, time in clouds])


def _features(x: Tensor, t: Tensor, scales: tuple[float, ...]) -> Tensor:
    square = x.square().sum(dim=2, keepdim=True)
    moments = torch.cat([torch.ones_like(square), x, _products(x)], dim=2)
    features = []
    for s in scales:
        width = (t.square() + s * s).sqrt()[:, None, None]
        sums = _kernel(x / width) @ moments
        mass = sums[..., :1]
        mean, second = sums[..., 1:4] / mass, sums[..., 4:] / mass
        covariance = second - _products(mean)
        features += [(mass / x.shape[1]).log() / 3, (mean - x) / width, covariance / width.square()]
    return torch.cat(features, dim=2)


def _kernel(y: Tensor) -> Tensor:
    """exp(-|y_i - y_j|^2 / 2) of clouds (b, n, 3), as (b, n, n)."""
    half, one = -0.5 * y.square().sum(dim=2, keepdim=True), torch.ones_like(y[..., :1])
    exponent = torch.cat([y, half, one], dim=2) @ torch.cat([y, one, half], dim=2).mT
    # Far out of the cube rounding makes distances negative, and those of a point from itself large; exp is slow where
    # its result would be too small to be a normal number.
    exponent = exponent.clamp(-80, 0)
    exponent.diagonal(dim1=1, dim2=2).zero_()
    return exponent.exp()


def _products(x: Tensor) -> Tensor:
    """The six products x_i x_j, i <= j, of vectors (b, n, 3)."""
    return torch.stack([x[..., i] * x[..., j] for i in range(3) for j in range(i, 3)], dim=2)
