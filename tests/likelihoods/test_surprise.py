"""The surprise of observed points: against SciPy, in a joint, in a pose, in the pull, and what it prefers."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from likelihood_cases import EYE, clouds, seeds
from scipy.stats import multivariate_normal

from dpskit import DPS, CoarseGrained, GaussianPrior, Joint, Projections, random_rotations, sample
from dpskit.pose.posed import Posed


def kernel_densities(x, rotation, y, width):
    """The mean over model points of the normal density with this width at each observed point."""
    seen = (x @ rotation.double())[:, :2].numpy()
    return np.array([np.mean([multivariate_normal.pdf(point, mean, width**2) for mean in seen]) for point in y.numpy()])


@given(seeds, st.integers(2, 6), st.integers(1, 5), st.floats(0.2, 2.0))
def test_surprise_is_the_mean_log_density_of_the_observed_points(seed, n, m, blur):
    x, y = clouds(seed, 2, n, 3), [clouds(seed + k + 1, m, 2) for k in range(2)]
    rotations = random_rotations(2, seed)
    plain, data = Projections(y, rotations, seed=seed), Projections(y, rotations, seed=seed, blur=blur)
    for b, cloud in enumerate(x):
        for k in range(2):
            densities = kernel_densities(cloud, rotations[k], y[k], blur) * 2 * np.pi * blur**2
            expected = -3 * blur**2 * np.log(densities).mean()
            assert float(data.surprises(x)[b, k]) == pytest.approx(expected, rel=1e-5, abs=1e-7)
    assert torch.allclose(data.surprise(x), data.surprises(x).mean(dim=1)) and plain.surprise(x) is None
    assert torch.equal(data.energy(x), plain.energy(x))


def test_a_joint_weights_the_surprise_of_each_view_as_its_energy(normal):
    x, views = normal(2, 30, 3), Projections.observe(normal(40, 3), 2, 12, seed=0, blur=0.3)
    data = Joint([views, CoarseGrained(normal(5, 3))], weights=[0.5, 0.2, 9.0])
    assert torch.allclose(data.surprise(x), views.surprises(x) @ torch.tensor([0.5, 0.2]))
    assert Joint([replace(views, blur=0.0), CoarseGrained(normal(5, 3))]).surprise(x) is None


def test_the_surprise_of_turned_data_is_that_of_the_turned_cloud(normal):
    x, views = normal(2, 30, 3), Projections.observe(normal(40, 3), 2, 12, seed=0, blur=0.3)
    turns = random_rotations(2, 5)
    assert torch.allclose(Posed(views, turns).surprise(x), views.surprise(x @ turns))


@pytest.mark.parametrize(("t", "counts"), [(0.19, True), (0.21, False)])
def test_the_pull_adds_it_to_the_energy_at_small_noise_alone(normal, t, counts):
    """The pull is alpha n / 1024 times the gradient of the misfit, over its square root."""
    views = Projections.observe(normal(40, 3), 2, 12, seed=0, blur=0.3)
    x, prior, time = normal(1, 30, 3), GaussianPrior(0.0, 1.0), torch.tensor([t])
    found = DPS(alpha=50.0, reach=None)(prior, views)(x, time)
    leaf = x.clone().requires_grad_()
    denoised = prior.denoise(leaf, time)
    misfit = views.energy(denoised) + (views.surprise(denoised) if counts else 0.0)
    (gradient,) = torch.autograd.grad(misfit.sum(), leaf)
    pull = 50.0 * 30 / 1024 * gradient / misfit.detach().sqrt()
    assert torch.allclose(found.score, found.prior_score - pull, atol=1e-5)
    assert torch.allclose(found.energy, views.energy(denoised).detach())


def test_the_gradient_is_that_of_the_surprise(normal):
    data = Projections([normal(6, 2).double(), normal(9, 2).double()], random_rotations(2, 1), blur=0.5)
    assert torch.autograd.gradcheck(data.surprise, normal(2, 12, 3).double().requires_grad_())


def test_crowding_at_few_observed_points_pays_less():
    """Another sample of the object has more misfit than a cloud that lies at its 200 observed points: how much."""
    generator = torch.Generator().manual_seed(0)
    sphere, same = torch.nn.functional.normalize(torch.randn(2, 1024, 3, generator=generator), dim=2)
    data = Projections.observe(sphere, n_views=1, n_points=200, seed=1, blur=0.05)
    crowd = torch.cat([data.points[0], torch.zeros(200, 1)], dim=1) @ data.rotations[0].T
    crowd = crowd.repeat_interleave(data.views[0].multiplicity(1024), dim=0)
    both = torch.stack([crowd, same])
    (least, energy), (lower, upper) = data.energy(both).tolist(), (data.energy(both) + data.surprise(both)).tolist()
    assert least < 1e-6 < energy and 1 < upper / lower < 2


def test_it_takes_part_in_a_joint_and_in_a_run(normal):
    views = Projections.observe(normal(40, 3), 3, 12, seed=0, blur=0.3)
    data = Joint([views, CoarseGrained.observe(normal(40, 3), 5, means=True)])
    rule = DPS(alpha=60_000)
    found = sample(GaussianPrior(0.0, 1.0), data, n_samples=3, n_points=40, guidance=rule, seed=0, progress=False)
    assert found.energy.tolist() == pytest.approx(data.energy(found.points).tolist(), rel=1e-4)


@pytest.mark.parametrize("blur", [-0.1, float("nan"), float("inf")])
def test_bad_input(blur):
    with pytest.raises(ValueError, match="blur"):
        Projections([torch.zeros(3, 2)], EYE, blur=blur)
