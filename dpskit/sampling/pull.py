"""The pull of the data on a cloud: what a guidance differentiates, and the score that its gradient gives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol, cast

import torch
from torch import Tensor

from dpskit.checks import check_method
from dpskit.likelihoods.joint import Joint
from dpskit.likelihoods.protocol import USUAL_POINTS, Likelihood, Measurement, start, surprise
from dpskit.pose.posed import Posed
from dpskit.priors.protocol import Prior, checked_denoise
from dpskit.sampling.protocol import Score, ScoreEval
from dpskit.sampling.unguided import prior_score

DETAILS = 0.2
"""Noise level from which on details are decided."""


@dataclass(frozen=True, eq=False)
class Misfit:
    """What a pull descends, at denoised clouds, without a graph.

    value, energy (b,): the misfit and the energy E. gradient (b, n, d): of the misfit. excess (b,): how far the misfit
    lies above the least that it could be; None: not known.
    """

    value: Tensor
    energy: Tensor
    gradient: Tensor
    excess: Tensor | None


class Pull(Protocol):
    """What a guidance differentiates, and the score that its gradient gives."""

    def misfit(self, denoised: Tensor, t: Tensor) -> Misfit:
        """Of denoised clouds (b, n, d), a leaf, at t (b,)."""
        ...

    def evaluation(self, denoised: Tensor, found: Misfit, own: Tensor, gradient: Tensor) -> ScoreEval:
        """From the misfit, its gradient (b, n, d) in x, and the prior's `own` score (b, n, d)."""
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

    def misfit(self, denoised: Tensor, t: Tensor) -> Misfit:
        energy = self.likelihood.energy(denoised)
        more = surprise(self.likelihood, denoised, self.blur) if self.blur and float(t.max()) <= DETAILS else 0.0
        value = energy + more
        return Misfit(value.detach(), energy.detach(), _gradient(value, denoised), value.detach())

    @torch.no_grad()
    def evaluation(self, denoised: Tensor, found: Misfit, own: Tensor, gradient: Tensor) -> ScoreEval:
        zeta = self.alpha * (own.shape[1] / USUAL_POINTS) / found.value.clamp_min(1e-12).sqrt()
        score = own - zeta[:, None, None] * gradient
        longest = _longest(self.reach, found, gradient)
        return ScoreEval(score, denoised, found.energy, prior_score=own, longest=longest)


@dataclass(frozen=True, eq=False)
class ByDensity:
    """grad log p(y | x0), with the noise of `LikelihoodScore(prior_std)`; the way is bounded by `reach`.

    The least that -log p could be is not asked for. Were its gradient c times that of E, it would exceed it by c E.
    """

    likelihood: Measurement
    prior_std: float | None = None
    reach: float | None = None

    def misfit(self, denoised: Tensor, t: Tensor) -> Misfit:
        noisier = self.likelihood
        if self.prior_std is not None:
            noisier = noisier.with_noise(self.prior_std**2 * float(t[0]) ** 2 / (self.prior_std**2 + float(t[0]) ** 2))
        value = -noisier.log_prob(denoised)
        gradient = _gradient(value, denoised)
        if self.reach is None:
            with torch.no_grad():
                return Misfit(value.detach(), self.likelihood.energy(denoised), gradient, None)
        energy = self.likelihood.energy(denoised)
        factor = _length(gradient) / _length(_gradient(energy, denoised))
        return Misfit(value.detach(), energy.detach(), gradient, factor * energy.detach())

    @torch.no_grad()
    def evaluation(self, denoised: Tensor, found: Misfit, own: Tensor, gradient: Tensor) -> ScoreEval:
        longest = _longest(self.reach, found, gradient)
        return ScoreEval(own - gradient, denoised, found.energy, -found.value, found.value, own, longest)


def _gradient(value: Tensor, x: Tensor) -> Tensor:
    """Of values (b,), each of one cloud."""
    return torch.autograd.grad(value.sum(), x)[0]


def _length(gradient: Tensor) -> Tensor:
    return gradient.flatten(1).norm(dim=1).clamp_min(1e-20)


def _longest(reach: float | None, found: Misfit, gradient: Tensor) -> Tensor | None:
    """`reach` times the step of Polyak, (b,): the excess of the misfit over the length of its gradient."""
    return None if reach is None or found.excess is None else reach * found.excess / _length(gradient)


def with_density(likelihood: Likelihood, *, noisier: bool = False) -> Measurement:
    """The likelihood for one run, where its density is needed, and `noisier` that of the same data with more noise.

    Raises TypeError for a likelihood, or a part of it, without a method for that, and ValueError for one of the
    package's own without sigma.
    """
    for name, part in _single("likelihood", likelihood):
        check_method(name, part, "log_prob(x0)")
        if noisier:
            check_method(name, part, "with_noise(variance)")
        if hasattr(part, "with_noise"):
            part.with_noise(0.0)
    return cast(Measurement, start(likelihood))


def _single(name: str, likelihood: Likelihood) -> Iterator[tuple[str, Likelihood]]:
    """The likelihoods that a joint or posed one is made of, each with its name in errors."""
    if isinstance(likelihood, Posed):
        yield from _single(name, likelihood.base)
    elif isinstance(likelihood, Joint):
        for k, part in enumerate(likelihood.parts):
            yield from _single(f"{name}.parts[{k}]", part)
    else:
        yield name, likelihood


def through_denoiser(prior: Prior, pull: Pull) -> Score:
    """Score of prior and likelihood; the gradient flows through the denoiser. Paper: eqs. (7), (9) and (18)."""

    def score(x: Tensor, t: Tensor) -> ScoreEval:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            denoised = checked_denoise(prior, x, t)
            found = pull.misfit(denoised.detach().requires_grad_(), t)
            (gradient,) = torch.autograd.grad(denoised, x, found.gradient)
        x, denoised = x.detach(), denoised.detach()
        return pull.evaluation(denoised, found, prior_score(denoised, x, t), gradient)

    return score


def in_data_space(prior: Prior, pull: Pull, prior_std: float) -> Score:
    """As `through_denoiser`, with s^2 / (s^2 + t^2), that of a Gaussian prior, as the Jacobian of the denoiser."""

    def score(x: Tensor, t: Tensor) -> ScoreEval:
        with torch.no_grad():
            denoised = checked_denoise(prior, x, t)
        with torch.enable_grad():
            found = pull.misfit(denoised.detach().requires_grad_(), t)
        gradient = found.gradient * (prior_std**2 / (prior_std**2 + t.square()))[:, None, None]
        evaluation = pull.evaluation(denoised.detach(), found, prior_score(denoised, x, t), gradient)
        return replace(evaluation, log_twist=None)  # whose gradient this is not

    return score
