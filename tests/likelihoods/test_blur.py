"""Projections with `blur`: their energy and density against SciPy, and what they prefer."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from likelihood_cases import EYE, clouds, seeds
from scipy.stats import multivariate_normal

from dpskit import DPS, CoarseGrained, GaussianPrior, Joint, Projections, random_rotations, sample
from dpskit.likelihoods.observation import SURPRISE


def kernel_densities(x, rotation, y, width):
    """The mean over model points of the normal density with this width at each observed point."""
    seen = (x @ rotation.double())[:, :2].numpy()
    return np.array([np.mean([multivariate_normal.pdf(point, mean, width**2) for mean in seen]) for point in y.numpy()])


@given(seeds, st.integers(2, 6), st.integers(1, 5), st.floats(0.2, 2.0))
def test_the_energy_adds_the_surprise_of_the_observed_points(seed, n, m, blur):
    x, y = clouds(seed, 2, n, 3), [clouds(seed + k + 1, m, 2) for k in range(2)]
    rotations = random_rotations(2, seed)
    plain, data = Projections(y, rotations, seed=seed), Projections(y, rotations, seed=seed, blur=blur)
    for b, cloud in enumerate(x):
        for k in range(2):
            densities = kernel_densities(cloud, rotations[k], y[k], blur) * 2 * np.pi * blur**2
            surprise = -(blur**2) * np.log(densities).mean()
            expected = (1 - SURPRISE) * float(plain.energies(x)[b, k]) + SURPRISE * surprise
            assert float(data.energies(x)[b, k]) == pytest.approx(expected, rel=1e-5, abs=1e-7)
    assert bool((data.energy(x) >= 0).all())


@given(seeds, st.floats(0.2, 1.0), st.floats(0.1, 1.0))
def test_log_prob_is_that_of_points_drawn_from_the_model_with_both_noises(seed, blur, sigma):
    x, y = clouds(seed, 1, 5, 3), [clouds(seed + k + 1, 4, 2) for k in range(2)]
    rotations = random_rotations(2, seed)
    expected = sum(
        np.log(kernel_densities(x[0], r, points, np.hypot(blur, sigma))).sum()
        for r, points in zip(rotations, y, strict=True)
    )
    found = Projections(y, rotations, sigma, blur=blur).log_prob(x)
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_simulated_points_have_the_variance_of_both_noises():
    data = Projections([torch.zeros(4000, 2)], EYE, sigma=0.3, blur=0.4)
    drawn = data.simulate(torch.zeros(1, 3), torch.Generator().manual_seed(0)).points[0]
    assert float(drawn.square().mean()) == pytest.approx(0.25, rel=0.05)  # 0.3^2 + 0.4^2; standard error 1.6 %


def test_the_gradient_is_that_of_the_energy(normal):
    data = Projections([normal(6, 2).double(), normal(9, 2).double()], random_rotations(2, 1), blur=0.5)
    assert torch.autograd.gradcheck(data.energy, normal(2, 12, 3).double().requires_grad_())


def test_crowding_at_few_observed_points_pays_less():
    """Another sample of the object against a cloud that lies at its 200 observed points: how much more E it has."""
    generator = torch.Generator().manual_seed(0)
    ball, same = torch.nn.functional.normalize(torch.randn(2, 1024, 3, generator=generator), dim=2)
    ratios = []
    for blur in (0.0, 0.05):
        data = Projections.observe(ball, n_views=1, n_points=200, seed=1, blur=blur)
        crowd = torch.cat([data.points[0], torch.zeros(200, 1)], dim=1) @ data.rotations[0].T
        crowd = crowd.repeat_interleave(data.views[0].multiplicity(1024), dim=0)
        crowded, other = data.energy(torch.stack([crowd, same])).tolist()
        ratios.append(other / max(crowded, 1e-9))
    assert ratios[0] > 1e6 and 1 < ratios[1] < 2


def test_it_takes_part_in_a_joint_and_in_a_run(normal):
    views = Projections.observe(normal(40, 3), 3, 12, seed=0, blur=0.3)
    data = Joint([views, CoarseGrained.observe(normal(40, 3), 5, means=True)])
    rule = DPS(alpha=60_000)
    found = sample(GaussianPrior(0.0, 1.0), data, n_samples=3, n_points=40, guidance=rule, seed=0, progress=False)
    assert found.energy.tolist() == pytest.approx(data.energy(found.points).tolist(), rel=1e-4)


@pytest.mark.parametrize(
    "blur, trimmed, words", [(-0.1, 0.0, "blur"), (float("nan"), 0.0, "blur"), (0.1, 0.1, "left out")]
)
def test_bad_input(blur, trimmed, words):
    with pytest.raises(ValueError, match=words):
        Projections([torch.zeros(3, 2)], EYE, blur=blur, trimmed=trimmed)
