"""Guidance: a prior and a likelihood become the score of the posterior at noise level t, with one network call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from dpskit.checks import check_number
from dpskit.likelihoods.observation import check_given
from dpskit.likelihoods.protocol import Likelihood, WarmStart
from dpskit.priors.protocol import Prior


@dataclass(frozen=True)
class ScoreEval:
    """One evaluation: score (b, n, d) of the guided marginal, denoised E[x0 | x] (b, n, d), energy (b,) or None."""

    score: Tensor
    denoised: Tensor
    energy: Tensor | None


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
            denoised = prior.denoise(x, t)
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
        def zeta(energy: Tensor, n_points: int) -> Tensor:
            return self.alpha * (n_points / 1024) / energy.detach().clamp_min(1e-12).sqrt()

        return _reconstruction_guidance(prior, likelihood.energy, zeta)


@dataclass(frozen=True)
class LikelihoodScore:
    """Diffusion posterior sampling with the likelihood's own noise: score + grad log p(y | D(x, t)), zeta = 1.

    Needs a likelihood with sigma, which is checked before the first step. Chung et al., arXiv 2209.14687, eq. (11);
    paper: eq. (7) with zeta = 1.
    """

    def __call__(self, prior: Prior, likelihood: Likelihood) -> Score:
        for part in getattr(likelihood, "parts", [likelihood]):
            check_given(getattr(part, "sigma", 1.0))

        def energy(x0: Tensor, warm: WarmStart) -> Tensor:
            return -likelihood.log_prob(x0, warm)

        return _reconstruction_guidance(prior, energy, lambda energy, n_points: torch.ones_like(energy))


def _reconstruction_guidance(
    prior: Prior, energy_of: Callable[[Tensor, WarmStart], Tensor], zeta: Callable[[Tensor, int], Tensor]
) -> Score:
    """Score of prior and likelihood; the gradient flows through the denoiser. Paper: eqs. (7), (9) and (18)."""
    warm: WarmStart = {}

    def score(x: Tensor, t: Tensor) -> ScoreEval:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            denoised = prior.denoise(x, t)
            energy = energy_of(denoised, warm)
            (gradient,) = torch.autograd.grad(energy.sum(), x)
        x, denoised, energy = x.detach(), denoised.detach(), energy.detach()
        pull = -zeta(energy, x.shape[1])[:, None, None] * gradient
        return ScoreEval(prior_score(denoised, x, t) + pull, denoised, energy)

    return score


def prior_score(denoised: Tensor, x: Tensor, t: Tensor) -> Tensor:
    """grad log p_t(x) = (D(x, t) - x) / t^2. Paper: section 3.1."""
    return (denoised - x) / t[:, None, None].square()
