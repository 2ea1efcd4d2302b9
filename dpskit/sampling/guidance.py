"""Guidance: a prior and a likelihood become the score of the posterior at noise level t, with one network call."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from dpskit.checks import check_number
from dpskit.likelihoods.observation import check_given
from dpskit.likelihoods.protocol import Likelihood, WarmStart
from dpskit.priors.edm import SIGMA_DATA
from dpskit.priors.protocol import Prior, denoise


@dataclass(frozen=True, eq=False)
class ScoreEval:
    """One evaluation: score (b, n, d) of the guided marginal, denoised E[x0 | x] (b, n, d), energy (b,) or None.

    log_twist: (b,) the approximation of log p(y | x) whose gradient the guidance adds, if it is one: see `twisted_smc`.
    """

    score: Tensor
    denoised: Tensor
    energy: Tensor | None
    log_twist: Tensor | None = None


Score = Callable[[Tensor, Tensor], ScoreEval]
"""score(x, t): clouds (b, n, d) at times (b,). It belongs to one run: the warm start of its assignments lives in it."""


class Guidance(Protocol):
    """How the likelihood steers the prior. It never knows a step size."""

    def __call__(self, prior: Prior, likelihood: Likelihood) -> Score: ...


@dataclass(frozen=True)
class Unguided:
    """The score of the prior alone: (D(x, t) - x) / t^2."""

    def __call__(self, prior: Prior, likelihood: Likelihood | None = None) -> Score:
        @torch.no_grad()
        def score(x: Tensor, t: Tensor) -> ScoreEval:
            denoised = denoise(prior, x, t)
            return ScoreEval(prior_score(denoised, x, t), denoised, None)

        return score


@dataclass(frozen=True)
class DPS:
    """Diffusion posterior sampling: score + zeta grad log p(y | D(x, t)), zeta = alpha / sqrt(E), per sample.

    alpha is quoted for 1,024 points and scales with the number of points, because the gradient of the energy, a mean
    over the points, falls with it. alpha / sqrt(E) of a squared residual makes the pull independent of the noise in
    the data: the spread of the samples is set by alpha, not by the data. Paper: eq. (9), with sqrt(E) for its
    sqrt(log p), whose argument is negative as printed.
    """

    alpha: float = 10_000.0

    def __post_init__(self) -> None:
        check_number("alpha", self.alpha, least=0.0)

    def __call__(self, prior: Prior, likelihood: Likelihood) -> Score:
        return _reconstruction_guidance(prior, likelihood.energy, partial(_paper_zeta, self.alpha))


@dataclass(frozen=True)
class LikelihoodScore:
    """Diffusion posterior sampling with the likelihood's own noise: score + grad log p(y | D(x, t)), zeta = 1.

    prior_std: None as in Chung et al., arXiv 2209.14687, eq. (11), and the paper's eq. (7) with zeta = 1. A number s
    adds the variance s^2 t^2 / (s^2 + t^2), which x0 has given x for a Gaussian prior of that standard deviation, to
    sigma^2, as in Song et al. (Pseudoinverse-guided diffusion, ICLR 2023): exact for that prior if the rows of a linear
    measurement are orthonormal, and for other priors and likelihoods a rough correction. It needs equal times in a
    batch. The likelihood must have sigma, which is checked before the first step.
    """

    prior_std: float | None = None

    def __post_init__(self) -> None:
        if self.prior_std is not None:
            check_number("prior_std", self.prior_std, above=0.0)

    def __call__(self, prior: Prior, likelihood: Likelihood) -> Score:
        _check_noise(likelihood)

        def one(energy: Tensor, n_points: int) -> Tensor:
            return torch.ones_like(energy)

        exact = _reconstruction_guidance(prior, _surprise(likelihood), one)

        def score(x: Tensor, t: Tensor) -> ScoreEval:
            found = exact(x, t) if self.prior_std is None else inflated(x, t)
            return replace(found, log_twist=-found.energy)

        def inflated(x: Tensor, t: Tensor) -> ScoreEval:
            variance = self.prior_std**2 * float(t[0]) ** 2 / (self.prior_std**2 + float(t[0]) ** 2)
            return _reconstruction_guidance(prior, _surprise(_noisier(likelihood, variance)), one)(x, t)

        return score


@dataclass(frozen=True)
class DataSpace:
    """`LikelihoodScore`, or `DPS` when alpha is given, without backpropagation through the denoiser.

    The gradient is taken in the space of the data, at D(x, t), and the Jacobian of the denoiser is replaced by that of
    a Gaussian prior of standard deviation `std`, std^2 / (std^2 + t^2): exact for that prior, and a forward pass
    instead of a forward and a backward one. As in Zhu et al. (DiffPIR), arXiv 2305.08995, with one gradient step.
    """

    alpha: float | None = None
    std: float = SIGMA_DATA

    def __post_init__(self) -> None:
        if self.alpha is not None:
            check_number("alpha", self.alpha, least=0.0)
        check_number("std", self.std, above=0.0)

    def __call__(self, prior: Prior, likelihood: Likelihood) -> Score:
        if self.alpha is None:
            _check_noise(likelihood)
        energy_of = _surprise(likelihood) if self.alpha is None else likelihood.energy
        warm: WarmStart = {}

        def score(x: Tensor, t: Tensor) -> ScoreEval:
            with torch.no_grad():
                denoised = denoise(prior, x, t)
            with torch.enable_grad():
                leaf = denoised.detach().requires_grad_()
                energy = energy_of(leaf, warm)
                (gradient,) = torch.autograd.grad(energy.sum(), leaf)
            energy = energy.detach()
            zeta = torch.ones_like(energy) if self.alpha is None else _paper_zeta(self.alpha, energy, x.shape[1])
            pull = -zeta[:, None, None] * gradient * (self.std**2 / (self.std**2 + t.square()))[:, None, None]
            return ScoreEval(prior_score(denoised, x, t) + pull, denoised, energy)

        return score


def _paper_zeta(alpha: float, energy: Tensor, n_points: int) -> Tensor:
    """alpha / sqrt(E) for n points, guarded where E vanishes."""
    return alpha * (n_points / 1024) / energy.detach().clamp_min(1e-12).sqrt()


def _check_noise(likelihood: Likelihood) -> None:
    """Raise ValueError for a likelihood without sigma."""
    for part in getattr(likelihood, "parts", [likelihood]):
        check_given(getattr(part, "sigma", 1.0))


def _noisier(likelihood: Likelihood, variance: float) -> Likelihood:
    """The likelihood, or each of its parts, with `variance` added to sigma^2."""
    if hasattr(likelihood, "parts"):
        return replace(likelihood, parts=[_noisier(part, variance) for part in likelihood.parts])
    return replace(likelihood, sigma=math.sqrt(likelihood.sigma**2 + variance))


def _surprise(likelihood: Likelihood) -> Callable[[Tensor, WarmStart], Tensor]:
    """-log p(y | x0)."""
    return lambda x0, warm: -likelihood.log_prob(x0, warm)


def _reconstruction_guidance(
    prior: Prior, energy_of: Callable[[Tensor, WarmStart], Tensor], zeta: Callable[[Tensor, int], Tensor]
) -> Score:
    """Score of prior and likelihood; the gradient flows through the denoiser. Paper: eqs. (7), (9) and (18)."""
    warm: WarmStart = {}

    def score(x: Tensor, t: Tensor) -> ScoreEval:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            denoised = denoise(prior, x, t)
            energy = energy_of(denoised, warm)
            (gradient,) = torch.autograd.grad(energy.sum(), x)
        x, denoised, energy = x.detach(), denoised.detach(), energy.detach()
        pull = -zeta(energy, x.shape[1])[:, None, None] * gradient
        return ScoreEval(prior_score(denoised, x, t) + pull, denoised, energy)

    return score


def prior_score(denoised: Tensor, x: Tensor, t: Tensor) -> Tensor:
    """grad log p_t(x) = (D(x, t) - x) / t^2. Paper: section 3.1."""
    return (denoised - x) / t[:, None, None].square()
