"""What a likelihood is: it holds the data y and scores a clean cloud; it never knows a noise level of the diffusion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from torch import Tensor

if TYPE_CHECKING:
    from dpskit.transport.assignment import Assignment

WarmStart = dict[Any, "Assignment"]
"""The last assignments of a run, one per observation. It belongs to the run, speeds its next assignments up, and
never changes a result; an empty one starts cold."""


class Likelihood(Protocol):
    """p(y | x0) for one set of observations y."""

    def energy(self, x0: Tensor, warm: WarmStart | None = None) -> Tensor:
        """The misfit of clouds (b, n, 3) -> (b,), differentiable in x0, without a noise level: what `DPS` uses.

        A likelihood without assignments ignores `warm`.
        """
        ...

    def log_prob(self, x0: Tensor, warm: WarmStart | None = None) -> Tensor:
        """log p(y | x0), a density in y, (b,): what `LikelihoodScore` and calibration use. Needs a noise level."""
        ...
