"""Weighted samples, and how they are resampled."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dpskit.checks import check_integer
from dpskit.cloud import as_generator


@dataclass(frozen=True, eq=False)
class Particles:
    """Weighted samples of the posterior.

    Parameters
    ----------
    points : Tensor
        (p, n, d).
    log_weights : Tensor
        (p,), whose exponentials sum to 1.
    ess : Tensor
        (n_steps + 1,): the effective number of particles at each time, before resampling.
    resampled : Tensor
        (n_steps + 1,): where that was done.
    log_evidence : float
        The estimate of log p(y), whose exponential is unbiased for the prior of these steps.
    evaluations : int
        Calls of the denoiser.

    Examples
    --------
    >>> import dpskit, torch
    >>> points, weights = torch.tensor([[[0.0]], [[4.0]]]), torch.tensor([0.75, 0.25])
    >>> particles = dpskit.Particles(points, weights.log(), torch.ones(1), torch.zeros(1), 0.0, 0)
    >>> float(particles.mean), round(float(particles.std), 2)
    (1.0, 1.73)
    """

    points: Tensor
    log_weights: Tensor
    ess: Tensor
    resampled: Tensor
    log_evidence: float
    evaluations: int

    @property
    def mean(self) -> Tensor:
        """(n, d), weighted."""
        return torch.einsum("p,pnd->nd", self.log_weights.exp().to(self.points), self.points)

    @property
    def std(self) -> Tensor:
        """(n, d), weighted, per coordinate."""
        square = (self.points - self.mean).square()
        return torch.einsum("p,pnd->nd", self.log_weights.exp().to(self.points), square).sqrt()

    def resample(self, n_samples: int, seed: int | torch.Generator = 0) -> Tensor:
        """Clouds of equal weight; a particle can occur several times.

        Parameters
        ----------
        n_samples : int
            How many.
        seed : int or Generator
            Of the draw, which is systematic.

        Returns
        -------
        Tensor
            (n_samples, n, d).

        Raises
        ------
        ValueError
            For an n_samples below 1.
        """
        generator = as_generator(seed)
        chosen = systematic(self.log_weights, check_integer("n_samples", n_samples), generator)
        return self.points[chosen[torch.randperm(n_samples, generator=generator)]]


def systematic(log_weights: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Indices (count,), rising: particle i occurs count w_i times, rounded up or down, all by one uniform number."""
    places = (torch.arange(count) + torch.rand((), generator=generator)) / count
    cumulated = log_weights.double().exp().cumsum(0)
    return torch.searchsorted(cumulated / cumulated[-1], places.double()).clamp_max(len(log_weights) - 1)


def effective_number(log_weights: Tensor) -> float:
    """1 / sum w^2 of weights that sum to 1."""
    return float(torch.exp(-torch.logsumexp(2 * log_weights, 0)))
