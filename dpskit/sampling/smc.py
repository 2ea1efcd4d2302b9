"""Twisted sequential Monte Carlo: guidance proposes, weights correct, and the particles become exact as they grow."""

from __future__ import annotations

import itertools
import math
import warnings
from dataclasses import dataclass

import torch
from torch import Tensor

from dpskit.checks import check_integer, check_method, check_number, check_seed, check_share
from dpskit.cloud import as_generator
from dpskit.likelihoods.protocol import Measurement
from dpskit.priors.edm import SIGMA_DATA
from dpskit.priors.protocol import Prior
from dpskit.sampling.dps import LikelihoodScore
from dpskit.sampling.particles import Particles, effective_number, systematic
from dpskit.sampling.protocol import Guidance, Score
from dpskit.sampling.trial import prepare
from dpskit.sampling.unguided import prior_score

FEWEST, FEWEST_SHARE = 10, 0.05
"""A run whose effective number of particles falls below both, in number and as a share, has collapsed."""


def twisted_smc(
    prior: Prior,
    likelihood: Measurement,
    *,
    n_particles: int = 256,
    n_points: int | None = None,
    dim: int | None = None,
    schedule: Tensor | None = None,
    guidance: Guidance | None = None,
    prior_std: float = SIGMA_DATA,
    threshold: float = 0.5,
    seed: int = 0,
    device: torch.device | str = "cpu",
    progress: bool = True,
) -> Particles:
    """Sample p(x0 | y) with weighted particles that are exact in the limit of many particles and steps.

    Parameters
    ----------
    prior
        Anything with `denoise`.
    likelihood
        Anything with `log_prob`, which has to be a density: use the sum over permutations.
    n_particles
        Their number.
    n_points, dim, schedule, device, progress
        As for `sample`.
    guidance
        The proposal (default: `LikelihoodScore(prior_std)`). Where it applies, `MomentMatched` needs fewer particles.
    prior_std
        The standard deviation s of the Gaussian prior for which the steps are exact.
    threshold
        The particles are resampled (systematically) when their effective number falls under this share of them.
    seed
        The particles depend on each other, and so on n_particles.

    Returns
    -------
    Particles
        The weighted samples, the effective numbers, and the estimate of log p(y).

    Raises
    ------
    ValueError, TypeError
        For bad settings, and for parts that a trial on two clouds cannot use, before any work starts.
    RuntimeError
        When all weights vanish or diverge.

    Warns
    -----
    RuntimeWarning
        When the effective number of particles collapses on the way.

    Notes
    -----
    The prior's chain goes from t to t' by N(x + (t^2 - t'^2) score, v), v = q (1 - q) t^2 + (1 - q)^2 V, q = t'^2 /
    t^2, where V = s^2 t^2 / (s^2 + t^2) is the variance of x0 given x for a Gaussian prior of standard deviation s:
    exact for that prior with any number of steps, and for all priors in the limit. A particle moves by the guided score
    instead, and its weight is multiplied by the ratio of the two densities and by that of the twisting functions,
    p(y | x) at t' to that at t: the guidance's own `log_twist`, or log p(y | D(x, t)) if it has none. Trippe et al.,
    arXiv 2206.04119; Wu et al., arXiv 2306.17775.

    Examples
    --------
    The posterior of one number is N(0.8, 0.2).

    >>> import dpskit, torch
    >>> data, prior = dpskit.LinearGaussian(torch.eye(1), torch.ones(1), sigma=0.5), dpskit.GaussianPrior(0.0, 1.0)
    >>> times = dpskit.karras_schedule(20, t_max=10.0)
    >>> particles = dpskit.twisted_smc(prior, data, n_particles=2000, prior_std=1.0, schedule=times, progress=False)
    >>> round(float(particles.mean), 1), round(float(particles.std) ** 2, 1)
    (0.8, 0.2)
    """
    from dpskit.progress import tqdm

    check_method("prior", prior, "denoise(x, t)")
    check_method("likelihood", likelihood, "log_prob(x0)")
    n_particles, seed = check_integer("n_particles", n_particles), check_seed("seed", seed)
    prior_std = check_number("prior_std", prior_std, above=0.0)
    threshold = check_share("threshold", threshold)
    guidance = LikelihoodScore(prior_std) if guidance is None else guidance
    check_method("guidance", guidance, "__call__(prior, likelihood)")
    score = guidance(prior, likelihood)
    shape, times, width = prepare(prior, likelihood, n_points, dim, schedule, density=True, device=device)
    generator = as_generator(seed)

    x = (width * torch.randn(n_particles, *shape, generator=generator)).to(device)
    here = _evaluate(score, likelihood, x, times[0])
    log_weights = here.log_twist - math.log(n_particles)
    ess, resampled = [], []
    log_evidence = 0.0
    for t, t_next in tqdm(list(itertools.pairwise(times)), desc="particles", unit="step", disable=not progress):
        log_evidence += _log_total(log_weights, t)
        log_weights = torch.log_softmax(log_weights, 0)
        ess.append(effective_number(log_weights))
        resampled.append(ess[-1] < threshold * n_particles)
        if resampled[-1]:
            chosen = systematic(log_weights, n_particles, generator)
            x, here = x[chosen], here.chosen(chosen)
            log_weights = torch.full_like(log_weights, -math.log(n_particles))
        twist = here.log_twist
        x, log_ratio = _move(x, here, t, t_next, prior_std, generator)
        here = _evaluate(score, likelihood, x, t_next)
        log_weights = log_weights + log_ratio.double().cpu() + here.log_twist - twist
    log_evidence += _log_total(log_weights, 0.0)
    log_weights = torch.log_softmax(log_weights, 0)
    ess.append(effective_number(log_weights))
    resampled.append(False)
    _check_collapse(ess, n_particles)
    return Particles(x, log_weights, torch.tensor(ess), torch.tensor(resampled), log_evidence, len(times) - 1)


