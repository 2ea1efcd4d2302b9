"""Projections: their energies against brute force, and what is observed."""

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from likelihood_cases import DEEP, EYE, FLAT, brute_force, clouds, seeds, sizes

from dpskit import Projections, random_rotations
from dpskit.likelihoods.projection import project


def test_a_view_of_a_seed_is_the_same_however_many_are_observed(normal):
    few, many = (Projections.observe(normal(30, 3), k, 9, seed=5, reflections=True, sigma=0.1) for k in (2, 5))
    assert torch.equal(few.rotations, many.rotations[:2])
    assert all(torch.equal(a, b) for a, b in zip(few.points, many.points[:2], strict=True))


def test_the_views_of_one_likelihood_redraw_differently():
    views = Projections([torch.zeros(5, 2)] * 3, random_rotations(3), seed=4).views
    assert len({tuple(view.multiplicity(40).tolist()) for view in views}) == 3


@given(seeds, st.integers(1, 3), sizes, st.lists(sizes, min_size=1, max_size=3), st.booleans(), st.booleans())
def test_projection_energies_are_the_brute_force_minima(seed, batch, n, observed, balanced, ties):
    x = clouds(seed, batch, n, 3, ties=ties)
    rotations = random_rotations(len(observed), seed, reflections=True)
    if ties:
        rotations = torch.eye(3).expand(len(observed), 3, 3)
    points = [clouds(seed + k + 1, m, 2, ties=ties) for k, m in enumerate(observed)]
    data = Projections(points, rotations, seed=seed, balanced=balanced)
    energies = data.energies(x)
    assert energies.shape == (batch, len(observed))
    for b, k in itertools.product(range(batch), range(len(observed))):
        flat = (x[b] @ rotations[k].double())[:, [0, 1]]
        expected = brute_force(flat, points[k], data.views[k].multiplicity(n))
        assert float(energies[b, k]) == pytest.approx(expected, abs=1e-9)
    assert torch.allclose(data.energy(x), energies.mean(dim=1))


def test_projection_is_a_row_vector_convention():
    quarter = torch.tensor([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]])  # x R turns (1, 0, 0) into (0, 1, 0)
    assert project(torch.tensor([[1.0, 0.0, 7.0]]), quarter).tolist() == [[0.0, 1.0]]


def test_observed_projections_are_random_subsets(normal):
    x = normal(50, 3)
    data = Projections.observe(x, n_views=6, n_points=20, seed=4, reflections=True)
    assert len(data.points) == 6 and data.rotations.shape == (6, 3, 3) and data.sigma is None
    assert len(torch.unique(torch.linalg.det(data.rotations).round())) == 2  # O(3): reflections among them
    for y, rotation in zip(data.points, data.rotations, strict=True):
        distance = (y[:, None] - (x @ rotation)[:, :2]).norm(dim=2)
        assert y.shape == (20, 2)
        assert float(distance.amin(dim=1).max()) < 1e-5
        assert len(distance.argmin(dim=1).unique()) == 20  # without replacement
    assert bool((torch.linalg.det(Projections.observe(x, 9, 5).rotations) > 0).all())  # SO(3) by default
    again, other = (Projections.observe(x, n_views=6, n_points=20, seed=s, reflections=True) for s in (4, 5))
    assert all(torch.equal(a, b) for a, b in zip(data.points, again.points, strict=True))
    assert not torch.equal(data.rotations, other.rotations)


def test_observed_projections_carry_the_noise_asked_for(normal):
    x = torch.cartesian_prod(torch.arange(20.0), torch.arange(20.0), torch.zeros(1))
    data = Projections.observe(x, n_views=1, n_points=400, seed=2, sigma=0.01)
    assert data.sigma == 0.01
    chi_squared = 2 * 400 * float(data.energy(x[None])) / 0.01**2
    # In a foreshortened view some points may be matched better than to their own, so the upper bound is the sure one.
    assert 400 < chi_squared < 800 + 4 * math.sqrt(1600)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: Projections([DEEP], EYE), ValueError, ["points[0]", "(4, 3)"]),
        (lambda: Projections([FLAT, FLAT[:0]], EYE.expand(2, 3, 3)), ValueError, ["points[1]", "(0, 2)"]),
        (lambda: Projections([FLAT / 0], EYE), ValueError, ["points[0]", "finite", "4 of 4"]),
        (lambda: Projections(FLAT, EYE), ValueError, ["points[0]", "(2,)"]),
        (lambda: Projections(None, EYE), TypeError, ["points", "NoneType"]),
        (lambda: Projections([FLAT], EYE * 1.1), ValueError, ["rotations[0]", "orthogonal", "0.21"]),
        (lambda: Projections([FLAT], torch.eye(3)), ValueError, ["rotations", "(3, 3)"]),
        (lambda: Projections([FLAT, FLAT], EYE), ValueError, ["points", "rotations", "2 and 1"]),
        (lambda: Projections([], EYE), ValueError, ["points", "rotations", "0 and 1"]),
        (lambda: Projections([FLAT], EYE, sigma=0), ValueError, ["sigma", "above 0", "0"]),
        (lambda: Projections([FLAT], EYE, sigma=-0.1), ValueError, ["sigma", "-0.1"]),
        (lambda: Projections([FLAT], EYE, sigma=math.nan), ValueError, ["sigma", "nan"]),
        (lambda: Projections([FLAT], EYE, tolerance=400), ValueError, ["tolerance", "180 degrees", "400"]),
        (
            lambda: Projections([FLAT], EYE.index_fill(1, torch.tensor([0]), math.nan)),
            ValueError,
            ["[0]", "row of NaN"],
        ),
        (lambda: Projections([FLAT], EYE, seed=-1), ValueError, ["seed", "-1"]),
        (lambda: Projections.observe(DEEP, n_views=0), ValueError, ["n_views", "0"]),
        (lambda: Projections.observe(DEEP, n_points=-5), ValueError, ["n_points", "-5"]),
        (lambda: Projections.observe(FLAT), ValueError, ["points", "(4, 2)"]),
        (lambda: Projections.observe(DEEP, sigma=-1.0), ValueError, ["sigma", "-1.0"]),
        (lambda: Projections.observe(DEEP, seed=1.5), ValueError, ["seed", "1.5"]),
        (lambda: Projections([FLAT], EYE).energy(FLAT[None]), ValueError, ["x0", "(1, 4, 2)"]),
    ],
)
def test_bad_input(one_sentence, call, error, words):
    with one_sentence(error, *words):
        call()
