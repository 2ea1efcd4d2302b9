"""Runs whose object stands as the prior's do, in a known pose, or in an unknown one."""

import itertools
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dpskit import (
    DPS,
    Algorithm1,
    CoarseGrained,
    EulerODE,
    GaussianPrior,
    InverseTime,
    Joint,
    LikelihoodScore,
    MomentMatched,
    PointMixturePrior,
    Projections,
    iterate,
    karras_schedule,
    load_samples,
    normalise,
    random_rotations,
    sample,
)
from dpskit.pose.templates import Templates, make_templates
from dpskit.rotations import angles_between
from dpskit.sampling.poses import Poses, find_poses

N = 96
SCHEDULE = karras_schedule(6)


@dataclass(frozen=True, eq=False)
class Upright:
    """A prior whose objects all stand as `base` draws them."""

    base: PointMixturePrior
    templates: Templates | None = None
    orientation: str = "upright"

    def denoise(self, x, t):
        return self.base.denoise(x, t)


def seat(seed, n_points=N):
    """A seat with a back, and two legs under its front."""
    generator = torch.Generator().manual_seed(seed)
    u = 2 * torch.rand(n_points, 3, generator=generator) - 1
    plate = u * torch.tensor([0.5, 0.6, 0.05])
    back = u * torch.tensor([0.5, 0.05, 0.4]) + torch.tensor([0.0, -0.6, 0.4])
    legs = torch.stack([0.5 * u[:, 0].sign(), 0.6 + 0.05 * u[:, 1], 0.3 * u[:, 2] - 0.3], dim=1)
    part = torch.randint(3, (n_points, 1), generator=generator)
    return normalise(torch.where(part == 0, plate, torch.where(part == 1, back, legs)))[0]


@pytest.fixture(scope="module")
def prior():
    return Upright(PointMixturePrior(seat(100, 200), 0.05), make_templates(torch.stack([*map(seat, range(8))])))


def turned(data, rotation):
    """What would have been seen of an object turned by `rotation`."""
    views, low = data.parts
    return Joint([Projections(views.points, rotation.T @ views.rotations), CoarseGrained(low.points @ rotation)])


@pytest.fixture(scope="module")
def data():
    x = seat(50)
    return Joint([Projections.observe(x, n_views=4, n_points=50, seed=1), CoarseGrained(x[:20])])


def run(prior, data, **changes):
    defaults = {"n_samples": 2, "n_points": N, "schedule": SCHEDULE, "guidance": DPS(2000), "progress": False}
    return sample(prior, data, **(defaults | changes))


# --- A known pose -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("guidance", [DPS(2000), DPS(2000, jacobian=(0.0, 0.0)), DPS(2000, None, (0.0, 0.0))])
@pytest.mark.parametrize("reflections", [False, True])
def test_data_of_a_turned_object_give_the_turned_samples(prior, data, guidance, reflections):
    rotation = random_rotations(3, 4, reflections=reflections)[2]
    upright = run(prior, data, guidance=guidance)
    posed = run(prior, turned(data, rotation), pose=rotation, guidance=guidance)
    torch.testing.assert_close(posed.points, upright.points @ rotation, atol=2e-3, rtol=0)
    torch.testing.assert_close(posed.energy, upright.energy, atol=1e-5, rtol=1e-2)
    assert upright.pose is None and torch.equal(posed.pose, rotation.expand(2, 3, 3))


@settings(max_examples=5)
@given(st.integers(0, 1000), st.integers(1, 3))
def test_each_sample_takes_its_pose_in_turn(prior, seed, count):
    rotations = random_rotations(count, seed, reflections=True)
    posed = run(prior, None, n_samples=4, pose=rotations, schedule=karras_schedule(2))
    upright = run(prior, None, n_samples=4, schedule=karras_schedule(2))
    for j in range(4):
        assert torch.equal(posed.pose[j], rotations[j % count])
        torch.testing.assert_close(posed.points[j], upright.points[j] @ rotations[j % count], atol=1e-4, rtol=0)


