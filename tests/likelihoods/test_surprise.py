"""The surprise of observed points: against SciPy, in a joint, in a pose, in the pull, and what it prefers."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from likelihood_cases import clouds, seeds
from scipy.stats import multivariate_normal

from dpskit import DPS, CoarseGrained, GaussianPrior, Joint, Projections, random_rotations, sample
from dpskit.likelihoods.surprise import kernel_log_density
from dpskit.pose.posed import Posed


def kernel_densities(x, rotation, y, width):
    """The mean over model points of the normal density with this width at each observed point."""
    seen = (x @ rotation.double())[:, :2].numpy()
    return np.array([np.mean([multivariate_normal.pdf(point, mean, width**2) for mean in seen]) for point in y.numpy()])


@given(seeds, st.integers(2, 6), st.integers(1, 5), st.floats(0.2, 2.0))
def test_surprise_is_the_mean_log_density_of_the_observed_points(seed, n, m, blur):
    x, y = clouds(seed, 2, n, 3), [clouds(seed + k + 1, m, 2) for k in range(2)]
    rotations = random_rotations(2, seed)
    data = Projections(y, rotations, seed=seed)
    for b, cloud in enumerate(x):
        for k in range(2):
            densities = kernel_densities(cloud, rotations[k], y[k], blur) * 2 * np.pi * blur**2
            expected = -3 * blur**2 * np.log(densities).mean() if m < n else 0.0
            assert float(data.surprises(x, blur)[b, k]) == pytest.approx(expected, rel=1e-5, abs=1e-7)
    assert torch.allclose(data.surprise(x, blur), data.surprises(x, blur).mean(dim=1))


@pytest.mark.parametrize("width", [1e-4, 1e-3, 1e-2])
def test_a_narrow_kernel_has_its_digits(width, normal):
    seen = 0.3 * normal(1, 300, 2)  # in the cube
    y = seen[0, :50] + width * normal(50, 2, seed=1)
    squares = (y[:, None].double() - seen[0].double()).square().sum(dim=2)
    expected = (squares / (-2 * width**2)).logsumexp(dim=1) - math.log(300)
    found = kernel_log_density(y, seen, width)
    assert found.dtype == torch.float32 and torch.allclose(found[0].double(), expected, atol=5e-3)


def test_a_joint_weights_the_surprise_of_each_view_as_its_energy(normal):
    x, views = normal(2, 30, 3), Projections.observe(normal(40, 3), 2, 12, seed=0)
    data = Joint([views, CoarseGrained(normal(5, 3))], weights=[0.5, 0.2, 9.0])
    assert torch.allclose(data.surprise(x, 0.3), views.surprises(x, 0.3) @ torch.tensor([0.5, 0.2]))
    assert float(CoarseGrained(normal(5, 3)).surprise(x, 0.3)) == 0.0  # no sample of a density


def test_a_joint_asks_every_part_that_has_a_surprise(normal):
    class Counted:
        def energy(self, x0):
            return x0.square().sum(dim=(1, 2))

        def surprise(self, x0, width):
            return width * x0.abs().sum(dim=(1, 2))

    x = normal(2, 30, 3)
    data = Joint([Counted(), CoarseGrained(normal(5, 3))], weights=[0.5, 9.0])
    assert torch.allclose(data.surprise(x, 0.3), 0.15 * x.abs().sum(dim=(1, 2)))


def test_the_surprise_of_turned_data_is_that_of_the_turned_cloud(normal):
    x, views = normal(2, 30, 3), Projections.observe(normal(40, 3), 2, 12, seed=0)
    turns = random_rotations(2, 5)
    assert torch.allclose(Posed(views, turns).surprise(x, 0.3), views.surprise(x @ turns, 0.3))


@pytest.mark.parametrize(("t", "counts"), [(0.19, True), (0.21, False)])
def test_the_pull_adds_it_to_the_energy_at_small_noise_alone(normal, t, counts):
    """The pull is alpha n / 1024 times the gradient of the misfit, over its square root."""
    views = Projections.observe(normal(40, 3), 2, 12, seed=0)
    x, prior, time = normal(1, 30, 3), GaussianPrior(0.0, 1.0), torch.tensor([t])
    found = DPS(alpha=50.0, reach=None, blur=0.3)(prior, views)(x, time)
    leaf = x.clone().requires_grad_()
    denoised = prior.denoise(leaf, time)
    misfit = views.energy(denoised) + (views.surprise(denoised, 0.3) if counts else 0.0)
    (gradient,) = torch.autograd.grad(misfit.sum(), leaf)
    pull = 50.0 * 30 / 1024 * gradient / misfit.detach().sqrt()
    assert torch.allclose(found.score, found.prior_score - pull, atol=1e-5)
    assert torch.allclose(found.energy, views.energy(denoised).detach())


def test_the_gradient_is_that_of_the_surprise(normal):
    data = Projections([normal(6, 2).double(), normal(9, 2).double()], random_rotations(2, 1))
    assert torch.autograd.gradcheck(lambda x: data.surprise(x, 0.5), normal(2, 12, 3).double().requires_grad_())


def test_crowding_at_few_observed_points_pays_less():
    """Another sample of the object has more misfit than a cloud that lies at its 200 observed points: how much."""
    generator = torch.Generator().manual_seed(0)
    sphere, same = torch.nn.functional.normalize(torch.randn(2, 1024, 3, generator=generator), dim=2)
    data = Projections.observe(sphere, n_views=1, n_points=200, seed=1)
    crowd = torch.cat([data.points[0], torch.zeros(200, 1)], dim=1) @ data.rotations[0].T
    crowd = crowd.repeat_interleave(data.views[0].multiplicity(1024), dim=0)
    both = torch.stack([crowd, same])
    (least, energy), (lower, upper) = (
        data.energy(both).tolist(),
        (data.energy(both) + data.surprise(both, 0.05)).tolist(),
    )
    assert least < 1e-6 < energy and 1 < upper / lower < 2


def test_it_takes_part_in_a_run_as_the_prior_asks(normal):
    class Blurred(GaussianPrior):
        blur = 0.3

    views = Projections.observe(normal(40, 3), 3, 12, seed=0)
    run = partial(sample, likelihood=views, n_samples=2, n_points=40, seed=0, progress=False)
    own, given, without = (
        run(prior, guidance=DPS(blur=blur)).points
        for prior, blur in ((Blurred(0.0, 1.0), None), (GaussianPrior(0.0, 1.0), 0.3), (Blurred(0.0, 1.0), 0.0))
    )
    assert torch.equal(own, given) and not torch.equal(own, without)
    assert float(views.surprise(own, 0.3).mean()) < float(views.surprise(without, 0.3).mean())


def test_data_without_surprise_are_pulled_by_their_energy_alone():
    class Centre:
        def energy(self, x0):
            return x0.mean(dim=1).square().sum(dim=1) / 2

    run = partial(sample, GaussianPrior(0.0, 0.5), Centre(), n_samples=2, n_points=10, seed=0, progress=False)
    assert torch.equal(run(guidance=DPS(blur=0.1)).points, run(guidance=DPS(blur=0.0)).points)