def _check_collapse(ess: list[float], n_particles: int) -> None:
    """Warn where the effective number of particles once fell so low that the others forgot what they had explored."""
    smallest = min(ess)
    if smallest < min(FEWEST, FEWEST_SHARE * n_particles):
        message = (
            f"the effective number of particles fell to {smallest:.1f} of {n_particles}, so the evidence and the "
            "samples are not to be trusted: more steps, more particles, or a guidance with inflated noise, "
            "LikelihoodScore(prior_std), may help."
        )
        warnings.warn(message, RuntimeWarning, stacklevel=3)


@dataclass(frozen=True, eq=False)
class _Here:
    """What is known of the particles at a time: scores and denoised clouds (p, n, d), and log twists (p,)."""

    score: Tensor
    denoised: Tensor
    log_twist: Tensor

    def chosen(self, index: Tensor) -> _Here:
        return _Here(self.score[index], self.denoised[index], self.log_twist[index])


def _evaluate(score: Score, likelihood: Measurement, x: Tensor, t: float) -> _Here:
    """The score of particles x at time t with a twisting function, in double precision; at t = 0 that one alone."""
    if t == 0:
        return _Here(x, x, likelihood.log_prob(x).detach().double().cpu())
    evaluation = score(x, torch.full((len(x),), t).to(x))
    twist = evaluation.log_twist
    twist = likelihood.log_prob(evaluation.denoised).detach() if twist is None else twist
    return _Here(evaluation.score, evaluation.denoised, twist.double().cpu())


def _move(
    x: Tensor, here: _Here, t: float, t_next: float, prior_std: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Particles moved by the guided score, and the log of the density of the prior's own step over that of this one."""
    step, std = t**2 - t_next**2, _transition_std(t, t_next, prior_std)
    noise = torch.randn(x.shape, generator=generator).to(x)
    pull = here.score - prior_score(here.denoised, x, torch.full((len(x),), t).to(x))
    log_ratio = (noise.square() - (noise + step / std * pull).square()).flatten(1).sum(dim=1) / 2
    return x + step * here.score + std * noise, log_ratio


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
