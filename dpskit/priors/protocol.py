"""The prior protocol: anything that can denoise."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

REMEDY = "a lower alpha, more steps, noise until a smaller t (the cutoff), or reach=2 in the guidance"
"""Advice for guided runs that diverge, used in messages."""


class Prior(Protocol):
    """p(x0), known through its denoiser. Any object with the method `denoise` is a prior.

    Attributes
    ----------
    shape : tuple[int | None, int | None], optional
        (n, d) of its clouds, to which runs default, with None for a number that is free.
    scale : float, optional
        The root mean square of the coordinates of its clouds, which the noise has to exceed where a run starts. It is
        measured where it is missing.
    cutoff : float, optional
        The cutoff of the noise that suits it, to which runs with data default.
    jacobian : tuple[float, float], optional
        The noise levels (low, high) between which `DPS` takes the gradient through the denoiser; elsewhere it saves
        that time.
    blur : float, optional
        The width of the kernels with which `DPS` adds the data's `surprise` to the energy; 0 without it.
    orientation : str, optional
        "upright" where all its objects stand alike, so that those of data have a pose (see `sample`).
    templates : dpskit.pose.templates.Templates, optional
        By which an unknown pose is found.

    Examples
    --------
    A prior of one's own: every coordinate is standard normal.

    >>> import dpskit
    >>> class Normal:
    ...     def denoise(self, x, t):
    ...         return x / (1 + t[:, None, None] ** 2)
    >>> dpskit.sample(Normal(), None, n_samples=2, n_points=5, progress=False).points.shape
    torch.Size([2, 5, 3])
    """

    def denoise(self, x: Tensor, t: Tensor) -> Tensor:
        """The mean of x0 given x_t = x, for x_t = x0 + t z with z standard normal.

        Parameters
        ----------
        x : Tensor
            Noisy clouds (b, n, d).
        t : Tensor
            (b,), above 0: the noise level of each cloud, so that a formula needs `t[:, None, None]`.

        Returns
        -------
        Tensor
            (b, n, d). With data it has to be differentiable in x.
        """
        ...


def checked_denoise(prior: Prior, x: Tensor, t: Tensor) -> Tensor:
    """`prior.denoise(x, t)`; raises ValueError if that is no tensor of the shape of x, not finite, or has no gradient.

    It is not finite when a run diverges, or where the prior is broken: the coordinates named tell which.
    """
    denoised = prior.denoise(x, t)
    if not isinstance(denoised, Tensor) or denoised.shape != x.shape:
        got = f"one of shape {tuple(denoised.shape)}" if isinstance(denoised, Tensor) else type(denoised).__name__
        raise ValueError(f"prior.denoise must return a tensor of the shape of x, {tuple(x.shape)}, got {got}.")
    if x.requires_grad and not denoised.requires_grad:
        raise ValueError("prior.denoise must be differentiable with respect to x, but its result has no gradient.")
    if not bool(torch.isfinite(denoised).all()):
        got = f"NaN or infinity at t = {float(t.max()):.3g} for coordinates up to {float(x.detach().abs().max()):.3g}"
        raise ValueError(f"prior.denoise must return finite numbers, got {got}; if the run diverges, {REMEDY} helps.")
    return denoised
