"""Projections whose `log_prob` sums over what each point may come from: against the sum itself, and as a density."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from likelihood_cases import clouds, seeds
from scipy.stats import multivariate_normal

from dpskit import GaussianPrior, LikelihoodScore, Projections, random_rotations, sample
from dpskit.pose.posed import Posed


def summed(x, rotation, y, sigma):
    """p(y | x): the mean over all n^m ways in which m points may come from n of the probability of the points."""
    seen = (x @ rotation.double())[:, :2].numpy()
    ways = itertools.product(range(len(seen)), repeat=len(y))
    return np.mean([np.prod([multivariate_normal.pdf(y[j], seen[i], sigma**2) for j, i in enumerate(w)]) for w in ways])


@given(seeds, st.integers(1, 3), st.integers(1, 3), st.floats(0.3, 2.0))
def test_it_is_the_sum_over_all_ways(seed, n, m, sigma):
    x, y = clouds(seed, 2, n, 3), [clouds(seed + k + 1, m, 2) for k in range(2)]
    rotations = random_rotations(2, seed)
    data = Projections(y, rotations, sigma, marginal=True)
    for b, cloud in enumerate(x.double()):
        expected = sum(np.log(summed(cloud, rotations[k], y[k].double().numpy(), sigma)) for k in range(2))
        assert float(data.log_prob(x)[b]) == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_it_is_a_density_of_the_observed_points(normal):
    x, sigma = normal(1, 6, 3) / 3, 0.3
    axis = torch.linspace(-4, 4, 81)
    grid = torch.cartesian_prod(axis, axis)
    densities = [
        Projections([y[None]], torch.eye(3)[None], sigma, marginal=True).log_prob(x).exp() for y in grid.unbind()
    ]
    assert float(torch.stack(densities).sum()) * (8 / 80) ** 2 == pytest.approx(1.0, abs=1e-4)


def test_noise_is_added_and_the_energy_stays_that_of_the_matching(normal):
    x, views = normal(2, 30, 3), Projections.observe(normal(40, 3), 2, 12, seed=0, sigma=0.3)
    data = Projections(views.points, views.rotations, 0.3, marginal=True)
    other = Projections(views.points, views.rotations, 0.5, marginal=True)
    assert torch.allclose(data.with_noise(0.16).log_prob(x), other.log_prob(x), rtol=1e-5)
    assert torch.equal(data.energy(x), views.energy(x)) and not torch.allclose(data.log_prob(x), views.log_prob(x))


def test_turned_data_and_data_of_a_run_say_the_same(normal):
    x, views = normal(2, 30, 3), Projections.observe(normal(40, 3), 2, 12, seed=0, sigma=0.3)
    data, turns = Projections(views.points, views.rotations, 0.3, marginal=True), random_rotations(2, 5)
    assert torch.allclose(Posed(data, turns).log_prob(x), data.log_prob(x @ turns), rtol=1e-5)
    run = data.start()
    run.energy(x)
    assert torch.equal(run.log_prob(x), data.log_prob(x))
    rough = Projections(views.points, views.rotations, 0.3, marginal=True, tolerance=5.0).start()
    assert math.isfinite(float(rough.log_prob(x).sum())) and len(rough.log_prob(x[:1])) == 1


def test_a_run_takes_it_and_bad_settings_are_named(normal, one_sentence):
    views = Projections.observe(normal(40, 3), 2, 12, seed=0, sigma=0.3)
    data = Projections(views.points, views.rotations, 0.3, marginal=True)
    rule = LikelihoodScore(prior_std=1.0)
    samples = sample(GaussianPrior(0.0, 1.0), data, n_samples=2, n_points=30, guidance=rule, progress=False)
    assert bool(samples.points.isfinite().all())
    with one_sentence(ValueError, "trimmed", "marginal", "0.1"):
        Projections(views.points, views.rotations, 0.3, marginal=True, trimmed=0.1)
    with one_sentence(ValueError, "sigma"):
        Projections(views.points, views.rotations, marginal=True).log_prob(normal(1, 30, 3))
