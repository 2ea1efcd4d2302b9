"""Diffusion posterior sampling: with alpha as in the paper, and with the likelihood's own noise."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from dpskit.checks import check_levels, check_number
from dpskit.likelihoods.protocol import Likelihood, n_observed, start
from dpskit.priors.edm import SIGMA_DATA
from dpskit.priors.protocol import Prior
from dpskit.sampling.protocol import Score
from dpskit.sampling.pull import ByDensity, ByEnergy, in_data_space, through_denoiser, with_density

EVERYWHERE = (0.0, math.inf)
"""All noise levels."""
PER_POINT = 50.0
"""The default alpha for each observed point."""


@dataclass(frozen=True)
class DPS:
    """Diffusion posterior sampling: the prior's score, and the gradient of the energy of the denoised cloud.

    Parameters
    ----------
    alpha
        Strength of the pull, at least 0, quoted for clouds of 1,024 points. It scales with the number of points,
        because the gradient of the energy, a mean over the points, falls with it. None: 50 for each observed point
        (`likelihood.n_observed`; 1,000 points where it is missing), as the log density of data grows with their number.
        Where every point of the cloud is drawn to a coarse one, `CoarseGrained(points)` without `means`, that is too
        much: 4,000, the paper's, is better.
    reach
        In one step the pull moves a cloud at most by `reach` times E / |grad E|, the step of Polyak (1987), which takes
        E to zero if it is linear; 2 takes a quadratic E to its minimum. Where the limit is not reached, nothing
        changes. None: the rule as printed, which at large t moves x by a length that does not depend on E, and diverges
        with a sharp prior.
    jacobian
        Noise levels (low, high): for low < t <= high the gradient is taken through the denoiser, which takes three
        times as long as elsewhere, where s^2 / (s^2 + t^2), s = `prior.scale`, stands for the denoiser's Jacobian:
        that of a Gaussian prior. (0, infinity) is the paper's rule, (0, 0) never differentiates the denoiser.
        None: what the prior asks for with its own attribute of that name, else the paper's rule.
    blur
        Width of the Gaussian kernels, in units of the cube, with which the data's `surprise` is added to E up to
        t = 0.2: how unlikely the points of a view are under the density of the cloud. Where a view has fewer points
        than the cloud, E alone is least for clouds that crowd at them. 0: E alone, the paper's rule. None: what the
        prior asks for with its own attribute of that name, else 0.

    Notes
    -----
    score - zeta grad E(D(x, t)), with zeta = alpha / sqrt(E) for each sample. The paper's eq. (9) has sqrt(log p),
    whose argument is negative as printed. alpha / sqrt(E) of a squared residual makes the pull independent of the noise
    in the data: the spread of the samples is set by alpha, not by the data. M points, in projections of equally many,
    with noise sigma have the score -M / sigma^2 grad E. For clouds of 1,024 points that is the rule's with alpha =
    M / sigma where E has come down to sigma^2: 50 for each stands for a noise of 0.02, in units of the cube.

    Examples
    --------
    >>> import dpskit
    >>> data = dpskit.CoarseGrained([[0.3, 0.0, 0.0]])
    >>> prior, rule = dpskit.GaussianPrior(0.0, 0.5), dpskit.DPS(alpha=50_000)
    >>> samples = dpskit.sample(prior, data, n_samples=4, n_points=20, guidance=rule, progress=False)
    >>> bool((samples.energy < 0.01).all())
    True
    """

    alpha: float | None = None
    reach: float | None = 2.0
    jacobian: tuple[float, float] | None = None
    blur: float | None = None

    def __post_init__(self) -> None:
        if self.alpha is not None:
            check_number("alpha", self.alpha, least=0.0)
        _check_reach(self.reach)
        if self.jacobian is not None:
            object.__setattr__(self, "jacobian", check_levels("jacobian", self.jacobian))
        if self.blur is not None:
            check_number("blur", self.blur, least=0.0)

    def suited(self, prior: Prior, likelihood: Likelihood | None = None) -> DPS:
        """The same rule, with what prior and data ask for where a setting is None.

        Parameters
        ----------
        prior : Prior
            Anything with `denoise`, perhaps with attributes `jacobian` and `blur`.
        likelihood : Likelihood, optional
            Anything with `energy`, perhaps with an attribute `n_observed`. None: alpha stays as it is.

        Returns
        -------
        DPS
            What a run with them uses.

        Raises
        ------
        ValueError
            For an `n_observed` that is not above 0, where alpha is None.
        """
        alpha = self.alpha
        if alpha is None and likelihood is not None:
            alpha = PER_POINT * check_number("n_observed of a likelihood", n_observed(likelihood), above=0.0)
        jacobian = getattr(prior, "jacobian", EVERYWHERE) if self.jacobian is None else self.jacobian
        blur = getattr(prior, "blur", 0.0) if self.blur is None else self.blur
        return replace(self, alpha=alpha, jacobian=jacobian, blur=blur)

    def __call__(self, prior: Prior, likelihood: Likelihood) -> Score:
        rule = self.suited(prior, likelihood)
        low, high = rule.jacobian or EVERYWHERE
        pull = ByEnergy(start(likelihood), rule.alpha or 0.0, self.reach, rule.blur or 0.0)
        through, beside = through_denoiser(prior, pull), in_data_space(prior, pull, getattr(prior, "scale", SIGMA_DATA))
        return lambda x, t: through(x, t) if bool(((low < t) & (t <= high)).any()) else beside(x, t)


@dataclass(frozen=True)
class LikelihoodScore:
    """Diffusion posterior sampling with the likelihood's own noise: score + grad log p(y | D(x, t)), zeta = 1.

    Parameters
    ----------
    prior_std
        None: as in Chung et al., arXiv 2209.14687, eq. (11), and the paper's eq. (7) with zeta = 1. A number s: the
        variance s^2 t^2 / (s^2 + t^2), which x0 has given x for a Gaussian prior of that standard deviation, is added
        to that of the noise by the likelihood's method `with_noise`. It needs equal times in a batch.
    reach
        As for `DPS`, a limit of how far the data move a cloud in one step. None: no limit, as the rule is; but where
        the noise is small for the steps, clouds leave the cube. 2 holds them; then a run may find the data's place, not
        the spread of their posterior.

    Notes
    -----
    For `reach`, the height of -log p(y | x0) above its least value is taken for E times the ratio of the lengths of
    both gradients in the space of the data: exact where -log p is a multiple of E plus a constant.

    The number s follows Song et al. (Pseudoinverse-guided diffusion, ICLR 2023): exact for that prior if the rows of a
    linear measurement are orthonormal, and for other priors and likelihoods a rough correction.

    Examples
    --------
    The posterior of one number is N(0.8, 0.2); with the standard deviation of the prior this guidance is exact.

    >>> import dpskit, torch
    >>> data = dpskit.LinearGaussian(torch.eye(1), torch.ones(1), sigma=0.5)
    >>> times, rule = dpskit.karras_schedule(40, t_max=10.0), dpskit.LikelihoodScore(prior_std=1.0)
    >>> prior = dpskit.GaussianPrior(0.0, 1.0)
    >>> samples = dpskit.sample(prior, data, n_samples=400, schedule=times, guidance=rule, progress=False)
    >>> round(float(samples.points.mean()), 1), round(float(samples.points.var()), 1)
    (0.8, 0.2)
    """

    prior_std: float | None = None
    reach: float | None = None

    def __post_init__(self) -> None:
        if self.prior_std is not None:
            check_number("prior_std", self.prior_std, above=0.0)
        _check_reach(self.reach)

    def __call__(self, prior: Prior, likelihood: Likelihood) -> Score:
        run = with_density(likelihood, noisier=self.prior_std is not None)
        return through_denoiser(prior, ByDensity(run, self.prior_std, self.reach))

    @property
    def uses_log_prob(self) -> bool:
        """True: the data need a noise level."""
        return True


@dataclass(frozen=True)
class DataSpace:
    """`LikelihoodScore` without backpropagation through the denoiser. For `DPS`, see its `jacobian`.

    Parameters
    ----------
    prior_std
        The standard deviation s of the Gaussian prior whose Jacobian, s^2 / (s^2 + t^2), replaces that of the denoiser.
    reach
        As for `LikelihoodScore`.

    Notes
    -----
    The gradient is taken in the space of the data, at D(x, t): exact for that prior, and a forward pass instead of a
    forward and a backward one. As in Zhu et al. (DiffPIR), arXiv 2305.08995, with one gradient step.

    Examples
    --------
    The posterior of one number is N(0.8, 0.2). Without the variance of x0 given x, that of `LikelihoodScore(1)`,
    samples are too near to the data, and to each other.

    >>> import dpskit, torch
    >>> data = dpskit.LinearGaussian(torch.eye(1), torch.ones(1), sigma=0.5)
    >>> times, rule = dpskit.karras_schedule(40, t_max=10.0), dpskit.DataSpace(prior_std=1.0)
    >>> prior = dpskit.GaussianPrior(0.0, 1.0)
    >>> samples = dpskit.sample(prior, data, n_samples=400, schedule=times, guidance=rule, progress=False)
    >>> round(float(samples.points.mean()), 1), bool(samples.points.var() < 0.2)
    (0.9, True)
    """

    prior_std: float = SIGMA_DATA
    reach: float | None = None

    def __post_init__(self) -> None:
        check_number("prior_std", self.prior_std, above=0.0)
        _check_reach(self.reach)

    @property
    def uses_log_prob(self) -> bool:
        """True: the data need a noise level."""
        return True

    def __call__(self, prior: Prior, likelihood: Likelihood) -> Score:
        return in_data_space(prior, ByDensity(with_density(likelihood), reach=self.reach), self.prior_std)


def _check_reach(reach: float | None) -> None:
    """Raise ValueError or TypeError unless `reach` is None or a number above 0."""
    if reach is not None:
        check_number("reach", reach, above=0.0)
