"""A subunit that is not placed: its placements are found before a run, and the samples keep to them."""

import pytest
import torch

from dpskit import (
    DPS,
    CoarseGrained,
    Frame,
    GaussianPrior,
    Joint,
    Observations,
    Projections,
    Subunit,
    angles_between,
    karras_schedule,
    load_samples,
    random_rotations,
    sample,
)
from dpskit.likelihoods import placement
from dpskit.likelihoods.placement import place
from dpskit.sampling import orientations
from dpskit.sampling.placements import find_placements, views_that_place

SEED = 3
QUICK = {"n_points": 150, "schedule": karras_schedule(4), "guidance": DPS(100_000.0), "progress": False}
PRIOR = GaussianPrior(0.0, 0.5)


@pytest.fixture(scope="module", autouse=True)
def quick():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(placement, "N_ROTATIONS", 768)
        yield


@pytest.fixture(scope="module")
def planted(lopsided):
    """The points of an object, three views of half of them, and a quarter of them in another place."""
    points = lopsided(400)
    views = Projections.observe(points, 3, 200, seed=SEED)
    part = Subunit.observe(points, 100, seed=1).points
    turn = random_rotations(1, SEED)[0]
    return views, part, (part - part.mean(dim=0)) @ turn.T + torch.tensor([3.0, -2.0, 1.0])


@pytest.fixture(scope="module")
def found(planted):
    views, _, elsewhere = planted
    return find_placements(views, Subunit(elsewhere, placed=False), 400)


def test_a_planted_part_is_found(planted, found):
    """Within 5 degrees and a twentieth of the object."""
    _, part, elsewhere = planted
    assert 1 <= len(found.rotations) <= 10
    assert float(angles_between(found.rotations[0, :3], random_rotations(1, SEED)[0])) < 5
    assert float((place(elsewhere, found.rotations[0]) - part).norm(dim=1).mean()) < 0.05
    torch.testing.assert_close(found.rotations[:, :3].det(), torch.ones(len(found.rotations)))


def test_hypotheses_are_probabilities_with_the_best_first(found):
    assert float(found.weights.sum()) == pytest.approx(1, abs=1e-5)
    assert found.weights.tolist() == sorted(found.weights.tolist(), reverse=True)


def test_the_place_is_the_same_wherever_the_part_was_and_at_whatever_scale(planted, found):
    views, _, elsewhere = planted
    part = place(elsewhere, found.rotations[0])
    turn, shift = random_rotations(1, 9)[0], torch.tensor([-4.0, 0.0, 2.0])
    doubled = Projections([2 * y for y in views.points], views.rotations)
    again = find_placements(doubled, Subunit(2 * (elsewhere @ turn + shift), placed=False), 400)
    assert float((place(2 * (elsewhere @ turn + shift), again.rotations[0]) / 2 - part).norm(dim=1).mean()) < 0.05


def test_samples_hold_the_placement_of_each_and_their_energy_is_that_of_the_part_there(planted, tmp_path):
    views, _, elsewhere = planted
    data = Joint([views, Subunit(elsewhere, placed=False)])
    samples = sample(PRIOR, data, n_samples=2, **QUICK)
    assert samples.placement.shape == (2, 4, 3) and sum(samples.settings["placements"]) == pytest.approx(1, abs=1e-5)
    for j in range(2):
        placed = Joint([views, Subunit(place(elsewhere, samples.placement[j]))])
        assert float(samples.energy[j]) == pytest.approx(float(placed.energy(samples.points[j : j + 1])), rel=1e-4)
    samples.save(tmp_path / "s.npz")
    assert torch.equal(load_samples(tmp_path / "s.npz").placement, samples.placement)
    first = Joint([views, Subunit(place(elsewhere, samples.placement[0]))])
    known = sample(PRIOR, first, n_samples=1, **QUICK)
    torch.testing.assert_close(known.points[0], samples.points[0], atol=1e-3, rtol=0)
    assert known.placement is None


def test_orientations_are_found_beside_a_place(planted, short_trials, monkeypatch):
    """Views of known orientation place the part, and those of unknown orientation keep to the hypotheses of a run."""
    monkeypatch.setattr(orientations, "N_HYPOTHESES", 4)
    views, _, elsewhere = planted
    rotations = views.rotations.clone()
    rotations[1] = torch.nan
    unknown, part = Projections([y[:60] for y in views.points], rotations), Subunit(elsewhere, placed=False)
    samples = sample(PRIOR, Joint([unknown, views, part]), n_samples=2, **QUICK)
    for j in range(2):
        seen = Projections(unknown.points, samples.rotations[j])
        placed = Joint([seen, views, Subunit(place(elsewhere, samples.placement[j]))])
        assert float(samples.energy[j]) == pytest.approx(float(placed.energy(samples.points[j : j + 1])), rel=1e-4)


UNPLACED = Subunit([[0.0, 0.0, 0.0], [0.5, 0.0, 0.0]], placed=False)
VIEW = Projections([[[0.0, 0.0]]], torch.eye(3)[None])
WIDE = Projections([[[-1.0, 0.5], [1.0, -0.5]]], torch.eye(3)[None])
UNKNOWN = Projections([[[0.0, 0.0]]] * 2)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (UNPLACED, ["Joint", "got 0"]),
        (Joint([CoarseGrained([[0.0, 0.0, 0.0]]), UNPLACED]), ["Projections", "got 0"]),
        (Joint([Projections([[[0.0, 0.0]]] * 2), UNPLACED]), ["orientations", "known", "got 0"]),
        (Joint([Projections([[[0.0, 0.0]]], torch.eye(3)[None], shifted=True), UNPLACED]), ["shifted", "got 0"]),
        (Joint([WIDE, Subunit([[0.3, 0.1, 0.0]], placed=False)]), ["radius of gyration", "0.07", "got 0."]),
        (Joint([WIDE, Subunit(torch.ones(9, 3), placed=False)]), ["radius of gyration", "0.07", "got 0."]),
        (Joint([WIDE, Subunit(1e-3 * torch.eye(3), placed=False)]), ["radius of gyration", "0.07", "got 0.0008"]),
        (Joint([VIEW, UNPLACED]), ["where the subunit has room"]),
        (Joint([VIEW, VIEW, UNPLACED]), ["one Projections", "got 2"]),
        (Joint([UNKNOWN, UNKNOWN]), ["at most one Projections", "got 2"]),
        (Joint([VIEW, UNPLACED, Subunit([[0.0, 0.0, 0.0]], placed=False)]), ["at most one", "several"]),
    ],
)
def test_where_a_part_cannot_be_placed(one_sentence, data, words):
    with one_sentence(ValueError, *words):
        sample(PRIOR, data, n_points=4, progress=False)


def test_only_a_run_places(one_sentence):
    cloud = torch.zeros(1, 4, 3)
    with one_sentence(ValueError, "placed", "sample()"):
        UNPLACED.energy(cloud)
    with one_sentence(TypeError, "placed", "no"):
        Subunit([[0.0, 0.0, 0.0]], placed="no")
    for part in (UNPLACED, UNKNOWN):
        with one_sentence(ValueError, "parts[1]", "a run has to find"):
            Joint([VIEW, Joint([VIEW, part])])
    with one_sentence(ValueError, "in its place"):
        Observations.of(Joint([VIEW, UNPLACED]), Frame((0.0, 0.0, 0.0), 1.0))
    assert views_that_place(None) is None and views_that_place(VIEW) is None