def test_density_guidance_sees_the_data_s_frame(prior):
    x, rotation = seat(50), random_rotations(1, 2)[0]
    upright = Projections.observe(x, n_views=3, n_points=40, seed=1, sigma=0.2)
    posed = Projections(upright.points, rotation.T @ upright.rotations, 0.2)
    plain = run(prior, upright, guidance=LikelihoodScore(prior_std=0.4))
    found = run(prior, posed, guidance=LikelihoodScore(prior_std=0.4), pose=rotation)
    torch.testing.assert_close(found.points, plain.points @ rotation, atol=2e-3, rtol=0)


@pytest.mark.parametrize("pose", [random_rotations(1, 3)[0], "unknown"])
def test_every_step_is_told_in_the_data_s_frame(prior, data, pose):
    settings = {"n_samples": 2, "n_points": N, "schedule": SCHEDULE, "guidance": DPS(2000), "solver": EulerODE()}
    infos = list(iterate(prior, data, pose=pose, **settings))
    for before, after in itertools.pairwise(infos):
        upright = before.x @ before.pose.mT
        denoised = prior.denoise(upright, torch.full((2,), before.t)) @ before.pose
        torch.testing.assert_close(after.denoised, denoised, atol=1e-4, rtol=0)
        torch.testing.assert_close(after.energy, data.energy(after.denoised), atol=1e-6, rtol=1e-3)
    drawn = run(prior, data, pose=pose, **settings)
    assert torch.equal(drawn.points, infos[-1].x) and torch.equal(drawn.pose, infos[-1].pose)
    moved = [float(angles_between(one.pose, other.pose).max()) for one, other in itertools.pairwise(infos)]
    assert (max(moved) > 0.5) == (pose == "unknown" if isinstance(pose, str) else False)


# --- An unknown pose --------------------------------------------------------------------------------------------------


def test_the_pose_is_found(prior, data):
    errors = []
    for rotation in random_rotations(4, 11):
        drawn = run(prior, turned(data, rotation), pose="unknown", n_samples=3, schedule=karras_schedule(15))
        errors += angles_between(drawn.pose, rotation).tolist()
    assert sum(error < 15 for error in errors) >= 11, errors


def test_a_found_pose_is_as_good_as_a_known_one(prior, data):
    rotation = random_rotations(1, 13)[0]
    settings = {"n_samples": 2, "schedule": karras_schedule(15)}
    known = run(prior, turned(data, rotation), pose=rotation, **settings)
    unknown = run(prior, turned(data, rotation), pose="unknown", **settings)
    ignorant = run(prior, turned(data, rotation), **settings)
    assert float(unknown.energy.mean()) < 1.1 * float(known.energy.mean()) < 0.7 * float(ignorant.energy.mean())


@pytest.mark.parametrize("solver", [Algorithm1(), Algorithm1(InverseTime(0.15))])
def test_sample_j_does_not_depend_on_the_number_of_samples_or_the_batch_size(prior, data, solver):
    settings = {"pose": "unknown", "solver": solver, "seed": 5, "guidance": DPS(200)}
    whole = run(prior, data, n_samples=5, **settings)
    few = run(prior, data, n_samples=2, **settings)
    torch.testing.assert_close(few.pose, whole.pose[:2], atol=1e-3, rtol=0)
    torch.testing.assert_close(few.points, whole.points[:2], atol=1e-3, rtol=0)
    for batch_size in (1, 3):
        split = run(prior, data, n_samples=5, batch_size=batch_size, **settings)
        torch.testing.assert_close(split.pose, whole.pose, atol=1e-3, rtol=0)
        torch.testing.assert_close(split.points, whole.points, atol=1e-3, rtol=0)
    arguments = {"n_points": N, "schedule": SCHEDULE} | settings
    *_, rest = iterate(prior, data, n_samples=2, first=3, **arguments)
    torch.testing.assert_close(rest.x, whole.points[3:], atol=1e-3, rtol=0)


def test_hypotheses_are_probabilities_with_the_best_first(prior, data):
    found = find_poses(prior, data, N, seed=0)
    assert 1 <= len(found.rotations) == len(found.weights) <= 4
    assert float(found.weights.sum()) == pytest.approx(1, abs=1e-5)
    assert found.weights.tolist() == sorted(found.weights.tolist(), reverse=True)
    assert float(angles_between(found.rotations[0], torch.eye(3))) < 15  # the data are of an upright seat


