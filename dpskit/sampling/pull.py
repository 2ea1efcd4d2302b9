"""The pull of the data on a cloud: what a guidance differentiates, and the score that its gradient gives."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, cast

import torch
from torch import Tensor

from dpskit.checks import check_method
from dpskit.likelihoods.protocol import Likelihood, Measurement, start, surprise
from dpskit.priors.protocol import Prior, checked_denoise
from dpskit.sampling.protocol import Score, ScoreEval
from dpskit.sampling.unguided import prior_score

DETAILS = 0.2
"""Noise level from which on details are decided."""


class Pull(Protocol):
    """What a guidance differentiates, and the score that its gradient gives."""

    def misfit(self, denoised: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """What is differentiated, and the energy without a gradient, (b,), of denoised clouds (b, n, d) at t (b,)."""
        ...

    def evaluation(self, denoised: Tensor, misfit: Tensor, energy: Tensor, own: Tensor, gradient: Tensor) -> ScoreEval:
        """From the misfit (b,), its gradient (b, n, d), the energy (b,), and the prior's `own` score (b, n, d)."""
        ...


@dataclass(frozen=True, eq=False)
class ByEnergy:
    """-zeta grad E with zeta = alpha / sqrt(E), guarded where E vanishes; the way is bounded by `reach`.

    With `blur`, the likelihood's `surprise` is added to E up to t = DETAILS, where the shape is nearly settled. Earlier
    it would weaken the matching, which alone knows of what lies far away.
    """

    likelihood: Likelihood
    alpha: float
    reach: float | None
    blur: float = 0.0

    def misfit(self, denoised: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        energy = self.likelihood.energy(denoised)
        more = surprise(self.likelihood, denoised, self.blur) if self.blur and float(t.max()) <= DETAILS else 0.0
        return energy + more, energy.detach()

    @torch.no_grad()
    def evaluation(self, denoised: Tensor, misfit: Tensor, energy: Tensor, own: Tensor, gradient: Tensor) -> ScoreEval:
        zeta = self.alpha * (own.shape[1] / 1024) / misfit.clamp_min(1e-12).sqrt()
        score = own - zeta[:, None, None] * gradient
        slope = gradient.flatten(1).norm(dim=1).clamp_min(1e-20)
        longest = None if self.reach is None else self.reach * misfit / slope
        return ScoreEval(score, denoised.detach(), energy, prior_score=own, longest=longest)


@dataclass(frozen=True, eq=False)
class ByDensity:
    """grad log p(y | x0), with the noise of `LikelihoodScore(prior_std)`."""

    likelihood: Measurement
    prior_std: float | None = None

    def misfit(self, denoised: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        noisier = self.likelihood
        if self.prior_std is not None:
            noisier = noisier.with_noise(self.prior_std**2 * float(t[0]) ** 2 / (self.prior_std**2 + float(t[0]) ** 2))
        misfit = -noisier.log_prob(denoised)
        with torch.no_grad():
            return misfit, self.likelihood.energy(denoised)

    @torch.no_grad()
    def evaluation(self, denoised: Tensor, misfit: Tensor, energy: Tensor, own: Tensor, gradient: Tensor) -> ScoreEval:
        return ScoreEval(own - gradient, denoised.detach(), energy, -misfit, misfit)


def with_density(likelihood: Likelihood) -> Measurement:
    """The likelihood for one run; raises ValueError for one of the package's own without sigma."""
    check_method("likelihood", likelihood, "log_prob(x0)")
    run = cast(Measurement, start(likelihood))
    if hasattr(run, "with_noise"):
        run.with_noise(0.0)
    return run


def through_denoiser(prior: Prior, pull: Pull) -> Score:
    """Score of prior and likelihood; the gradient flows through the denoiser. Paper: eqs. (7), (9) and (18)."""

    def score(x: Tensor, t: Tensor) -> ScoreEval:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            denoised = checked_denoise(prior, x, t)
            misfit, energy = pull.misfit(denoised, t)
            (gradient,) = torch.autograd.grad(misfit.sum(), x)
        own = prior_score(denoised.detach(), x.detach(), t)
        return pull.evaluation(denoised, misfit.detach(), energy, own, gradient)

    return score


def in_data_space(prior: Prior, pull: Pull, prior_std: float) -> Score:
    """As `through_denoiser`, with s^2 / (s^2 + t^2), that of a Gaussian prior, as the Jacobian of the denoiser."""

    def score(x: Tensor, t: Tensor) -> ScoreEval:
        with torch.no_grad():
            denoised = checked_denoise(prior, x, t)
        with torch.enable_grad():
            leaf = denoised.detach().requires_grad_()
            misfit, energy = pull.misfit(leaf, t)
            (gradient,) = torch.autograd.grad(misfit.sum(), leaf)
        gradient = gradient * (prior_std**2 / (prior_std**2 + t.square()))[:, None, None]
        evaluation = pull.evaluation(leaf, misfit.detach(), energy, prior_score(denoised, x, t), gradient)
        return replace(evaluation, log_twist=None)  # whose gradient this is not

    return score
