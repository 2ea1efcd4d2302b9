"""What a prior is: anything that can denoise."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Prior(Protocol):
    """p(x0), known through its denoiser. Bring your own: any object with this method is a prior."""

    def denoise(self, x: Tensor, t: Tensor) -> Tensor:
        """E[x0 | x_t = x] for x_t = x0 + t z, z standard normal: x (b, n, d), t (b,) > 0 -> (b, n, d).

        Must be differentiable with respect to x when it is used with guidance.
        """
        ...
