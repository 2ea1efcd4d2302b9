"""A low-resolution structure."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from likelihood_cases import DEEP, FLAT, brute_force, clouds, seeds, sizes

from dpskit import CoarseGrained, assign


@given(seeds, sizes, sizes, st.booleans(), st.booleans())
def test_coarse_energies_are_the_brute_force_minima(seed, n, m, balanced, ties):
    x, y = clouds(seed, 2, n, 3, ties=ties), clouds(seed + 1, m, 3, ties=ties)
    data = CoarseGrained(y, seed=seed, balanced=balanced)
    energy = data.energy(x)
    for b in range(2):
        expected = brute_force(x[b], y, data.observation.multiplicity(n))
        assert float(energy[b]) == pytest.approx(expected, abs=1e-9)
    assert torch.equal(data.energies(x), energy[:, None])


def test_gradient_of_a_matched_point_by_hand():
    x = torch.tensor([[[0.0, 0.0, 0.0], [10.0, 0.0, 0.0]]]).requires_grad_()
    CoarseGrained([[10.5, 0.0, 0.0], [0.0, 1.0, 0.0]]).energy(x).sum().backward()
    assert torch.allclose(x.grad, torch.tensor([[[0.0, -0.5, 0.0], [-0.25, 0.0, 0.0]]]))  # (x_i - y_i) / n


@given(seeds, sizes, sizes)
def test_the_energy_of_means_is_that_of_points_without_the_scatter_in_the_groups(seed, n, m):
    """The squares about an observed point are those about the group's mean, and that of the mean."""
    x, y = clouds(seed, 1, n, 3), clouds(seed + 1, m, 3)
    points, means = CoarseGrained(y, seed=seed, balanced=True), CoarseGrained(y, seed=seed, means=True)
    groups = assign(x, y, points.observation.multiplicity(n)).index[0]
    scatter = sum(float((x[0][groups == k] - x[0][groups == k].mean(dim=0)).square().sum()) for k in groups.unique())
    assert float(means.energy(x)) == pytest.approx(float(points.energy(x)) - scatter / (2 * n), abs=1e-9)


def test_means_move_their_groups_as_one():
    x = torch.tensor([[[0.0, 0.0, 0.0], [2.0, 0.0, 0.0], [10.0, 0.0, 1.0], [12.0, 0.0, 1.0]]]).requires_grad_()
    energy = CoarseGrained([[11.0, 0.0, 1.0], [1.0, 0.5, 0.0]], means=True).energy(x)
    energy.sum().backward()
    assert float(energy.detach()) == pytest.approx(2 * 0.5**2 / 2 / 4)
    moved = torch.tensor([[[0.0, -0.5, 0.0], [0.0, -0.5, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]]) / 4
    assert torch.allclose(x.grad, moved)


def test_means_simulated_from_a_cloud_fit_it(normal):
    """Groups far apart: the fit of their means is exact, and the noise is what remains."""
    x = torch.cat([center + 0.05 * normal(60, 3, seed=k) for k, center in enumerate(5 * torch.eye(3))])
    data = CoarseGrained(torch.zeros(3, 3), sigma=1e-3, means=True).simulate(x, torch.Generator().manual_seed(0))
    assert data.means and float(data.energy(x[None])) < 1e-5 < float(CoarseGrained(data.points).energy(x[None]))


def test_observed_coarse_grained_structure(normal):
    x = torch.cat([center + 0.05 * normal(60, 3, seed=k) for k, center in enumerate(5 * torch.eye(3))])
    data = CoarseGrained.observe(x, n_points=3, seed=1)
    means = x.unflatten(0, (3, 60)).mean(dim=1)
    order = data.points.argmax(dim=1).argsort()
    assert torch.allclose(data.points[order].float(), means, atol=1e-4)
    assert torch.equal(CoarseGrained.observe(x, n_points=3, seed=1).points, data.points)


def test_the_components_of_a_coarse_structure_share_their_covariance(normal):
    """A long group and a round one that overlap: with a covariance each, the means would lie elsewhere."""
    from sklearn.mixture import GaussianMixture

    x = torch.cat([normal(150, 3) * torch.tensor([3.0, 0.3, 0.3]), normal(50, 3, seed=1) + 1.0])
    found = CoarseGrained.observe(x, n_points=2, seed=0).points.double()
    tied, full = (
        torch.from_numpy(GaussianMixture(2, covariance_type=kind, random_state=0).fit(x.numpy()).means_)
        for kind in ("tied", "full")
    )
    assert torch.allclose(found, tied.double(), atol=1e-5)
    assert float((tied - full).abs().max()) > 0.3


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: CoarseGrained(FLAT), ValueError, ["points", "(4, 2)"]),
        (lambda: CoarseGrained(DEEP[:0]), ValueError, ["points", "(0, 3)"]),
        (lambda: CoarseGrained(DEEP, sigma=0.0), ValueError, ["sigma", "0.0"]),
        (lambda: CoarseGrained("atoms"), TypeError, ["points", "str"]),
        (lambda: CoarseGrained.observe(DEEP, n_points=5), ValueError, ["n_points", "4", "5"]),
        (lambda: CoarseGrained.observe(DEEP, n_points=0), ValueError, ["n_points", "0"]),
        (lambda: CoarseGrained.observe(DEEP, n_points=2, seed=-1), ValueError, ["seed", "-1"]),
        (lambda: CoarseGrained(DEEP).energy(DEEP), ValueError, ["x0", "(b, n, 3)", "(4, 3)"]),
        (lambda: CoarseGrained(DEEP).energy(DEEP[None] * math.nan), ValueError, ["x0", "4 of 4"]),
    ],
)
def test_bad_input(one_sentence, call, error, words):
    with one_sentence(error, *words):
        call()
