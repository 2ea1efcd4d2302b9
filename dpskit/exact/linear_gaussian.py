"""Linear measurements with Gaussian noise: the likelihood whose posterior is known."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from dpskit.checks import check_array, check_integer, check_number, check_points
from dpskit.likelihoods.protocol import Measurement
from dpskit.priors.full_mixture import FullGaussianMixture
from dpskit.priors.protocol import Prior


@dataclass(frozen=True, eq=False)
class LinearGaussian(Measurement):
    """Linear measurements with Gaussian noise: the likelihood whose posterior is known.

    Parameters
    ----------
    A
        (m, n d): acts on the cloud flattened row by row.
    y
        (m,): what was measured.
    sigma
        Standard deviation of the noise.

    Raises
    ------
    ValueError
        For wrong shapes, NaN, and sigma that is not above 0.

    Notes
    -----
    y = A vec(x0) + sigma z, z standard normal. E = 1/2 |A vec(x0) - y|^2 / n: for points seen one by one and known by
    number it is the E of `CoarseGrained`.

    Examples
    --------
    One number with a standard normal prior, measured as 1 with noise 0.5: the posterior is N(0.8, 0.2).

    >>> import dpskit, torch
    >>> data = dpskit.LinearGaussian(torch.eye(1), torch.ones(1), 0.5)
    >>> posterior = data.posterior(dpskit.GaussianPrior(0.0, 1.0))
    >>> round(float(posterior.mean), 3), round(float(posterior.std) ** 2, 3)
    (0.8, 0.2)
    """

    A: Tensor
    y: Tensor
    sigma: float

    def __post_init__(self) -> None:
        matrix = check_points("A", self.A, dim=None)
        y = check_array("y", self.y, "(m,)").to(matrix)
        if y.shape != (len(matrix),) or not bool(torch.isfinite(y).all()):
            raise ValueError(f"y must be {len(matrix)} finite numbers, one for each row of A, got {y.tolist()}.")
        object.__setattr__(self, "A", matrix)
        object.__setattr__(self, "y", y)
        object.__setattr__(self, "sigma", check_number("sigma", self.sigma, above=0.0))

    @property
    def shape(self) -> tuple[int, int]:
        """(n, d) of the clouds: d is 3 if the columns of A are a multiple of 3, else they are one point."""
        size = self.A.shape[1]
        return (size // 3, 3) if size % 3 == 0 else (1, size)

    def residual(self, x0: Tensor) -> Tensor:
        """y - A vec(x0).

        Parameters
        ----------
        x0 : Tensor
            (b, n, d).

        Returns
        -------
        Tensor
            (b, m).

        Raises
        ------
        ValueError
            For clouds that A does not fit.
        """
        if x0.ndim != 3 or x0[0].numel() != self.A.shape[1]:
            raise ValueError(
                f"x0 must be clouds of n d = {self.A.shape[1]} numbers, the columns of A, got {tuple(x0.shape)}."
            )
        return self.y.to(x0) - x0.flatten(1) @ self.A.to(x0).T

    def energy(self, x0: Tensor) -> Tensor:
        """(b, n, d) -> (b,)."""
        return self.residual(x0).square().sum(dim=1) / (2 * x0.shape[1])

    def log_prob(self, x0: Tensor) -> Tensor:
        """log N(y; A vec(x0), sigma^2), (b, n, d) -> (b,)."""
        square = self.residual(x0).square().sum(dim=1)
        return -square / (2 * self.sigma**2) - len(self.y) * math.log(2 * math.pi * self.sigma**2) / 2

    def simulate(self, x0: Tensor, generator: torch.Generator) -> LinearGaussian:
        """New data for one cloud x0 (n, d)."""
        clean = self.A @ check_points("x0", x0, dim=None).flatten().to(self.A)
        noise = torch.randn(clean.shape, generator=generator, dtype=clean.dtype)
        return LinearGaussian(self.A, clean + self.sigma * noise, self.sigma)

    def posterior(self, prior: Prior, dim: int | None = None) -> FullGaussianMixture:
        """The exact p(x0 | y) for a prior in closed form: each Gaussian is conditioned, and weighted by its evidence.

        Parameters
        ----------
        prior
            GaussianPrior, GaussianMixturePrior, PointMixturePrior of few points, or FullGaussianMixture.
        dim : int, optional
            Coordinates per point, for a GaussianPrior of one number, which does not know them (default: 3 if the
            columns of A are a multiple of 3, else they are one point).

        Returns
        -------
        FullGaussianMixture
            The posterior, itself a prior in closed form.

        Raises
        ------
        TypeError, ValueError
            For another prior, as `FullGaussianMixture.of`.
        """
        return self.condition(prior, dim)[0]

    def log_evidence(self, prior: Prior, dim: int | None = None) -> float:
        """log p(y), exact.

        Parameters
        ----------
        prior, dim
            As for `posterior`.

        Returns
        -------
        float
            Of the density of y.
        """
        return self.condition(prior, dim)[1]

    def condition(self, prior: Prior, dim: int | None = None) -> tuple[FullGaussianMixture, float]:
        """`posterior` and `log_evidence` together.

        Parameters
        ----------
        prior, dim
            As for `posterior`.

        Returns
        -------
        tuple[FullGaussianMixture, float]
            Both.
        """
        mixture = FullGaussianMixture.of(prior, *_cloud_shape(prior, self, dim))
        matrix, y = self.A.double(), self.y.double()
        cross = mixture.covariances @ matrix.T  # C A^T
        total = matrix @ cross + self.sigma**2 * torch.eye(len(y), dtype=torch.float64)
        residual = y - mixture.means.flatten(1) @ matrix.T
        evidence = torch.distributions.MultivariateNormal(torch.zeros_like(y), total)
        log_joint = mixture.weights.log() + evidence.log_prob(residual)
        gain = torch.linalg.solve(total, cross.mT).mT
        means = mixture.means + torch.einsum("kij,kj->ki", gain, residual).view_as(mixture.means)
        covariances = mixture.covariances - gain @ cross.mT
        posterior = FullGaussianMixture(torch.softmax(log_joint, 0), means, (covariances + covariances.mT) / 2)
        return posterior, float(torch.logsumexp(log_joint, 0))


def _cloud_shape(prior: Prior, data: LinearGaussian, dim: int | None) -> tuple[int, int]:
    """(n, d) of the clouds that A acts on."""
    size = data.A.shape[1]
    dim = dim if dim is not None else getattr(prior, "shape", (None, None))[1] or data.shape[1]
    if size % check_integer("dim", dim):
        raise ValueError(f"dim must divide the {size} columns of A, got {dim}.")
    return size // dim, dim
