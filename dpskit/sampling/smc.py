"""Twisted sequential Monte Carlo: guidance proposes, weights correct, and the particles become exact as they grow."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from dpskit.checks import check_integer, check_method, check_number
from dpskit.cloud import as_generator
from dpskit.likelihoods.protocol import Likelihood
from dpskit.priors.edm import SIGMA_DATA
from dpskit.priors.protocol import Prior
from dpskit.sampling.guidance import Guidance, LikelihoodScore, ScoreEval, prior_score
from dpskit.sampling.trial import prepare


@dataclass(frozen=True, eq=False)
class Particles:
    """Weighted samples of the posterior.

    points (p, n, d); log_weights (p,), whose exponentials sum to 1; ess (n_steps + 1,): the effective number of
    particles at each time, before resampling; resampled (n_steps + 1,): where that was done; log_evidence: the estimate
    of log p(y), whose exponential is unbiased for the prior of these steps; evaluations: calls of the denoiser.
    """

    points: Tensor
    log_weights: Tensor
    ess: Tensor
    resampled: Tensor
    log_evidence: float
    evaluations: int

    @property
    def mean(self) -> Tensor:
        """Weighted, (n, d)."""
        return torch.einsum("p,pnd->nd", self.log_weights.exp().to(self.points), self.points)

    @property
    def std(self) -> Tensor:
        """Weighted, per coordinate, (n, d)."""
        square = (self.points - self.mean).square()
        return torch.einsum("p,pnd->nd", self.log_weights.exp().to(self.points), square).sqrt()

    def resample(self, n_samples: int, seed: int | torch.Generator = 0) -> Tensor:
        """`n_samples` clouds of equal weight, (n_samples, n, d); a particle can occur several times."""
        generator = as_generator(seed)
        chosen = systematic(self.log_weights, check_integer("n_samples", n_samples), generator)
        return self.points[chosen[torch.randperm(n_samples, generator=generator)]]


def twisted_smc(
    prior: Prior,
    likelihood: Likelihood,
    *,
    n_particles: int = 256,
    n_points: int | None = None,
    dim: int | None = None,
    schedule: Tensor | None = None,
    guidance: Guidance | None = None,
    prior_std: float = SIGMA_DATA,
    threshold: float = 0.5,
    seed: int = 0,
    progress: bool = True,
) -> Particles:
    """Sample p(x0 | y) with weighted particles that are exact in the limit of many particles and steps.

    The prior's chain goes from t to t' by N(x + (t^2 - t'^2) score, v), v = q (1 - q) t^2 + (1 - q)^2 V, q = t'^2 /
    t^2, where V = s^2 t^2 / (s^2 + t^2) is the variance of x0 given x for a Gaussian prior of standard deviation s =
    prior_std: exact for that prior with any number of steps, and for all priors in the limit. A particle moves by the
    guided score instead, and its weight is multiplied by the ratio of the two densities and by that of the twisting
    functions, p(y | x) at t' to that at t: the guidance's own `log_twist`, or log p(y | D(x, t)) if it has none. When
    the effective number of particles falls under `threshold` times n_particles they are resampled (systematically).

    guidance: the proposal, by default `LikelihoodScore(prior_std)`; where it applies, `MomentMatched()` needs fewer
    particles. likelihood: with sigma; log p(y | x0) has to be a density, so use the sum over permutations. seed: the
    particles depend on each other, and so on n_particles. Trippe et al., arXiv 2206.04119; Wu et al., arXiv 2306.17775.
    Raises ValueError on bad settings, before any work starts, and RuntimeError when all weights vanish or diverge.
    """
    from dpskit.progress import tqdm

    check_method("prior", prior, "denoise(x, t)")
    check_method("likelihood", likelihood, "log_prob(x0)")
    n_particles, seed = check_integer("n_particles", n_particles), check_integer("seed", seed, least=0)
    prior_std = check_number("prior_std", prior_std, above=0.0)
    if not 0 <= check_number("threshold", threshold) <= 1:
        raise ValueError(f"threshold must be between 0 and 1, got {threshold!r}.")
    score = (LikelihoodScore(prior_std) if guidance is None else guidance)(prior, likelihood)
    shape, times = prepare(prior, likelihood, n_points, dim, schedule, density=True)
    generator = as_generator(seed)

    x = times[0] * torch.randn(n_particles, *shape, generator=generator)
    found = _evaluate(score(x, torch.full((n_particles,), times[0])), likelihood)
    log_weights = found.log_twist - math.log(n_particles)
    ess, resampled = [], []
    log_evidence = 0.0
    for t, t_next in tqdm(list(itertools.pairwise(times)), desc="particles", unit="step", disable=not progress):
        # Normalise, remember the factor, and resample if need be.
        log_evidence += _log_total(log_weights, t)
        log_weights = torch.log_softmax(log_weights, 0)
        ess.append(effective_number(log_weights))
        resampled.append(ess[-1] < threshold * n_particles)
        score_now, denoised, twist = found.score, found.denoised, found.log_twist
        if resampled[-1]:
            chosen = systematic(log_weights, n_particles, generator)
            x, score_now, denoised, twist = x[chosen], score_now[chosen], denoised[chosen], twist[chosen]
            log_weights = torch.full_like(log_weights, -math.log(n_particles))
        # Move by the guided score; correct for it with the density of the prior's own step.
        step = t**2 - t_next**2
        std = _transition_std(t, t_next, prior_std)
        noise = torch.randn(x.shape, generator=generator)
        pull = score_now - prior_score(denoised, x, torch.full((n_particles,), t))
        x = x + step * score_now + std * noise
        log_ratio = (noise.square() - (noise + step / std * pull).square()).flatten(1).sum(dim=1) / 2
        if t_next > 0:
            found = _evaluate(score(x, torch.full((n_particles,), t_next)), likelihood)
            twist_next = found.log_twist
        else:
            twist_next = likelihood.log_prob(x).detach()
        log_weights = log_weights + log_ratio.double() + twist_next.double() - twist.double()
    log_evidence += _log_total(log_weights, 0.0)
    log_weights = torch.log_softmax(log_weights, 0)
    ess.append(effective_number(log_weights))
    resampled.append(False)
    return Particles(x, log_weights, torch.tensor(ess), torch.tensor(resampled), log_evidence, len(times) - 1)


def systematic(log_weights: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Indices (count,), rising: particle i occurs count w_i times, rounded up or down, all by one uniform number."""
    places = (torch.arange(count) + torch.rand((), generator=generator)) / count
    cumulated = log_weights.double().exp().cumsum(0)
    return torch.searchsorted(cumulated / cumulated[-1], places.double()).clamp_max(len(log_weights) - 1)


def effective_number(log_weights: Tensor) -> float:
    """1 / sum w^2 of weights that sum to 1."""
    return float(torch.exp(-torch.logsumexp(2 * log_weights, 0)))


def _log_total(log_weights: Tensor, t: float) -> float:
    total = float(torch.logsumexp(log_weights, 0))
    if not math.isfinite(total):
        raise RuntimeError(
            f"all particles were lost on the way to t = {t:.3g}: more steps, more particles or a guidance with "
            "inflated noise, LikelihoodScore(prior_std), may help."
        )
    return total


def _transition_std(t: float, t_next: float, prior_std: float) -> float:
    q = (t_next / t) ** 2
    variance = prior_std**2 * t**2 / (prior_std**2 + t**2)
    return math.sqrt(q * (1 - q) * t**2 + (1 - q) ** 2 * variance)


def _evaluate(found: ScoreEval, likelihood: Likelihood) -> ScoreEval:
    """The evaluation with a twisting function, in double precision."""
    twist = likelihood.log_prob(found.denoised).detach() if found.log_twist is None else found.log_twist
    return replace(found, log_twist=twist.double())
