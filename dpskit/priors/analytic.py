"""Priors whose denoiser is known in closed form: for tests, lessons and honest baselines. Any (n, d), also (1, 1)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dpskit.checks import check_array, check_integer, check_number, check_points
from dpskit.cloud import as_generator


@dataclass(frozen=True, eq=False)
class GaussianPrior:
    """x0 ~ N(mean, std^2), with independent coordinates.

    Parameters
    ----------
    mean, std
        Numbers or tensors that broadcast to the cloud (n, d).

    Notes
    -----
    D(x, t) = (std^2 x + t^2 mean) / (std^2 + t^2).

    Examples
    --------
    >>> import dpskit, torch
    >>> dpskit.GaussianPrior(0.0, 1.0).denoise(torch.full((1, 1, 1), 2.0), torch.ones(1))
    tensor([[[1.]]])
    """

    mean: Tensor | float
    std: Tensor | float

    def __post_init__(self) -> None:
        mean = check_array("mean", self.mean, "() or (n, d)").float()
        if not bool(torch.isfinite(mean).all()):
            raise ValueError(f"mean must be finite, got {mean.tolist()}.")
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "std", _positive("std", self.std))

    @property
    def shape(self) -> tuple[int | None, int | None]:
        """(n, d) of its clouds, None where mean and std hold for any number; (1, 1): one number."""
        own = torch.broadcast_shapes((1, 1), self.mean.shape, self.std.shape)[-2:]
        if own == (1, 1) and max(self.mean.ndim, self.std.ndim) == 2:
            return 1, 1
        n, d = (None if size == 1 else size for size in own)
        return n, d

    @property
    def scale(self) -> float:
        """The root mean square of the coordinates of its clouds."""
        return float((self.mean.square() + self.std.square()).mean().sqrt())

    def denoise(self, x: Tensor, t: Tensor) -> Tensor:
        """(std^2 x + t^2 mean) / (std^2 + t^2)."""
        prior, noise = self.std.to(x).square(), t[:, None, None].square()
        return (prior * x + noise * self.mean.to(x)) / (prior + noise)

    def sample(self, n_samples: int, n_points: int, dim: int = 3, seed: int | torch.Generator = 0) -> Tensor:
        """Exact draws.

        Parameters
        ----------
        n_samples, n_points, dim : int
            Number of clouds, of points in each, and of their coordinates.
        seed : int or Generator
            Of the draws.

        Returns
        -------
        Tensor
            (n_samples, n_points, dim).

        Raises
        ------
        ValueError
            For numbers below 1.
        """
        shape = (check_integer("n_samples", n_samples), check_integer("n_points", n_points), check_integer("dim", dim))
        return self.mean + self.std * torch.randn(shape, generator=as_generator(seed))


@dataclass(frozen=True, eq=False)
class GaussianMixturePrior:
    """x0 ~ sum_k weights_k N(means_k, stds_k^2): a mixture of whole clouds.

    Parameters
    ----------
    weights
        (k,), positive; normalised here.
    means
        (k, n, d).
    stds
        (k,).

    Notes
    -----
    D(x, t) is the mean of the components' denoised clouds, weighted by their posterior probabilities given x.

    Examples
    --------
    Between two clouds of one number, -1 and 1, without a reason to prefer either:

    >>> import dpskit, torch
    >>> prior = dpskit.GaussianMixturePrior([0.5, 0.5], torch.tensor([[[-1.0]], [[1.0]]]), [0.1, 0.1])
    >>> prior.denoise(torch.zeros(1, 1, 1), torch.ones(1)).abs()
    tensor([[[0.]]])
    """

    weights: Tensor
    means: Tensor
    stds: Tensor

    def __post_init__(self) -> None:
        weights = _positive("weights", self.weights)
        means = check_points("means", self.means, dim=None, batched=True)
        stds = _positive("stds", self.stds)
        if weights.shape != (len(means),) or stds.shape != (len(means),):
            raise ValueError(
                f"weights and stds must have shape ({len(means)},), one value for each of the means, "
                f"got {tuple(weights.shape)} and {tuple(stds.shape)}."
            )
        object.__setattr__(self, "weights", weights / weights.sum())
        object.__setattr__(self, "means", means)
        object.__setattr__(self, "stds", stds)

    @property
    def shape(self) -> tuple[int, int]:
        """(n, d) of its clouds."""
        n, d = self.means.shape[1:]
        return n, d

    @property
    def scale(self) -> float:
        """The root mean square of the coordinates of its clouds."""
        return float((self.weights * (self.means.square().mean(dim=(1, 2)) + self.stds.square())).sum().sqrt())

    def denoise(self, x: Tensor, t: Tensor) -> Tensor:
        """Each component's denoised cloud, averaged with the components' posterior probabilities given x."""
        means, weights = self.means.to(x), self.weights.to(x)
        prior = self.stds.to(x).square()[None, :, None, None]
        noise = t[:, None, None, None].square()
        total = prior + noise
        offset = x.unsqueeze(1) - means
        log_density = -(offset.square() / total + total.log()).sum(dim=(2, 3)) / 2
        probability = torch.softmax(weights.log() + log_density, dim=1)
        denoised = means + prior / total * offset
        return (probability[:, :, None, None] * denoised).sum(dim=1)

    def sample(self, n_samples: int, seed: int | torch.Generator = 0) -> Tensor:
        """Exact draws.

        Parameters
        ----------
        n_samples : int
            How many clouds.
        seed : int or Generator
            Of the draws.

        Returns
        -------
        Tensor
            (n_samples, n, d).

        Raises
        ------
        ValueError
            For an n_samples below 1.
        """
        n_samples, generator = check_integer("n_samples", n_samples), as_generator(seed)
        k = torch.multinomial(self.weights, n_samples, replacement=True, generator=generator)
        noise = torch.randn(n_samples, *self.means.shape[1:], generator=generator)
        return self.means[k] + self.stds[k, None, None] * noise


@dataclass(frozen=True, eq=False)
class PointMixturePrior:
    """Independent points, each drawn from a kernel density.

    Parameters
    ----------
    points
        (m, d): the centres of the kernels.
    bandwidth
        Their standard deviation.

    Examples
    --------
    >>> import dpskit
    >>> prior = dpskit.PointMixturePrior(dpskit.load_example("chair").points, bandwidth=0.02)
    >>> prior.sample(2, n_points=100).shape
    torch.Size([2, 100, 3])
    """

    points: Tensor
    bandwidth: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "points", check_points("points", self.points, dim=None))
        object.__setattr__(self, "bandwidth", check_number("bandwidth", self.bandwidth, above=0.0))

    @property
    def shape(self) -> tuple[None, int]:
        """(None, d): clouds of any number of points."""
        return None, self.points.shape[1]

    @property
    def scale(self) -> float:
        """The root mean square of the coordinates of its clouds."""
        return float((self.points.square().mean() + self.bandwidth**2).sqrt())

    def denoise(self, x: Tensor, t: Tensor) -> Tensor:
        """For each point, the centres weighted by their responsibility, each shrunk towards x by the bandwidth."""
        points, prior, noise = self.points.to(x), self.bandwidth**2, t[:, None, None].square()
        # |p|^2 - 2 x.p: the part of the squared distance that depends on the centre p.
        closeness = 2 * x @ points.T - points.square().sum(dim=1)
        responsibility = torch.softmax(closeness / (2 * (prior + noise)), dim=2)
        return (prior * x + noise * (responsibility @ points)) / (prior + noise)

    def sample(self, n_samples: int, n_points: int, seed: int | torch.Generator = 0) -> Tensor:
        """Exact draws.

        Parameters
        ----------
        n_samples, n_points : int
            Number of clouds, and of points in each.
        seed : int or Generator
            Of the draws.

        Returns
        -------
        Tensor
            (n_samples, n_points, d).

        Raises
        ------
        ValueError
            For numbers below 1.
        """
        shape = (check_integer("n_samples", n_samples), check_integer("n_points", n_points))
        generator = as_generator(seed)
        rows = torch.randint(len(self.points), shape, generator=generator)
        noise = torch.randn(*shape, self.points.shape[1], generator=generator)
        return self.points[rows] + self.bandwidth * noise


def _positive(name: str, value: Tensor | float) -> Tensor:
    value = check_array(name, value, "() or (k,)").float()
    if value.numel() == 0:
        raise ValueError(f"{name} must be a number above 0, or several, got none.")
    if not bool((torch.isfinite(value) & (value > 0)).all()):
        raise ValueError(f"{name} must be finite and above 0, got {value.tolist()}.")
    return value
