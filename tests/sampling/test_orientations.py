"""Orientations that are found before a run: of one view, within a tolerance, and of all."""

import pytest
import torch

import dpskit
from dpskit.rotations import angles_between, rotations_by
from dpskit.sampling import orientations
from dpskit.sampling.orientations import find_orientations

MIRROR = torch.diag(torch.tensor([-1.0, -1.0, 1.0]))


@pytest.fixture(scope="module")
def known(views_of_lopsided):
    return views_of_lopsided(4)


@pytest.fixture(autouse=True)
def quick(monkeypatch, short_trials):
    monkeypatch.setattr(orientations, "N_HYPOTHESES", 6)


def test_one_unknown_orientation(known):
    rotations = known.rotations.clone()
    rotations[1] = torch.nan
    found = find_orientations(dpskit.Projections(known.points, rotations))
    assert torch.equal(
        found.rotations[:, [0, 2, 3]], known.rotations[[0, 2, 3]].expand(len(found.rotations), -1, -1, -1)
    )
    assert float(angles_between(found.rotations[0, 1], known.rotations[1])) < 10
    assert float(found.weights.sum()) == pytest.approx(1.0, abs=1e-5)
    assert found.weights.tolist() == sorted(found.weights.tolist(), reverse=True)
    again = find_orientations(dpskit.Projections(known.points, rotations))
    assert torch.equal(again.rotations, found.rotations)


def test_rough_orientations_get_better_and_keep_to_the_tolerance(known):
    off = rotations_by(torch.tensor([[0.0, 0.0, 0.0], [0.12, -0.1, 0.05], [-0.1, 0.1, 0.1], [0.0, 0.1, -0.14]]))
    stated = known.rotations @ off
    data = dpskit.Projections(known.points, stated, tolerance=12.0)
    found = find_orientations(data).rotations
    assert torch.equal(found[:, 0], stated[0].expand(len(found), -1, -1))
    before, after = (angles_between(r, known.rotations)[1:].mean() for r in (stated, found[0]))
    assert float(after) < 0.7 * float(before)
    assert float(angles_between(found, stated).max()) < 12.1


def test_no_orientation_known(known):
    """Up to the mirror image of the object."""
    found = find_orientations(dpskit.Projections(known.points)).rotations[0]
    truth = known.rotations[0].T @ known.rotations
    errors = [float(angles_between(one, truth)[1:].mean()) for one in (found, MIRROR @ found @ MIRROR)]
    assert torch.equal(found[0], torch.eye(3)) and min(errors) < 20


def test_views_of_the_origin_alone_have_no_orientation(one_sentence):
    with one_sentence(ValueError, "points", "origin"):
        find_orientations(dpskit.Projections([[[0.0, 0.0]]] * 2))
