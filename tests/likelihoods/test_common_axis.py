"""The axes that views share: the tables against the definition of the statistic, and searches whose answer is known."""

import numpy as np
import pytest
import torch

import dpskit
from dpskit.data.check_views import anderson_darling
from dpskit.likelihoods.common_axis import CommonAxes, misfit, random_turns, search_nearby, search_orientations
from dpskit.rotations import angles_between, random_rotations


@pytest.fixture(scope="module")
def data(lopsided):
    """Four views of an object without symmetry."""
    return dpskit.Projections.observe(lopsided(600), 4, 300, seed=3)


@pytest.fixture(scope="module")
def axes(data):
    return CommonAxes.of(data.points)


def test_tables_hold_the_statistic_of_anderson_and_darling(data, axes):
    assert torch.equal(axes.tables[1, 0], axes.tables[0, 1].T)
    for a, b in [(0, 0), (17, 140), (100, 31)]:
        angles = 2 * np.pi * np.array([a, b]) / len(axes.tables[0, 1])
        along = [y.numpy() @ np.array([np.cos(t), np.sin(t)]) for y, t in zip(data.points, angles, strict=False)]
        assert float(axes.tables[0, 1, a, b]) == pytest.approx(anderson_darling(*along), rel=0.08, abs=0.05)


def test_views_agree_about_their_axes_in_the_true_orientations_alone(data, axes):
    truth = float(axes.disagreement(data.rotations[None])[0])
    others = axes.disagreement(random_rotations(400, 1).view(100, 4, 3, 3))
    assert truth < 1.2 and float(others.min()) > 2 * truth
    turn = random_rotations(1, 2)[0]
    assert float(axes.disagreement((turn @ data.rotations)[None])[0]) == pytest.approx(truth, rel=0.3)
    pairs = [axes.statistic(i, j, data.rotations[i], data.rotations[j]) for j in range(4) for i in range(j)]
    assert truth == pytest.approx(float(sum(pairs) / 6), rel=1e-5)
    last = axes.of_view(3, data.rotations[3][None, None], data.rotations[None])
    assert float(last[0, 0]) == pytest.approx(float(pairs[3] + pairs[4] + pairs[5]), rel=1e-5)


def test_an_unknown_orientation_is_found(data, axes):
    generator = torch.Generator().manual_seed(0)
    sets = data.rotations.expand(16, -1, -1, -1).clone()
    sets[:, 2] = random_rotations(16, generator)
    found = search_orientations(axes, sets, [2], [1.0, 0.2], generator)
    found = search_nearby(axes, found, [2], [10.0, 5.0], 0.25, generator)
    assert torch.equal(found[:, [0, 1, 3]], sets[:, [0, 1, 3]])
    best = found[axes.disagreement(found).argmin(), 2]
    assert float(angles_between(best, data.rotations[2])) < 12


def test_a_nearby_search_stays_within_its_tolerance(data, axes):
    generator = torch.Generator().manual_seed(1)
    stated = data.rotations @ random_turns((4,), 8.0, generator)
    found = search_nearby(axes, stated[None], [1, 2], [6.0] * 6, 0.1, generator, stated, 12.0)
    moved = angles_between(found[0], stated)
    assert float(moved[[0, 3]].max()) < 0.1 and 0.1 < float(moved[[1, 2]].max()) <= 12.01
    assert float(axes.disagreement(found)[0]) < float(axes.disagreement(stated[None])[0])
    with_misfit = [
        float(6 * axes.disagreement(s)[0] + misfit(angles_between(s[0], stated), 12.0).sum())
        for s in (found, stated[None])
    ]
    assert with_misfit[0] < with_misfit[1]
    assert float(misfit(torch.tensor(6.0), 12.0)) == 0.5


def test_turns_have_the_size_that_is_asked_for():
    turns = random_turns((2000,), 9.0, torch.Generator().manual_seed(0))
    square = angles_between(turns, torch.eye(3)).square().mean()
    assert float(square.sqrt()) == pytest.approx(9.0, rel=0.05)
