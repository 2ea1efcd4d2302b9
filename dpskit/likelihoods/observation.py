"""One observed point cloud without correspondence, and its matching to model points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dpskit.checks import check_number
from dpskit.likelihoods.protocol import WarmStart
from dpskit.transport.assignment import assign_each


@dataclass(frozen=True, eq=False)
class Observation:
    """Observed points (m, d) and the operator U that brings them to the number of model points.

    U is a function of (seed, m, n): every observed point once, and the other n - m places redrawn at random (balanced:
    every point equally often, up to one); for m > n, n of the m points. It is kept as multiplicities, because the
    matching only needs to know how often a point occurs. Paper: eq. (10) and its footnote.
    """

    points: Tensor
    seed: int = 0
    balanced: bool = False

    def multiplicity(self, n: int) -> Tensor:
        """How many of n model points each observed point takes: (m,) integers that sum to n."""
        m = len(self.points)
        generator = torch.Generator().manual_seed(self.seed)
        every = n // m if self.balanced else min(1, n // m)
        rest = n - every * m
        if self.balanced or every == 0:
            drawn = torch.randperm(m, generator=generator)[:rest]
        else:
            drawn = torch.randint(m, (rest,), generator=generator)
        return every + torch.bincount(drawn, minlength=m)


def matched_energies(
    observations: Sequence[Observation], clouds: Sequence[Tensor], warm: WarmStart | None = None
) -> Tensor:
    """1/2 min_P |P U y_k - x_k|_F^2 / n for K observations y_k of model points x_k (b, n, d_k) -> (b, K).

    The assignments are solved without gradient, all at once; by the envelope theorem the gradient of the minimum is
    that of the matched distances. Paper: eqs. (10) and (12), over 2n.
    """
    pairs = list(zip(observations, clouds, strict=True))
    starts = {} if warm is None else warm
    found = assign_each([(x, seen.points, seen.multiplicity(x.shape[1]), starts.get(seen)) for seen, x in pairs])
    if warm is not None:
        warm.update(zip(observations, found, strict=True))
    matched = (x - seen.points.to(x)[best.index] for (seen, x), best in zip(pairs, found, strict=True))
    return torch.stack([half_mean_square(difference) for difference in matched], dim=1)


def half_mean_square(difference: Tensor) -> Tensor:
    """Half the mean over points of the squared length of `difference` (b, n, d) -> (b,)."""
    return difference.square().sum(dim=2).mean(dim=1) / 2


def gaussian_log_prob(energies: Tensor, sizes: Sequence[int], dim: int, sigma: float | None) -> Tensor:
    """log density of k observations of sizes[k] points with noise sigma, from their energies (b, k) -> (b,).

    Every observed point carries independent Gaussian noise in each of its `dim` coordinates. The best matching stands
    for the sum over all of them, as in the paper.
    """
    sigma = check_given(sigma)
    count = energies.new_tensor(sizes)
    return -(energies @ count) / sigma**2 - dim * float(count.sum()) * math.log(2 * math.pi * sigma**2) / 2


def check_sigma(sigma: float | None) -> None:
    """Raise ValueError unless sigma is None or a finite number above 0."""
    if sigma is not None:
        check_number("sigma", sigma, above=0.0)


def check_given(sigma: float | None) -> float:
    """Return sigma, or raise ValueError if it is None."""
    if sigma is None:
        raise ValueError("sigma, the noise of the observation, must be given for log_prob and simulate; got None.")
    return sigma


def noisy(points: Tensor, sigma: float | None, generator: torch.Generator) -> Tensor:
    """`points` with Gaussian noise of standard deviation sigma (None: as they are)."""
    return points if sigma is None else points + sigma * torch.randn(points.shape, generator=generator)
