"""A likelihood seen from the frame in which a prior's objects stand upright, with the pose that leads to the data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import cast

import torch
from torch import Tensor

from dpskit.likelihoods.observation import changed
from dpskit.likelihoods.protocol import Likelihood, Measurement, n_observed, start, surprise
from dpskit.rotations import rotations_by

RATE = 0.45  # of the Gauss-Newton step
LARGEST = 4.0  # degrees of one step


@dataclass(frozen=True, eq=False)
class Posed(Measurement):
    """The likelihood of upright clouds whose data were taken in other poses: E(x) = base.energy(x R).

    It belongs to one run: its batch is always that of the rotations.

    Parameters
    ----------
    base
        The likelihood of the data, in the data's frame.
    rotations
        (b, 3, 3), one for each sample. They change in place when `refine` is set.
    refine
        Whether each rotation takes a damped Gauss-Newton step down the energy whenever the gradient of the energy is
        taken. That of `log_prob` is not followed.

    Notes
    -----
    Turned further by a small vector w, R exp(w), the energy of y = x R has the gradient sum_i y_i x g_i, where g is its
    gradient in y, and about the second derivative sum_i (|y_i|^2 I - y_i y_i^T) / n, that of E = |y - y*|^2 / (2n). A
    step is 0.45 times that of Newton, at most 4 degrees, and no longer than would bring E to zero if it were so curved.
    """

    base: Likelihood
    rotations: Tensor
    refine: bool = False

    @property
    def n_observed(self) -> float:
        """That of the base."""
        return n_observed(self.base)

    def turned(self, x0: Tensor) -> Tensor:
        """Upright clouds (b, n, 3) in the data's frame."""
        return x0 @ self.rotations.to(x0, copy=True)  # the rotations may change before the gradient is taken

    def energy(self, x0: Tensor) -> Tensor:
        """(b, n, 3) -> (b,)."""
        y = self.turned(x0)
        energy = self.base.energy(y)
        if self.refine and y.requires_grad:
            y.register_hook(partial(self._follow, y.detach(), energy.detach()))
        return energy

    def surprise(self, x0: Tensor, width: float) -> Tensor | float:
        """That of the base, (b,), if it has any. The rotations do not follow it."""
        return surprise(self.base, self.turned(x0), width)

    def log_prob(self, x0: Tensor) -> Tensor:
        """log p(y | x0) of the base, (b,)."""
        return cast(Measurement, self.base).log_prob(self.turned(x0))

    def with_noise(self, variance: float) -> Posed:
        """The same data with `variance` added to that of the noise; the rotations are shared."""
        return changed(self, base=cast(Measurement, self.base).with_noise(variance))

    def simulate(self, x0: Tensor, generator: torch.Generator) -> Posed:
        """New data for one upright cloud x0 (n, 3), in the pose of the first sample."""
        return changed(self, base=cast(Measurement, self.base).simulate(x0 @ self.rotations[0].to(x0), generator))

    def start(self) -> Posed:
        """The same data for one run, the base started; the rotations are shared."""
        return changed(self, base=start(self.base))

    @torch.no_grad()
    def _follow(self, y: Tensor, energy: Tensor, gradient: Tensor) -> None:
        """Turn the rotations down the `gradient` (b, n, 3) of the `energy` (b,) at clouds y = x R."""
        torque = torch.linalg.cross(y, gradient).sum(dim=1)
        squares = y.square().sum(dim=(1, 2))[:, None, None] * torch.eye(3).to(y)
        curvature = (squares - y.mT @ y) / y.shape[1]
        curvature = curvature + 1e-6 * torch.eye(3).to(y)  # points on a line do not turn about it
        step = torch.linalg.solve(curvature, torque)
        decrease = (step * torque).sum(dim=1)
        step = RATE * step * (2 * energy / decrease.clamp_min(1e-20)).clamp_max(1.0).unsqueeze(1)
        length = step.norm(dim=1, keepdim=True).clamp_min(1e-20)
        step = step * (math.radians(LARGEST) / length).clamp_max(1.0)
        step = torch.nan_to_num(step, 0.0, 0.0, 0.0)  # of a run that diverges
        self.rotations.copy_(self.rotations @ rotations_by(-step).to(self.rotations))
