"""What a cloud looks like around each of its points: density, mean shift and covariance under Gaussian kernels."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

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
    features = []
    for s in scales:
        y = x / (t.square() + s * s).sqrt()[:, None, None]
        sums = _KernelSums.apply(y, torch.cat([torch.ones_like(y[..., :1]), y, _products(y)], dim=2))
        mass = sums[..., :1]
        mean, second = sums[..., 1:4] / mass, sums[..., 4:] / mass
        features += [(mass / y.shape[1]).log() / 3, mean - y, second - _products(mean)]
    return torch.cat(features, dim=2)


class _KernelSums(torch.autograd.Function):
    """Sums of values v (b, n, c) over a cloud y (b, n, 3): s_i = sum_j k_ij v_j with k_ij = exp(-|y_i - y_j|^2 / 2).

    The derivative is written out. With g the derivative with respect to s, that with respect to v is k g; and k_ij,
    which is symmetric, pulls on y_i and y_j along their difference, in proportion to g_i v_j + g_j v_i. So all of it is
    one more product with k, and no other matrix of all pairs is needed.
    """

    @staticmethod
    def forward(ctx: Any, y: Tensor, values: Tensor) -> Tensor:
        kernel = _kernel(y)
        ctx.save_for_backward(y, values, kernel)
        return kernel @ values

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        y, values, kernel = ctx.saved_tensors
        both, swapped = torch.cat([gradient, values], dim=2), torch.cat([values, gradient], dim=2)
        moments = (both.unsqueeze(3) * y.unsqueeze(2)).flatten(2)
        sums = kernel @ torch.cat([both, moments], dim=2)
        first, second = sums[..., : both.shape[2]], sums[..., both.shape[2] :].unflatten(2, (-1, 3))
        pull = (swapped.unsqueeze(3) * (second - first.unsqueeze(3) * y.unsqueeze(2))).sum(dim=2)
        return pull, first[..., : gradient.shape[2]]


def _kernel(y: Tensor) -> Tensor:
    """exp(-|y_i - y_j|^2 / 2) of clouds (b, n, 3), as (b, n, n)."""
    half, one = -0.5 * y.square().sum(dim=2, keepdim=True), torch.ones_like(y[..., :1])
    exponent = torch.cat([y, half, one], dim=2) @ torch.cat([y, one, half], dim=2).mT
    # Far out of the cube rounding makes distances negative, and those of a point from itself large; exp is slow where
    # its result would be too small to be a normal number.
    exponent.clamp_(-80, 0).diagonal(dim1=1, dim2=2).zero_()
    return exponent.exp_()


def _products(x: Tensor) -> Tensor:
    """The six products x_i x_j, i <= j, of vectors (b, n, 3)."""
    return torch.stack([x[..., i] * x[..., j] for i in range(3) for j in range(i, 3)], dim=2)
