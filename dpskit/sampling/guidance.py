"""Guidance: a prior and a likelihood become the score of the posterior at noise level t, with one network call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, cast

import torch
from torch import Tensor

from dpskit.checks import check_method, check_number
from dpskit.likelihoods.protocol import Likelihood, Measurement, start
from dpskit.priors.edm import SIGMA_DATA
from dpskit.priors.protocol import Prior, checked_denoise


@dataclass(frozen=True, eq=False)
class ScoreEval:
    """One evaluation of a score.

    Attributes
    ----------
    score : Tensor
        (b, n, d): the gradient of the log density of the guided marginal at noise level t.
    denoised : Tensor
        (b, n, d): the mean of x0 given x.
    energy : Tensor or None
        (b,): the energy E of the denoised clouds; None without a likelihood.
    log_twist : Tensor or None
        (b,): the approximation of log p(y | x) whose gradient the guidance adds; None if it is not a gradient. See
        `twisted_smc`.
    negative_log_likelihood : Tensor or None
        (b,): -log p(y | denoised), where the guidance uses it.
    prior_score : Tensor or None
        (b, n, d): the prior's part of the score.
    longest : Tensor or None
        (b,): how far the rest, the pull of the data, may move a cloud in one step (the length of all n d coordinates);
        None: any distance.

    Examples
    --------
    >>> import dpskit, torch
    >>> data = dpskit.CoarseGrained([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    >>> score = dpskit.DPS(alpha=10.0)(dpskit.GaussianPrior(0.0, 0.5), data)
    >>> now = score(torch.randn(3, 8, 3), torch.full((3,), 0.4))
    >>> now.score.shape, now.denoised.shape, now.energy.shape
    (torch.Size([3, 8, 3]), torch.Size([3, 8, 3]), torch.Size([3]))
    """

    score: Tensor
    denoised: Tensor
    energy: Tensor | None
    log_twist: Tensor | None = None
    negative_log_likelihood: Tensor | None = None
    prior_score: Tensor | None = None
    longest: Tensor | None = None

    def for_step(self, coefficient: float) -> Tensor:
        """The score for a step that moves x by `coefficient` times it: with the pull shortened where it is too long.

        Parameters
        ----------
        coefficient : float
            What the solver multiplies the score with.

        Returns
        -------
        Tensor
            (b, n, d).
        """
        if self.prior_score is None or self.longest is None:
            return self.score
        pull = self.score - self.prior_score
        way = coefficient * pull.flatten(1).norm(dim=1)
        factor = (self.longest / way.clamp_min(torch.finfo(way.dtype).tiny))[:, None, None]
        return torch.where(factor < 1, self.prior_score + factor * pull, self.score)


Score = Callable[[Tensor, Tensor], ScoreEval]
"""score(x, t): clouds (b, n, d) at times (b,). It belongs to one run, whose assignments it keeps."""


class Guidance(Protocol):
    """How a likelihood and a prior become the score of the posterior. It never knows a step size.

    Attributes
    ----------
    uses_log_prob : bool, optional
        Whether it calls `likelihood.log_prob`, which is then tried before a run.

    Examples
    --------
    A guidance of one's own: a constant pull along the gradient of the energy, taken at the denoised cloud.

    >>> import dpskit, torch
    >>> class Constant:
    ...     def __call__(self, prior, likelihood):
    ...         def score(x, t):
    ...             denoised = prior.denoise(x, t).detach().requires_grad_()
    ...             energy = likelihood.energy(denoised)
    ...             (gradient,) = torch.autograd.grad(energy.sum(), denoised)
    ...             own = dpskit.prior_score(denoised.detach(), x, t)
    ...             return dpskit.ScoreEval(own - 10 * gradient, denoised.detach(), energy.detach())
    ...         return score
    >>> data, prior = dpskit.CoarseGrained([[0.3, 0.0, 0.0]]), dpskit.GaussianPrior(0.0, 0.5)
    >>> dpskit.sample(prior, data, n_samples=2, n_points=4, guidance=Constant(), progress=False).energy.shape
    torch.Size([2])
    """

    def __call__(self, prior: Prior, likelihood: Likelihood) -> Score:
        """The score of one run.

        Parameters
        ----------
        prior : Prior
            Anything with `denoise`.
        likelihood : Likelihood
            Anything with `energy`; `dpskit.likelihoods.protocol.start(likelihood)` is the one for a run.

        Returns
        -------
        Callable
            score(x, t) -> `ScoreEval`, for clouds x (b, n, d) at times t (b,). One call of the denoiser each.
        """
        ...


@dataclass(frozen=True)
class Unguided:
    """The score of the prior alone: (D(x, t) - x) / t^2.

    Examples
    --------
    >>> import dpskit, torch
    >>> score = dpskit.Unguided()(dpskit.GaussianPrior(0.0, 1.0))
    >>> score(torch.ones(1, 1, 1), torch.ones(1)).score
    tensor([[[-0.5000]]])
    """

    def __call__(self, prior: Prior, likelihood: Likelihood | None = None) -> Score:
        @torch.no_grad()
        def score(x: Tensor, t: Tensor) -> ScoreEval:
            denoised = checked_denoise(prior, x, t)
            return ScoreEval(prior_score(denoised, x, t), denoised, None)

        return score


@dataclass(frozen=True)
class DPS:
    """Diffusion posterior sampling: the prior's score, and the gradient of the energy of the denoised cloud.

    Parameters
    ----------
    alpha
        Strength of the pull, at least 0, quoted for 1,024 points. It scales with the number of points, because the
        gradient of the energy, a mean over the points, falls with it.
    reach
        In one step the pull moves a cloud at most by `reach` times E / |grad E|, the step of Polyak (1987), which takes
        E to zero if it is linear; 2 takes a quadratic E to its minimum. Where the limit is not reached, nothing
        changes. None: the rule as printed, which at large t moves x by a length that does not depend on E, and diverges
        with a sharp prior.

    Notes
    -----
    score - zeta grad E(D(x, t)), with zeta = alpha / sqrt(E) for each sample. The paper's eq. (9) has sqrt(log p),
    whose argument is negative as printed. alpha / sqrt(E) of a squared residual makes the pull independent of the noise
    in the data: the spread of the samples is set by alpha, not by the data.

    Examples
    --------
    >>> import dpskit
    >>> data = dpskit.CoarseGrained([[0.3, 0.0, 0.0]])
    >>> prior, rule = dpskit.GaussianPrior(0.0, 0.5), dpskit.DPS(alpha=50_000)
    >>> samples = dpskit.sample(prior, data, n_samples=4, n_points=20, guidance=rule, progress=False)
    >>> bool((samples.energy < 0.01).all())
    True
    """

    alpha: float = 10_000.0
    reach: float | None = 2.0

    def __post_init__(self) -> None:
        check_number("alpha", self.alpha, least=0.0)
        check_reach(self.reach)

    def __call__(self, prior: Prior, likelihood: Likelihood) -> Score:
        return _through_denoiser(prior, _ByEnergy(start(likelihood), self.alpha, self.reach))


@dataclass(frozen=True)
class LikelihoodScore:
    """Diffusion posterior sampling with the likelihood's own noise: score + grad log p(y | D(x, t)), zeta = 1.

    Parameters
    ----------
    prior_std
        None: as in Chung et al., arXiv 2209.14687, eq. (11), and the paper's eq. (7) with zeta = 1. A number s: the
        variance s^2 t^2 / (s^2 + t^2), which x0 has given x for a Gaussian prior of that standard deviation, is added
        to that of the noise by the likelihood's method `with_noise`. It needs equal times in a batch.

    Notes
    -----
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

    def __post_init__(self) -> None:
        if self.prior_std is not None:
            check_number("prior_std", self.prior_std, above=0.0)

    def __call__(self, prior: Prior, likelihood: Likelihood) -> Score:
        if self.prior_std is not None:
            check_method("likelihood", likelihood, "with_noise(variance)")
        return _through_denoiser(prior, _ByDensity(_with_density(likelihood), self.prior_std))

    @property
    def uses_log_prob(self) -> bool:
        """True: the data need a noise level."""
        return True


@dataclass(frozen=True)
class DataSpace:
    """`LikelihoodScore`, or `DPS` when alpha is given, without backpropagation through the denoiser.

    Parameters
    ----------
    alpha
        Strength of the pull, as that of `DPS`; None: the likelihood's own noise.
    std
        Standard deviation of the Gaussian prior whose Jacobian, std^2 / (std^2 + t^2), replaces that of the denoiser.
    reach
        With alpha, as that of `DPS`.

    Notes
    -----
    The gradient is taken in the space of the data, at D(x, t): exact for that prior, and a forward pass instead of a
    forward and a backward one. As in Zhu et al. (DiffPIR), arXiv 2305.08995, with one gradient step.

    Examples
    --------
    >>> import dpskit
    >>> data = dpskit.CoarseGrained([[0.3, 0.0, 0.0]])
    >>> prior, rule = dpskit.GaussianPrior(0.0, 0.5), dpskit.DataSpace(alpha=50_000)
    >>> samples = dpskit.sample(prior, data, n_samples=4, n_points=20, guidance=rule, progress=False)
    >>> bool((samples.energy < 0.01).all())
    True
    """

    alpha: float | None = None
    std: float = SIGMA_DATA
    reach: float | None = 2.0

    def __post_init__(self) -> None:
        if self.alpha is not None:
            check_number("alpha", self.alpha, least=0.0)
        check_number("std", self.std, above=0.0)
        check_reach(self.reach)

    @property
    def uses_log_prob(self) -> bool:
        """Whether the data need a noise level: without alpha."""
        return self.alpha is None

    def __call__(self, prior: Prior, likelihood: Likelihood) -> Score:
        pull: _Pull
        if self.alpha is None:
            pull = _ByDensity(_with_density(likelihood))
        else:
            pull = _ByEnergy(start(likelihood), self.alpha, self.reach)

        def score(x: Tensor, t: Tensor) -> ScoreEval:
            with torch.no_grad():
                denoised = checked_denoise(prior, x, t)
            with torch.enable_grad():
                leaf = denoised.detach().requires_grad_()
                misfit = pull.misfit(leaf, t)
                (gradient,) = torch.autograd.grad(misfit.sum(), leaf)
            gradient = gradient * (self.std**2 / (self.std**2 + t.square()))[:, None, None]
            evaluation = pull.evaluation(leaf, misfit.detach(), prior_score(denoised, x, t), gradient)
            return replace(evaluation, log_twist=None)  # whose gradient this is not

        return score


class _Pull(Protocol):
    """What a guidance differentiates, and the score that its gradient gives."""

    def misfit(self, denoised: Tensor, t: Tensor) -> Tensor:
        """(b,), of denoised clouds (b, n, d) at times (b,)."""
        ...

    def evaluation(self, denoised: Tensor, misfit: Tensor, own: Tensor, gradient: Tensor) -> ScoreEval:
        """From the misfit (b,), its gradient (b, n, d), and the prior's `own` score (b, n, d)."""
        ...


@dataclass(frozen=True, eq=False)
class _ByEnergy:
    """-zeta grad E with zeta = alpha / sqrt(E), guarded where E vanishes; the way is bounded by `reach`."""

    likelihood: Likelihood
    alpha: float
    reach: float | None

    def misfit(self, denoised: Tensor, t: Tensor) -> Tensor:
        return self.likelihood.energy(denoised)

    @torch.no_grad()
    def evaluation(self, denoised: Tensor, misfit: Tensor, own: Tensor, gradient: Tensor) -> ScoreEval:
        zeta = self.alpha * (own.shape[1] / 1024) / misfit.clamp_min(1e-12).sqrt()
        score = own - zeta[:, None, None] * gradient
        slope = gradient.flatten(1).norm(dim=1).clamp_min(1e-20)
        longest = None if self.reach is None else self.reach * misfit / slope
        return ScoreEval(score, denoised.detach(), misfit, prior_score=own, longest=longest)


@dataclass(frozen=True, eq=False)
class _ByDensity:
    """grad log p(y | x0), with the noise of `LikelihoodScore(prior_std)`."""

    likelihood: Measurement
    prior_std: float | None = None

    def misfit(self, denoised: Tensor, t: Tensor) -> Tensor:
        if self.prior_std is None:
            return -self.likelihood.log_prob(denoised)
        variance = self.prior_std**2 * float(t[0]) ** 2 / (self.prior_std**2 + float(t[0]) ** 2)
        return -self.likelihood.with_noise(variance).log_prob(denoised)

    @torch.no_grad()
    def evaluation(self, denoised: Tensor, misfit: Tensor, own: Tensor, gradient: Tensor) -> ScoreEval:
        energy = self.likelihood.energy(denoised).detach()
        return ScoreEval(own - gradient, denoised.detach(), energy, -misfit, misfit)


def _with_density(likelihood: Likelihood) -> Measurement:
    """The likelihood for one run; raises ValueError for one of the package's own without sigma."""
    check_method("likelihood", likelihood, "log_prob(x0)")
    run = cast(Measurement, start(likelihood))
    if hasattr(run, "with_noise"):
        run.with_noise(0.0)
    return run


def _through_denoiser(prior: Prior, pull: _Pull) -> Score:
    """Score of prior and likelihood; the gradient flows through the denoiser. Paper: eqs. (7), (9) and (18)."""

    def score(x: Tensor, t: Tensor) -> ScoreEval:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            denoised = checked_denoise(prior, x, t)
            misfit = pull.misfit(denoised, t)
            (gradient,) = torch.autograd.grad(misfit.sum(), x)
        own = prior_score(denoised.detach(), x.detach(), t)
        return pull.evaluation(denoised, misfit.detach(), own, gradient)

    return score


def check_reach(reach: float | None) -> None:
    """Raise ValueError or TypeError unless `reach` is None or a number above 0."""
    if reach is not None:
        check_number("reach", reach, above=0.0)


def prior_score(denoised: Tensor, x: Tensor, t: Tensor) -> Tensor:
    """The score of the prior's marginal at noise level t from its denoised clouds.

    Parameters
    ----------
    denoised : Tensor
        D(x, t), (b, n, d).
    x : Tensor
        The noisy clouds (b, n, d).
    t : Tensor
        (b,), above 0.

    Returns
    -------
    Tensor
        (b, n, d): grad log p_t(x) = (D(x, t) - x) / t^2.

    Notes
    -----
    Paper: section 3.1.

    Examples
    --------
    >>> import dpskit, torch
    >>> x, t = torch.ones(1, 1, 1), torch.ones(1)
    >>> dpskit.prior_score(dpskit.GaussianPrior(0.0, 1.0).denoise(x, t), x, t)
    tensor([[[-0.5000]]])
    """
    return (denoised - x) / t[:, None, None].square()
