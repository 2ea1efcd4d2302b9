"""Twisted SMC: its parts, and that it becomes exact in every case as particles and steps grow."""

import math

import pytest
import torch

from dpskit import (
    DPS,
    CoarseGrained,
    DataSpace,
    GaussianMixturePrior,
    GaussianPrior,
    LikelihoodScore,
    LinearGaussian,
    MomentMatched,
    PointMixturePrior,
    UnknownOrder,
    karras_schedule,
    twisted_smc,
)


def runs(prior, data, count, n_particles, n_steps, t_max, shape, **settings):
    """Means, stds and log evidences of `count` independent runs."""
    n, d = shape
    found = [
        twisted_smc(prior, data, n_particles=n_particles, n_points=n, dim=d, seed=seed, progress=False,
                    schedule=karras_schedule(n_steps, t_max=t_max), **settings)
        for seed in range(count)
    ]  # fmt: skip
    mean, std = (torch.stack([getattr(run, name) for run in found]) for name in ("mean", "std"))
    return mean, std, torch.tensor([run.log_evidence for run in found])


def z_scores(values, truth):
    """Of the mean of independent runs (r, ...)."""
    return ((values.mean(dim=0) - truth) / (values.std(dim=0) / math.sqrt(len(values)))).abs()


X0 = torch.tensor([[0.4, -0.3], [0.1, 0.6], [-0.5, -0.2]])
MIXTURE = GaussianMixturePrior(
    [0.6, 0.4], torch.stack([X0 + 0.3, torch.tensor([[-0.4, 0.3], [0.2, 0.2], [0.5, -0.6]])]), [0.4, 0.5]
)
FIRST = torch.tensor([[1.0], [0.0]])
CASES = {
    "gaussian": (GaussianPrior(torch.zeros(3, 2), 0.5), LinearGaussian(torch.eye(6)[::2], X0[:, 0] + 0.1, 0.2)),
    "mixture": (MIXTURE, LinearGaussian(torch.eye(6)[::2], X0[:, 0] + 0.1, 0.2)),
    "i.i.d. points": (
        PointMixturePrior([[0.6, 0.3], [-0.5, 0.2], [0.1, -0.6]], 0.3),
        LinearGaussian(torch.eye(6)[::2], X0[:, 0] + 0.1, 0.3),
    ),
    "unknown order": (MIXTURE, UnknownOrder(X0.flip(0) + 0.1, 0.3)),
    "projection in unknown order": (MIXTURE, UnknownOrder(X0[:, :1].flip(0) + 0.1, 0.2, FIRST)),
}


@pytest.mark.parametrize("name", CASES)
def test_smc_is_exact_in_all_cases(name):
    """Mean, spread and evidence of 10 runs of 1,200 particles against the closed form."""
    prior, data = CASES[name]
    exact = data.posterior(prior)
    mean, std, log_evidence = runs(prior, data, 10, 1200, 80, 8.0, (3, 2), prior_std=0.5)
    # 6 coordinates and t statistics of 9 degrees of freedom: 5.5 is as rare as 3.6 of a normal number.
    assert float(z_scores(mean, exact.mean).max()) < 5.5
    assert float(z_scores(std, exact.std).max()) < 5.5
    assert float(((mean.mean(0) - exact.mean) / exact.std).abs().max()) < 0.08
    assert float((std.mean(0) / exact.std - 1).abs().max()) < 0.05
    assert abs(float(log_evidence.mean()) - data.log_evidence(prior)) < 0.12


def test_the_error_falls_with_the_particles():
    prior, data = CASES["unknown order"]
    exact = data.posterior(prior)
    errors = []
    for n_particles in (50, 800):
        mean, _, log_evidence = runs(prior, data, 12, n_particles, 40, 8.0, (3, 2), prior_std=0.5)
        errors.append((float((mean - exact.mean).square().mean().sqrt()), float(log_evidence.std())))
    # 16 times as many particles: a quarter of the error.
    for few, many in zip(*errors, strict=True):
        assert many < few / 2.5


@pytest.mark.parametrize("guidance", [LikelihoodScore(1.0), MomentMatched(), DataSpace(prior_std=1.0), DPS(512.0)])
def test_whatever_proposes_the_weights_make_it_exact(guidance):
    prior, data = GaussianPrior(0.0, 1.0), LinearGaussian([[1.0]], [1.0], 0.6)
    mean, std, log_evidence = runs(prior, data, 16, 800, 30, 10.0, (1, 1), prior_std=1.0, guidance=guidance)
    assert float(z_scores(mean, 1 / 1.36)) < 4.5
    assert float(z_scores(std, 0.6 / math.sqrt(1.36))) < 4.5
    # The chain of a Gaussian prior is exact with any number of steps: exp(log_evidence) is unbiased.
    evidence = math.exp(data.log_evidence(prior))
    assert float(z_scores(log_evidence.exp(), evidence)) < 4.5


