"""What a scenario lets be seen of an object."""

from dataclasses import replace

import pytest
import torch

import dpskit
from dpskit.benchmarks.paper import ROWS
from dpskit.experiments.scenarios import Scenario


@pytest.fixture
def points(normal):
    return normal(400, 3).clamp(-1, 1)


def test_a_scenario_observes_what_the_library_does(points):
    data = ROWS["9"].observe(points, seed=3)
    views, coarse, part = data.parts
    expected = dpskit.Projections.observe(points, 1, 200, 3, reflections=True)
    assert torch.equal(views.points[0], expected.points[0]) and torch.equal(views.rotations, expected.rotations)
    assert torch.equal(coarse.points, dpskit.CoarseGrained.observe(points, 30, 3).points)
    assert torch.equal(part.points, dpskit.Subunit.observe(points, 128, 3).points)
    assert torch.equal(data.weights, torch.full((3,), 1 / 3))
    alone = replace(ROWS["9"], n_views=0, coarse_points=0).observe(points, seed=3)
    assert isinstance(alone, dpskit.Subunit)


def test_balanced_data_are_the_same_points_each_used_equally_often(points):
    plain = replace(ROWS["9"], n_views=2)
    data = replace(plain, balanced=True).observe(points, seed=3)
    for ours, theirs in zip(data.parts[0].views, plain.observe(points, seed=3).parts[0].views, strict=True):
        assert torch.equal(ours.points, theirs.points)
        assert ours.multiplicity(410).unique().tolist() == [2, 3] and len(theirs.multiplicity(410).unique()) > 2
    assert data.parts[1].observation.multiplicity(60).unique().tolist() == [2]


def test_a_coarse_structure_of_means_is_the_same_structure_of_equal_groups(points):
    coarse = replace(ROWS["9"], means=True).observe(points, seed=3).parts[1]
    assert coarse.means and coarse.observation.multiplicity(60).unique().tolist() == [2]
    assert torch.equal(coarse.points, dpskit.CoarseGrained.observe(points, 30, 3).points)


def test_views_drawn_anew_show_other_points_in_the_same_orientations(points, normal, one_sentence):
    scenario = Scenario("a", 3, 100)
    twin = scenario.redrawn(None)
    assert twin.name == "a, points drawn anew" and scenario.redrawn(1.5).name.endswith(" and noise of 1.5")
    clean = scenario.observe(points, 5)
    others = [normal(300, 3, seed=k + 1) for k in range(3)]
    seen = twin.observe(points, 5, draw=others.__getitem__)
    assert torch.equal(seen.rotations, clean.rotations)
    for view, rotation, other in zip(seen.points, seen.rotations, others, strict=True):
        shown = other @ rotation[:, :2]
        apart = torch.cdist(view.double(), torch.cat([shown, points @ rotation[:, :2]]).double())
        assert float(apart[:, :300].amin(dim=1).max()) < 1e-6 < float(apart[:, 300:].min())
    with one_sentence(ValueError, "draw", "drawn anew"):
        twin.observe(points, 5)


def test_the_noise_is_in_the_unit_of_the_target(points):
    noisy = Scenario("a", 2, 400, sigma=1.5, anew=True)
    clean = replace(noisy, sigma=None)
    pairs = [s.observe(points, 3, scale=50.0, draw=lambda k: points) for s in (noisy, clean)]
    # The first view's points are drawn before any noise, so that they correspond.
    difference = pairs[0].points[0] - pairs[1].points[0]
    variance = float(difference.square().mean()) * 50**2 / 1.5**2  # of 800 normal numbers
    assert abs(variance - 1) < 4 * (2 / 800) ** 0.5
    assert pairs[0].sigma == pytest.approx(0.03)


@pytest.mark.parametrize("means", [False, True])
def test_the_usual_alpha_is_the_default_of_the_data(points, means):
    scenario = Scenario("all", 2, 30, coarse_points=7, means=means)
    assert scenario.usual_alpha == dpskit.DPS().suited(None, scenario.observe(points, 0)).alpha
    assert replace(scenario, subunit_points=9).usual_alpha == scenario.usual_alpha + 450


def test_bad_scenarios_are_refused(one_sentence):
    with one_sentence(ValueError, "n_points", "at least 1", "0"):
        Scenario("a", n_views=3)
    with one_sentence(ValueError, "alpha", "-1"):
        Scenario("a", 1, 10, alpha=-1)
    with one_sentence(ValueError, "sigma", "-0.1"):
        Scenario("a", 1, 10, sigma=-0.1)
    with one_sentence(ValueError, "coarse_points", "-3"):
        Scenario("a", 1, 10, coarse_points=-3)


def test_a_scenario_says_what_it_observes():
    assert str(ROWS["9"]) == "9: 1 projection of 200 points, 30-point structure, subunit of about 128 points"
    assert str(ROWS["3"]) == "3: 4 projections of 400 points"
