"""A few points in unknown order, where the likelihood can be summed over all permutations."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from dpskit.checks import check_array, check_points
from dpskit.exact.linear_gaussian import LinearGaussian
from dpskit.likelihoods.observation import check_given, check_sigma
from dpskit.likelihoods.protocol import Measurement
from dpskit.priors.full_mixture import FullGaussianMixture
from dpskit.priors.protocol import Prior

LARGEST = 7  # points: 5,040 permutations


@dataclass(frozen=True, eq=False)
class UnknownOrder(Measurement):
    """A few points in unknown order: the likelihood that is summed over all permutations.

    Parameters
    ----------
    points
        (n, e), n at most 7: what was observed.
    sigma
        Noise per coordinate.
    matrix
        (d, e): what is seen of a point (None: all of it; two columns of a rotation: its projection).
    marginal
        True: `log_prob` is the true one, summed over P. False: the best P stands for the sum, as in the paper (eq. 10),
        which is not a density.

    Notes
    -----
    y_i = x_{P(i)} M + sigma z for an unknown permutation P, all n! of them equally probable.

    Examples
    --------
    Two numbers were seen as 0 and 1; which is which nobody knows, and so the posterior mean of both is in the middle.

    >>> import dpskit
    >>> data = dpskit.UnknownOrder([[0.0], [1.0]], sigma=0.1)
    >>> data.posterior(dpskit.GaussianPrior(0.0, 10.0)).mean.flatten().numpy().round(2)
    array([0.5, 0.5])
    """

    points: Tensor
    sigma: float | None
    matrix: Tensor | None = None
    marginal: bool = True
    permutations: Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        points = check_points("points", self.points, dim=None)
        if len(points) > LARGEST:
            raise ValueError(f"points must be at most {LARGEST}, as their permutations are summed, got {len(points)}.")
        check_sigma(self.sigma)
        if self.matrix is not None:
            matrix = check_points("matrix", check_array("matrix", self.matrix, "(d, e)"), dim=points.shape[1])
            object.__setattr__(self, "matrix", matrix)
        object.__setattr__(self, "points", points)
        orders = torch.tensor(list(itertools.permutations(range(len(points)))))
        object.__setattr__(self, "permutations", orders)

    @property
    def dim(self) -> int:
        """Coordinates of a point of the cloud, d."""
        return self.points.shape[1] if self.matrix is None else len(self.matrix)

    @property
    def shape(self) -> tuple[int, int]:
        """(n, d) of the clouds."""
        return len(self.points), self.dim

    def squares(self, x0: Tensor) -> Tensor:
        """|P y - x M|^2 for every permutation.

        Parameters
        ----------
        x0 : Tensor
            (b, n, d).

        Returns
        -------
        Tensor
            (b, n!).

        Raises
        ------
        ValueError
            For clouds of another shape.
        """
        n = len(self.points)
        seen = x0 if self.matrix is None else x0 @ self.matrix.to(x0)
        if seen.ndim != 3 or seen.shape[1:] != self.points.shape:
            raise ValueError(f"x0 must be clouds of the {n} observed points, got {tuple(x0.shape)}.")
        square = (seen.unsqueeze(1) - self.points.to(x0).unsqueeze(1)).square().sum(dim=3)  # (b, y, x)
        return square[:, torch.arange(n), self.permutations].sum(dim=2)

    def energy(self, x0: Tensor) -> Tensor:
        """1/2 min_P |P y - x M|^2 / n, (b, n, d) -> (b,). Paper: eqs. (10) and (12), over 2n."""
        return self.squares(x0).amin(dim=1) / (2 * len(self.points))

    def log_prob(self, x0: Tensor) -> Tensor:
        """log p(y | x0), (b, n, d) -> (b,): of 1/n! sum_P N(y; P x M, sigma^2), or of its largest term times n!."""
        sigma = check_given(self.sigma)
        exponents = -self.squares(x0) / (2 * sigma**2)
        norm = self.points.numel() * math.log(2 * math.pi * sigma**2) / 2
        if not self.marginal:
            return exponents.amax(dim=1) - norm
        return torch.logsumexp(exponents, dim=1) - math.log(len(self.permutations)) - norm

    def simulate(self, x0: Tensor, generator: torch.Generator) -> UnknownOrder:
        """New data for one cloud x0 (n, d): its points in random order, with noise."""
        seen = check_points("x0", x0, dim=None)
        seen = seen if self.matrix is None else seen @ self.matrix.to(seen)
        seen = seen[torch.randperm(len(seen), generator=generator)]
        noise = torch.randn(seen.shape, generator=generator, dtype=seen.dtype)
        return UnknownOrder(seen + check_given(self.sigma) * noise, self.sigma, self.matrix, self.marginal)

    def posterior(self, prior: Prior) -> FullGaussianMixture:
        """The exact p(x0 | y) with the sum over permutations: `LinearGaussian.posterior` of each, by its evidence.

        Parameters
        ----------
        prior
            As for `LinearGaussian.posterior`.

        Returns
        -------
        FullGaussianMixture
            Of n! times as many components as the prior.
        """
        parts, log_evidence = zip(*[data.condition(prior, self.dim) for data in self._ordered()], strict=True)
        share = torch.softmax(torch.tensor(log_evidence, dtype=torch.float64), 0)
        weights = torch.cat([part.weights * s for part, s in zip(parts, share, strict=True)])
        means, covariances = (torch.cat([getattr(p, name) for p in parts]) for name in ("means", "covariances"))
        return FullGaussianMixture(weights, means, covariances)

    def log_evidence(self, prior: Prior) -> float:
        """log p(y), exact.

        Parameters
        ----------
        prior
            As for `LinearGaussian.posterior`.

        Returns
        -------
        float
            Of the density of y.
        """
        terms = torch.tensor([data.log_evidence(prior, self.dim) for data in self._ordered()], dtype=torch.float64)
        return float(torch.logsumexp(terms, 0)) - math.log(len(terms))

    def _ordered(self) -> list[LinearGaussian]:
        """The linear problem of every permutation."""
        block = torch.eye(self.dim) if self.matrix is None else self.matrix.T
        rows = torch.eye(len(self.points)).to(block)
        y, sigma = self.points.flatten(), check_given(self.sigma)
        return [LinearGaussian(torch.kron(rows[order], block.contiguous()), y, sigma) for order in self.permutations]