@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=4), st.integers(0, 500))
def test_hypotheses_are_taken_as_often_as_they_are_probable(weights, first):
    weights = torch.tensor(weights).sort(descending=True).values
    weights = weights / weights.sum()
    marks = torch.arange(len(weights)).float()[:, None, None].expand(-1, 3, 3)
    poses = Poses(marks, weights)
    taken = poses.of_samples(range(first, first + 100))[:, 0, 0].long()
    counts = torch.bincount(taken, minlength=len(weights))
    assert float((counts - 100 * weights).abs().max()) <= 4  # independent draws: 10, two deviations
    assert int(poses.of_samples(range(1))[0, 0, 0]) == 0
    assert torch.equal(poses.of_samples(range(first + 7, first + 9))[:, 0, 0].long(), taken[7:9])


# --- What is told of it -----------------------------------------------------------------------------------------------


def test_poses_are_saved_and_settings_say_how_they_came_to_be(prior, data, tmp_path):
    rotation = random_rotations(1, 3)[0]
    for pose, said in [(None, None), (rotation, rotation.tolist()), ("unknown", "unknown")]:
        drawn = run(prior, data, pose=pose)
        drawn.save(tmp_path / "a.npz")
        again = load_samples(tmp_path / "a.npz")
        assert again.settings["pose"] == said
        assert again.settings == drawn.settings
        assert (again.pose is None) == (pose is None)
        if pose is not None:
            assert torch.equal(again.pose, drawn.pose)
        assert ("hypotheses" in again.settings) == (said == "unknown")
    assert sum(again.settings["hypotheses"]["weights"]) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("pose", ["unknown", random_rotations(2, 3)])
def test_priors_that_know_no_upright_ignore_it(data, pose):
    for prior in [GaussianPrior(0.0, 0.4), Upright(GaussianPrior(0.0, 0.4), orientation="rotated")]:
        plain, given_one = run(prior, data), run(prior, data, pose=pose)
        assert given_one.pose is None and torch.equal(given_one.points, plain.points)


class Untouched:
    """An upright prior whose denoiser must never be called."""

    orientation = "upright"

    def denoise(self, x, t):
        raise AssertionError("work has begun")


BAD_POSES = [
    ("upside down", ValueError, ["pose", "'upside down'", "unknown"]),
    ("unknown", ValueError, ["pose", "templates"]),
    (torch.zeros(3, 3), ValueError, ["pose[0]", "orthogonal"]),
    (torch.eye(3)[None] * 1.1, ValueError, ["pose[0]", "orthogonal"]),
    (torch.zeros(0, 3, 3), ValueError, ["pose", "(0, 3, 3)"]),
    (torch.eye(2), ValueError, ["pose", "(1, 2, 2)"]),
    (torch.full((3, 3), float("nan")), ValueError, ["pose[0]", "finite"]),
    (object(), TypeError, ["pose", "object"]),
    (2.5, ValueError, ["pose", "(k, 3, 3)"]),
]


@pytest.mark.parametrize("function", [sample, iterate])
@pytest.mark.parametrize(("pose", "error", "words"), BAD_POSES)
def test_bad_poses_are_refused_before_any_work(one_sentence, function, pose, error, words):
    with one_sentence(error, *words):
        function(Untouched(), CoarseGrained([[0.0, 0.0, 0.0]]), pose=pose)


def test_poses_may_be_nested_lists_and_need_three_coordinates(one_sentence, prior):
    rotation = random_rotations(1, 3)[0]
    drawn = run(prior, None, pose=rotation.tolist(), n_samples=1, schedule=karras_schedule(1))
    assert torch.equal(drawn.pose[0], rotation)
    plane = Upright(GaussianPrior(0.0, 0.4))
    with one_sentence(ValueError, "dim", "3", "2"):
        run(plane, None, dim=2, pose=rotation)


def test_a_pose_cannot_be_found_without_data(one_sentence, prior):
    with one_sentence(ValueError, "pose", "likelihood is None"):
        sample(prior, None, pose="unknown")


def test_guidance_that_needs_another_likelihood_says_so_before_any_work(one_sentence, prior, data):
    with one_sentence(TypeError, "LinearGaussian", "Posed"):
        run(prior, data, guidance=MomentMatched(), pose=torch.eye(3))
