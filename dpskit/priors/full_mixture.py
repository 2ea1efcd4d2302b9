"""Mixtures of Gaussians with full covariances over whole clouds: what the exact posteriors of linear problems are."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import torch
from torch import Tensor

from dpskit.checks import check_array, check_integer, check_points
from dpskit.cloud import as_generator
from dpskit.priors.analytic import GaussianMixturePrior, GaussianPrior, PointMixturePrior
from dpskit.priors.protocol import Prior

LARGEST = 10_000  # components


@dataclass(frozen=True, eq=False)
class FullGaussianMixture:
    """p(x0) = sum_k weights_k N(vec x0; vec means_k, covariances_k), in double precision.

    Parameters
    ----------
    weights
        (k,), at least 0; normalised here.
    means
        (k, n, d).
    covariances
        (k, n d, n d), symmetric and positive semidefinite, on the cloud flattened row by row.

    Raises
    ------
    ValueError
        For other shapes or covariances.

    Notes
    -----
    It is a prior too: `denoise` is in closed form, so that `sample(posterior, None)` shows the error of a solver alone.

    Examples
    --------
    >>> import dpskit, torch
    >>> data = dpskit.LinearGaussian(torch.tensor([[1.0, 1.0]]), torch.ones(1), sigma=0.5)
    >>> posterior = data.posterior(dpskit.GaussianPrior(0.0, 1.0), dim=1)
    >>> posterior.shape, posterior.mean.flatten(), posterior.covariance[0, 1] < 0
    ((2, 1), tensor([0.4444, 0.4444], dtype=torch.float64), tensor(True))
    """

    weights: Tensor
    means: Tensor
    covariances: Tensor
    eigenvalues: Tensor = field(init=False, repr=False)
    eigenvectors: Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        means = check_points("means", self.means, dim=None, batched=True).double()
        weights = check_array("weights", self.weights, "(k,)").double()
        covariances = check_array("covariances", self.covariances, "(k, n d, n d)").double()
        k, size = len(means), means[0].numel()
        if weights.shape != (k,) or covariances.shape != (k, size, size):
            raise ValueError(
                f"weights and covariances must have shapes ({k},) and ({k}, {size}, {size}) for these means, "
                f"got {tuple(weights.shape)} and {tuple(covariances.shape)}."
            )
        if not bool((torch.isfinite(weights) & (weights >= 0)).all()) or float(weights.sum()) == 0:
            raise ValueError(f"weights must be at least 0 and not all 0, got {weights.tolist()}.")
        asymmetry = (covariances - covariances.mT).abs().amax()
        if not asymmetry <= 1e-6 * covariances.abs().amax():
            raise ValueError(f"covariances must be symmetric, but differ from their transposes by {asymmetry:.3g}.")
        values, vectors = torch.linalg.eigh((covariances + covariances.mT) / 2)
        if not values.min() >= -1e-6 * values.max():
            raise ValueError(f"covariances must be positive semidefinite, got the eigenvalue {values.min():.3g}.")
        object.__setattr__(self, "weights", weights / weights.sum())
        object.__setattr__(self, "means", means)
        object.__setattr__(self, "covariances", covariances)
        object.__setattr__(self, "eigenvalues", values.clamp_min(0))
        object.__setattr__(self, "eigenvectors", vectors)

    @staticmethod
    def of(prior: Prior, n_points: int, dim: int) -> FullGaussianMixture:
        """A prior in closed form on clouds (n, d), written as such a mixture; i.i.d. points give m^n components.

        Parameters
        ----------
        prior
            GaussianPrior, GaussianMixturePrior, PointMixturePrior of few points, or FullGaussianMixture.
        n_points, dim : int
            Points of a cloud, and their coordinates.

        Returns
        -------
        FullGaussianMixture
            The same density.

        Raises
        ------
        TypeError
            For another prior.
        ValueError
            For one of other clouds, or of more than 10,000 components.
        """
        n, d = n_points, dim
        if isinstance(prior, GaussianPrior):
            means, variances = torch.broadcast_tensors(prior.mean, prior.std.square())
            pairs = zip(reversed(means.shape), (d, n, 1), strict=False)
            if means.ndim <= 2 and all(size in (1, wanted) for size, wanted in pairs):
                means, variances = means.expand(1, n, d), variances.expand(1, n, d)
            weights = torch.ones(1)
        elif isinstance(prior, GaussianMixturePrior):
            weights, means = prior.weights, prior.means
            variances = prior.stds.square()[:, None, None].expand_as(means)
        elif isinstance(prior, PointMixturePrior):
            m = len(prior.points)
            if m**n > LARGEST:
                raise ValueError(f"prior must have at most {LARGEST} components, got {m}^{n} of {n} i.i.d. points.")
            means = prior.points[torch.tensor(list(itertools.product(range(m), repeat=n)))]
            weights, variances = torch.ones(len(means)), torch.full_like(means, prior.bandwidth**2)
        elif isinstance(prior, FullGaussianMixture):
            weights, means, variances = prior.weights, prior.means, None
        else:
            raise TypeError(
                "prior must be a GaussianPrior, GaussianMixturePrior, PointMixturePrior or FullGaussianMixture, "
                f"got {type(prior).__name__}."
            )
        if means.shape[1:] != (n, d):
            raise ValueError(f"prior must be one of clouds ({n}, {d}), got a mean of shape {tuple(means.shape)}.")
        if isinstance(prior, FullGaussianMixture):
            return prior
        return FullGaussianMixture(weights, means, variances.flatten(1).diag_embed())

    @property
    def shape(self) -> tuple[int, int]:
        """(n, d) of its clouds."""
        n, d = self.means.shape[1:]
        return n, d

    @property
    def scale(self) -> float:
        """The root mean square of the coordinates of its clouds."""
        return float((self.mean.square() + self.std.square()).mean().sqrt())

    @property
    def mean(self) -> Tensor:
        """(n, d)."""
        return torch.einsum("k,knd->nd", self.weights, self.means)

    @property
    def covariance(self) -> Tensor:
        """Covariance of the flattened cloud, (n d, n d), within and between the components."""
        offset = (self.means - self.mean).flatten(1)
        within = torch.einsum("k,kij->ij", self.weights, self.covariances)
        return within + torch.einsum("k,ki,kj->ij", self.weights, offset, offset)

    @property
    def std(self) -> Tensor:
        """Standard deviation per coordinate, (n, d)."""
        return self.covariance.diagonal().sqrt().reshape(self.mean.shape)

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) of clouds (b, n, d) -> (b,)."""
        return torch.logsumexp(self._log_joint(x.double(), x.new_zeros(len(x), dtype=torch.float64))[0], dim=1)

    def denoise(self, x: Tensor, t: Tensor) -> Tensor:
        """Each component's m + C (C + t^2)^-1 (x - m), averaged with its posterior probability given x."""
        log_joint, rotated = self._log_joint(x, t)
        values, vectors = self.eigenvalues.to(x), self.eigenvectors.to(x)
        shrunk = values / (values + t.square()[:, None, None]) * rotated
        denoised = self.means.to(x).flatten(1) + torch.einsum("kij,bkj->bki", vectors, shrunk)
        return (torch.softmax(log_joint, dim=1).unsqueeze(2) * denoised).sum(dim=1).view_as(x)

    def sample(self, n_samples: int, seed: int | torch.Generator = 0) -> Tensor:
        """Exact draws.

        Parameters
        ----------
        n_samples : int
            How many.
        seed : int or Generator
            Of the draws.

        Returns
        -------
        Tensor
            (n_samples, n, d), in single precision as those of other priors.

        Raises
        ------
        ValueError
            For an n_samples below 1.
        """
        n_samples, generator = check_integer("n_samples", n_samples), as_generator(seed)
        k = torch.multinomial(self.weights, n_samples, replacement=True, generator=generator)
        normal = torch.randn(n_samples, self.means[0].numel(), generator=generator, dtype=torch.float64)
        offset = torch.einsum("sij,sj->si", self.eigenvectors[k], self.eigenvalues[k].sqrt() * normal)
        return (self.means[k] + offset.view(n_samples, *self.means.shape[1:])).float()

    def _log_joint(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """log of weight_k N(x; m_k, C_k + t^2), (b, k), and x - m_k in the eigenbasis of C_k, (b, k, n d)."""
        values, vectors = self.eigenvalues.to(x), self.eigenvectors.to(x)
        offset = x.flatten(1).unsqueeze(1) - self.means.to(x).flatten(1)
        rotated = torch.einsum("kij,bki->bkj", vectors, offset)
        total = values + t.square()[:, None, None]
        log_normal = -(rotated.square() / total + (2 * torch.pi * total).log()).sum(dim=2) / 2
        return self.weights.to(x).log() + log_normal, rotated
