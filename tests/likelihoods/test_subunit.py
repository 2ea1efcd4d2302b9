"""A known part."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from likelihood_cases import DEEP, clouds, least_cost, seeds

from dpskit import Subunit


@given(seeds, st.integers(1, 7).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n))), st.booleans())
def test_subunit_energies_are_the_brute_force_minima_over_all_injections(seed, n_and_size, ties):
    n, size = n_and_size
    x, y = clouds(seed, 2, n, 3, ties=ties), clouds(seed + 1, size, 3, ties=ties)
    energy = Subunit(y).energy(x)
    for b in range(2):
        assert float(energy[b]) == pytest.approx(least_cost(x[b], y) / (2 * size), abs=1e-9)


def test_a_simulated_subunit_is_a_neighbourhood():
    """Four groups of three points, far apart: each part is one of the groups, and every group comes up."""
    x = (10.0 * torch.arange(4.0))[:, None, None] + 0.1 * torch.eye(3)
    data, generator, found = Subunit(torch.zeros(3, 3), sigma=1e-4), torch.Generator().manual_seed(0), set()
    for _ in range(40):
        part = data.simulate(x.reshape(12, 3), generator).points
        group = int((part.mean() / 10).round())
        assert float((part.sort(dim=0).values - x[group].sort(dim=0).values).abs().max()) < 1e-3
        found.add(group)
    assert found == {0, 1, 2, 3}


def test_observed_subunit_is_one_cluster(normal):
    x = torch.cat([center + 0.05 * normal(40, 3, seed=k) for k, center in enumerate(5 * torch.eye(3))])
    chosen = set()
    for seed in range(12):
        part = Subunit.observe(x, n_points=40, seed=seed)
        rows = torch.cdist(part.points, x).argmin(dim=1)
        assert torch.equal(part.points, x[rows])
        assert len(part.points) == 40 and len(set((rows // 40).tolist())) == 1
        assert torch.equal(Subunit.observe(x, n_points=40, seed=seed).points, part.points)
        chosen.add(int(rows[0]) // 40)
    assert chosen == {0, 1, 2}


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: Subunit(DEEP * math.nan), ValueError, ["points", "4 of 4"]),
        (lambda: Subunit(DEEP, sigma=math.inf), ValueError, ["sigma", "inf"]),
        (lambda: Subunit.observe(DEEP, n_points=9), ValueError, ["n_points", "4", "9"]),
        (lambda: Subunit.observe(DEEP, n_points=2, seed=-1), ValueError, ["seed", "-1"]),
        (lambda: Subunit(DEEP).energy(DEEP[None, :3]), ValueError, ["x0", "4", "3"]),
        (lambda: Subunit(DEEP, 0.1).simulate(DEEP[:3], torch.Generator()), ValueError, ["x0", "4", "3"]),
    ],
)
def test_bad_input(one_sentence, call, error, words):
    with one_sentence(error, *words):
        call()


def test_points_with_a_gradient_are_observed_as_they_are(normal):
    points = normal(60, 3)
    assert torch.equal(Subunit.observe(points.clone().requires_grad_(), 20).points, Subunit.observe(points, 20).points)
