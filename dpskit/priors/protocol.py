"""What a prior is: anything that can denoise."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

REMEDY = "a lower alpha, more steps, or noise until a smaller t (the cutoff)"
"""What helps when a guided run diverges."""


class Prior(Protocol):
    """p(x0), known through its denoiser. Bring your own: any object with this method is a prior.

    Some attributes are optional. `shape`: (n, d) of its clouds, which runs then default to, with None for a number that
    is free. `scale`: the root mean square of the coordinates of its clouds, which the noise has to exceed where a run
    starts; it is measured where it is missing. `alpha` and `cutoff`: the pull of `DPS` and the cutoff of the noise that
    suit it, which runs with data then default to.
    """

    def denoise(self, x: Tensor, t: Tensor) -> Tensor:
        """E[x0 | x_t = x] for x_t = x0 + t z, z standard normal: x (b, n, d), t (b,) > 0 -> (b, n, d).

        Must be differentiable with respect to x when it is used with guidance. Each cloud has its own t, so a formula
        needs `t[:, None, None]`.
        """
        ...


def denoise(prior: Prior, x: Tensor, t: Tensor) -> Tensor:
    """`prior.denoise(x, t)`; raises ValueError if that is no tensor of the shape of x, not finite, or has no gradient.

    It is not finite when a run diverges, or where the prior is broken: the coordinates named tell which.
    """
    found = prior.denoise(x, t)
    if not isinstance(found, Tensor) or found.shape != x.shape:
        got = f"one of shape {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
        raise ValueError(f"prior.denoise must return a tensor of the shape of x, {tuple(x.shape)}, got {got}.")
    if x.requires_grad and not found.requires_grad:
        raise ValueError("prior.denoise must be differentiable with respect to x, but its result has no gradient.")
    if not bool(torch.isfinite(found).all()):
        got = f"NaN or infinity at t = {float(t.max()):.3g} for coordinates up to {float(x.detach().abs().max()):.3g}"
        raise ValueError(f"prior.denoise must return finite numbers, got {got}; if the run diverges, {REMEDY} helps.")
    return found