def test_the_evidence_approaches_the_exact_one_with_the_steps():
    """prior_std is wrong here on purpose: what is left is the error of the chain, of first order."""
    prior, data = GaussianPrior(0.0, 0.3), LinearGaussian([[1.0]], [0.2], 0.05)
    errors = []
    for n_steps in (10, 40, 160):
        _, _, log_evidence = runs(prior, data, 6, 2000, n_steps, 6.0, (1, 1), prior_std=1.0, guidance=MomentMatched())
        errors.append(abs(float(log_evidence.mean()) - data.log_evidence(prior)))
    assert errors[1] < errors[0] / 2 and errors[2] < 0.02


def test_particles():
    prior, data = CASES["gaussian"]
    settings = {"n_particles": 200, "n_points": 3, "dim": 2, "schedule": karras_schedule(20, t_max=5.0)}
    found = twisted_smc(prior, data, seed=3, progress=False, **settings)
    assert found.points.shape == (200, 3, 2)
    assert found.ess.shape == found.resampled.shape == (21,)
    assert bool((found.ess >= 1 - 1e-9).all() and (found.ess <= 200 + 1e-6).all())
    assert found.evaluations == 20
    assert float(found.log_weights.exp().sum()) == pytest.approx(1)
    assert bool((found.ess[found.resampled] < 100).all() and (found.ess[:-1][~found.resampled[:-1]] >= 100).all())
    assert float(found.ess[-1]) == pytest.approx(1 / float(found.log_weights.exp().square().sum()))
    again = twisted_smc(prior, data, seed=3, progress=False, **settings)
    assert torch.equal(found.points, again.points) and found.log_evidence == again.log_evidence
    drawn = found.resample(4000, seed=1)
    assert torch.allclose(drawn.mean(0), found.mean, atol=0.02)
    never = twisted_smc(prior, data, seed=3, progress=False, threshold=0.0, **settings)
    assert not never.resampled.any()


def test_bad_input(one_sentence):
    prior, data = CASES["gaussian"]
    for name, value in {"n_particles": 0, "n_points": 0, "dim": 0, "seed": -1}.items():
        with one_sentence(ValueError, name):
            twisted_smc(prior, data, **{name: value})
    with one_sentence(ValueError, "threshold", "2"):
        twisted_smc(prior, data, threshold=2.0)
    for device in ("gpu", None):
        with one_sentence(ValueError, "device", "cpu", device):
            twisted_smc(prior, data, device=device)
    with one_sentence(ValueError, "prior_std", "above 0"):
        twisted_smc(prior, data, prior_std=0.0)
    with one_sentence(ValueError, "sigma", "None"):
        twisted_smc(prior, CoarseGrained(torch.zeros(2, 3)), n_points=3)
    for guidance in ("dps", LikelihoodScore):
        with one_sentence(TypeError, "guidance", "__call__(prior, likelihood)"):
            twisted_smc(prior, data, guidance=guidance)


def test_lost_particles_are_reported(one_sentence):
    """A pull that is far too strong for the steps diverges."""
    with one_sentence(RuntimeError, "all particles were lost", "LikelihoodScore(prior_std)"):
        twisted_smc(
            GaussianPrior(0.0, 1.0),
            LinearGaussian([[1.0]], [1.0], 1e-12),
            n_particles=4,
            n_points=1,
            dim=1,
            schedule=karras_schedule(6, t_max=10.0),
            guidance=LikelihoodScore(),
            progress=False,
        )


def test_a_run_whose_particles_collapse_says_so(recwarn):
    """Twenty numbers, measured precisely, in few steps, without inflated noise: one particle takes all."""
    data = LinearGaussian(torch.eye(20), torch.full((20,), 0.3), 0.1)
    settings = {"n_particles": 200, "n_points": 20, "dim": 1, "schedule": karras_schedule(8, t_max=5.0)}
    with pytest.warns(RuntimeWarning, match=r"effective number of particles fell to [1-9]\.\d of 200"):
        twisted_smc(GaussianPrior(0.0, 1.0), data, guidance=LikelihoodScore(), progress=False, **settings)
    recwarn.clear()
    calm = LinearGaussian(torch.eye(20), torch.full((20,), 0.3), 1.0)
    twisted_smc(GaussianPrior(0.0, 1.0), calm, guidance=MomentMatched(), progress=False, **settings)
    assert not recwarn.list
