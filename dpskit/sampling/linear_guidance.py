"""Guidance that needs a linear measurement: moment matching and replacement."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from dpskit.checks import check_kind
from dpskit.exact.linear_gaussian import LinearGaussian
from dpskit.likelihoods.protocol import Likelihood
from dpskit.priors.protocol import Prior, checked_denoise
from dpskit.sampling.protocol import Score, ScoreEval
from dpskit.sampling.unguided import prior_score


@dataclass(frozen=True)
class MomentMatched:
    """The score of N(y; A D, sigma^2 + t^2 A J A^T), where J is the Jacobian of the denoiser D at x.

    Called with a likelihood that is not LinearGaussian it raises TypeError.

    Notes
    -----
    t^2 J is the covariance of x0 given x (Tweedie's second-order formula), so that the Gaussian has the mean and the
    covariance of the true p(y | x): exact for Gaussian priors, not for mixtures. The covariance counts as constant
    when the gradient is taken. One call of the denoiser, and one backward pass for each of the m rows of A. Finzi et
    al., arXiv 2306.07526; Boys et al., arXiv 2310.06721.

    Examples
    --------
    The posterior of one number is N(0.8, 0.2).

    >>> import dpskit, torch
    >>> data, prior = dpskit.LinearGaussian(torch.eye(1), torch.ones(1), sigma=0.5), dpskit.GaussianPrior(0.0, 1.0)
    >>> times, rule = dpskit.karras_schedule(40, t_max=10.0), dpskit.MomentMatched()
    >>> samples = dpskit.sample(prior, data, n_samples=400, schedule=times, guidance=rule, progress=False)
    >>> round(float(samples.points.mean()), 1), round(float(samples.points.var()), 1)
    (0.8, 0.2)
    """

    def __call__(self, prior: Prior, likelihood: Likelihood) -> Score:
        data = _linear(likelihood)
        m = len(data.y)

        def score(x: Tensor, t: Tensor) -> ScoreEval:
            matrix = data.A.to(x)
            with torch.enable_grad():
                x = x.detach().requires_grad_()
                denoised = checked_denoise(prior, x, t)
                seen = denoised.flatten(1) @ matrix.T
                rows = torch.eye(m).to(x).unsqueeze(1).expand(m, len(x), m)
                (jacobian,) = torch.autograd.grad(seen, x, rows, is_grads_batched=True)  # A J, (m, b, n, d)
            x, denoised = x.detach(), denoised.detach()
            aj = jacobian.movedim(0, 1).flatten(2)
            spread = aj @ matrix.T  # of a trained network not quite symmetric, nor positive
            values, vectors = torch.linalg.eigh((spread + spread.mT) / 2)
            variance = data.sigma**2 + t.square().unsqueeze(1) * values.clamp_min(0)
            rotated = (vectors.mT @ data.residual(denoised).unsqueeze(2)).squeeze(2)
            pull = (vectors @ (rotated / variance).unsqueeze(2)).mT @ aj
            log_twist = -(rotated.square() / variance + (2 * math.pi * variance).log()).sum(dim=1) / 2
            total = prior_score(denoised, x, t) + pull.view_as(x)
            return ScoreEval(total, denoised, data.energy(denoised), log_twist)

        return score


@dataclass(frozen=True)
class Replacement:
    """Observed coordinates follow the noised data, N(y, sigma^2 + t^2), and the others the prior's score.

    Called with a likelihood that is not LinearGaussian it raises TypeError, and ValueError for one whose A does not
    select coordinates, each at most once.

    Notes
    -----
    What the prior says of the observed coordinates is forgotten, and the others see the data only through the noise:
    biased even for Gaussian priors. Song et al., arXiv 2011.13456; Trippe et al., arXiv 2206.04119, section 3.

    Examples
    --------
    The first of two numbers is measured, with a prior that knows them to be alike; what is found for it is the
    measurement, N(1, 0.25), not the posterior.

    >>> import dpskit, torch
    >>> covariance = torch.tensor([[[1.0, 0.9], [0.9, 1.0]]])
    >>> prior = dpskit.FullGaussianMixture([1.0], torch.zeros(1, 2, 1), covariance)
    >>> data = dpskit.LinearGaussian(torch.tensor([[1.0, 0.0]]), torch.ones(1), sigma=0.5)
    >>> times, rule = dpskit.karras_schedule(40, t_max=10.0), dpskit.Replacement()
    >>> samples = dpskit.sample(prior, data, n_samples=400, schedule=times, guidance=rule, progress=False)
    >>> round(float(samples.points[:, 0].mean()), 1)
    1.0
    """

    def __call__(self, prior: Prior, likelihood: Likelihood) -> Score:
        data = _linear(likelihood)
        chosen = data.A == 1
        if not bool(((data.A == 0) | chosen).all() and (chosen.sum(1) == 1).all() and (chosen.sum(0) <= 1).all()):
            raise ValueError("A must select coordinates (rows of the unit matrix, each once), got another matrix.")
        place = chosen.int().argmax(dim=1)

        @torch.no_grad()
        def score(x: Tensor, t: Tensor) -> ScoreEval:
            denoised = checked_denoise(prior, x, t)
            total = prior_score(denoised, x, t).flatten(1)
            variance = data.sigma**2 + t.square().unsqueeze(1)
            total[:, place] = (data.y.to(x) - x.flatten(1)[:, place]) / variance
            return ScoreEval(total.view_as(x), denoised, data.energy(denoised))

        return score


def _linear(likelihood: Likelihood) -> LinearGaussian:
    return check_kind("likelihood", likelihood, LinearGaussian, " for this guidance")
