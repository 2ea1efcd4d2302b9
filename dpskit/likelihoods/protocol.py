"""The likelihood protocol: it holds the data y and scores clean clouds, without a noise level of the diffusion."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, Self

import torch
from torch import Tensor

from dpskit.checks import check_method, check_number
from dpskit.likelihoods.observation import with_noise

SOME = 1000  # observed points, where nobody says how many
USUAL_POINTS = 1024  # of a cloud, where nobody says how many, and for which alpha is quoted


class Likelihood(Protocol):
    """p(y | x0) for one set of observations y. Any object with the method `energy` is a likelihood.

    The methods of `Measurement` are optional, and needed only where they are used. An attribute `shape`, if there is
    one, is the (n, d) of the clouds, to which runs default; `n_observed` is the number of points that were observed, by
    which the pull of `DPS` grows.

    Examples
    --------
    A likelihood of one's own: the centre of the cloud was measured.

    >>> import dpskit, torch
    >>> class Centre:
    ...     def energy(self, x0):
    ...         return (x0.mean(dim=1) - torch.tensor([0.3, 0.0, 0.0])).square().sum(dim=1) / 2
    >>> samples = dpskit.sample(dpskit.GaussianPrior(0.0, 0.4), Centre(), n_samples=4, n_points=50, progress=False)
    >>> samples.points.mean(dim=(0, 1)).round(decimals=1).abs()
    tensor([0.3000, 0.0000, 0.0000])
    """

    def energy(self, x0: Tensor) -> Tensor:
        """The misfit E of clean clouds to the data, without a noise level: what `DPS` uses.

        Parameters
        ----------
        x0 : Tensor
            Clouds (b, n, d).

        Returns
        -------
        Tensor
            (b,), at least 0 and differentiable in x0.
        """
        ...


class Measurement(Likelihood, Protocol):
    """A likelihood with a noise level, which makes it a density in y. All of the package's own are of this kind.

    Examples
    --------
    >>> import dpskit
    >>> data = dpskit.CoarseGrained([[0.3, 0.0, 0.0]], sigma=0.1)
    >>> noisier = data.with_noise(0.03)
    >>> noisier.sigma, noisier.points.shape
    (0.2, torch.Size([1, 3]))
    """

    @property
    def n_observed(self) -> float:
        """How many observed points the data are worth: the default pull of `DPS` grows with it."""
        return SOME

    def energies(self, x0: Tensor) -> Tensor:
        """The energy of every observation, such as each of several projections, for reports of the fit.

        Parameters
        ----------
        x0 : Tensor
            Clouds (b, n, d).

        Returns
        -------
        Tensor
            (b, k), without weights. Of a single observation: the energy as the only column.
        """
        return self.energy(x0).unsqueeze(1)

    def surprise(self, x0: Tensor, width: float) -> Tensor | float:
        """How unexpected the data are under the density of the cloud: what `DPS(blur=width)` adds to the energy.

        Parameters
        ----------
        x0 : Tensor
            Clouds (b, n, d).
        width : float
            Of the kernels with which the density is estimated, in units of the cube.

        Returns
        -------
        Tensor or float
            (b,), at least 0 and differentiable in x0; 0.0 where the data are no sample of a density.
        """
        return 0.0

    def log_prob(self, x0: Tensor) -> Tensor:
        """log p(y | x0): used by `LikelihoodScore`, `twisted_smc` and calibration.

        Parameters
        ----------
        x0 : Tensor
            Clouds (b, n, d).

        Returns
        -------
        Tensor
            (b,), differentiable in x0.

        Raises
        ------
        ValueError
            Without a noise level, for those that can do without one.
        """
        ...

    def with_noise(self, variance: float) -> Self:
        """The same data with more noise: used by `LikelihoodScore(prior_std)`. In a run it shares what the run keeps.

        Parameters
        ----------
        variance : float
            What is added to that of the noise, sigma^2.

        Returns
        -------
        Measurement
            A copy.

        Raises
        ------
        ValueError
            Without a noise level, and for a negative variance.
        """
        return with_noise(self, variance)

    def simulate(self, x0: Tensor, generator: torch.Generator) -> Self:
        """New data of one cloud: used by calibration.

        Parameters
        ----------
        x0 : Tensor
            (n, d).
        generator : Generator
            Of the noise, and of all else that is drawn.

        Returns
        -------
        Measurement
            The likelihood of the new data, of the same kind and size.
        """
        ...

    def start(self) -> Self:
        """The likelihood for one run, called like a function for the energy.

        Returns
        -------
        Measurement
            It may keep what makes its next call faster, such as the last assignments, but no result depends on that.
        """
        return self

    def __call__(self, x0: Tensor) -> Tensor:
        """The energy, (b, n, d) -> (b,)."""
        return self.energy(x0)


def start(likelihood: Likelihood) -> Likelihood:
    """The likelihood for one run, which may keep what speeds its next call up; for a guidance of one's own.

    Parameters
    ----------
    likelihood : Likelihood
        Anything with `energy`.

    Returns
    -------
    Likelihood
        `likelihood.start()`, or the likelihood itself where it has no such method.

    Raises
    ------
    TypeError
        For an object without `energy(x0)`.
    """
    check_method("likelihood", likelihood, "energy(x0)")
    if not hasattr(likelihood, "start"):
        return likelihood
    run = likelihood.start()
    return run if hasattr(run, "energy") else _Started(likelihood, run)


def n_observed(likelihood: Likelihood) -> float:
    """What `likelihood.n_observed` says; 1,000 where it says nothing; ValueError if that is no number from 0."""
    return check_number("n_observed of a likelihood", getattr(likelihood, "n_observed", SOME), least=0.0)


def surprise(likelihood: Likelihood, x0: Tensor, width: float) -> Tensor | float:
    """What `likelihood.surprise(x0, width)` returns; 0.0 where it has no such method."""
    return likelihood.surprise(x0, width) if hasattr(likelihood, "surprise") else 0.0


@dataclass(frozen=True, eq=False)
class _Started:
    """A likelihood whose `start` returns a plain function: that one is the energy of the run."""

    likelihood: Any
    energy: Callable[[Tensor], Tensor]

    @property
    def n_observed(self) -> float:
        return n_observed(self.likelihood)

    def surprise(self, x0: Tensor, width: float) -> Tensor | float:
        return surprise(self.likelihood, x0, width)

    def log_prob(self, x0: Tensor) -> Tensor:
        return self.likelihood.log_prob(x0)

    def with_noise(self, variance: float) -> Likelihood:
        return self.likelihood.with_noise(variance)
