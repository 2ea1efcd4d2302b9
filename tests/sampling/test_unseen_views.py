"""Orientations judged and corrected by clouds that have not seen the view."""

import math

import pytest
import torch

import dpskit
from dpskit.rotations import angles_between, rotations_by
from dpskit.sampling.unseen_views import _OthersEnergy, correct_orientations

HALF_TURN = rotations_by(torch.tensor([0.0, math.pi, 0.0]))


pytestmark = pytest.mark.usefixtures("short_trials")


@pytest.fixture(scope="module")
def known(views_of_lopsided):
    return views_of_lopsided(5)


def test_each_cloud_leaves_its_view_out(known):
    sets = torch.stack([known.rotations, known.rotations.flip(0)])
    clouds = torch.rand(10, 30, 3, generator=torch.Generator().manual_seed(0)) - 0.5
    energy = _OthersEnergy(known, sets).energy(clouds)
    for j in range(2):
        each = dpskit.Projections(known.points, sets[j]).energies(clouds[5 * j : 5 * j + 5])
        others = (each.sum(dim=1) - each.diagonal()) / 4
        torch.testing.assert_close(energy[5 * j : 5 * j + 5], others, rtol=1e-5, atol=1e-7)


def test_a_view_from_the_wrong_side_is_turned_and_the_right_set_stays_ahead(known):
    wrong = known.rotations.clone()
    wrong[2] = wrong[2] @ HALF_TURN
    rotations = known.rotations.clone()
    rotations[2] = torch.nan
    data = dpskit.Projections(known.points, rotations)
    found, log_prob = correct_orientations(data, torch.stack([known.rotations, wrong]), [2], seed=0)
    assert torch.equal(found[:, [0, 1, 3, 4]], known.rotations[[0, 1, 3, 4]].expand(2, -1, -1, -1))
    assert float(angles_between(found[1, 2], known.rotations[2])) < 15
    untouched = correct_orientations(data, wrong[None], [], seed=0)
    assert torch.equal(untouched[0][0], wrong)
    assert float(log_prob[1]) > float(untouched[1]) + 20


def test_a_wrong_frame_turns_with_all_others(views_of_lopsided):
    """The first view, which fixes the frame, does not suit the others by 29 degrees."""
    truth = views_of_lopsided(8, 300)
    rotations = torch.full((8, 3, 3), torch.nan)
    rotations[0] = truth.rotations[0]
    wrong = rotations_by(torch.tensor([0.0, 0.5, 0.0])) @ truth.rotations
    wrong[0] = truth.rotations[0]
    found, _ = correct_orientations(dpskit.Projections(truth.points, rotations), wrong[None], range(1, 8), seed=0)
    assert torch.equal(found[0, 0], truth.rotations[0])
    assert float(angles_between(found[0], truth.rotations)[1:].mean()) < 12


def test_rough_orientations_keep_to_their_tolerance(known):
    off = rotations_by(0.15 * torch.nn.functional.normalize(torch.arange(15.0).reshape(5, 3).cos(), dim=1))
    stated = known.rotations @ off
    stated[0] = known.rotations[0]
    data = dpskit.Projections(known.points, stated, tolerance=5.0)
    found, _ = correct_orientations(data, stated[None], data.rough, seed=0)
    assert float(angles_between(found[0], stated).max()) <= 5.01
