"""Where a cloud stands, from the densities of upright ones."""

import math

import pytest
import torch

from dpskit import normalise, random_rotations
from dpskit.pose import templates as module
from dpskit.pose.templates import REACH, Templates, blur, histograms, make_templates
from dpskit.rotations import angles_between


def seat(seed, n_points=400):
    """A seat with a back and two legs under its front, of random proportions: mirrored in x, and not otherwise."""
    generator = torch.Generator().manual_seed(seed)
    width, depth, height, legs = (low + (high - low) * torch.rand(4, generator=generator)[k] for k, (low, high) in
                                  enumerate([(0.4, 0.7), (0.4, 0.7), (0.5, 1.0), (0.4, 0.8)]))  # fmt: skip
    u = 2 * torch.rand(n_points, 3, generator=generator) - 1
    plate = torch.stack([width * u[:, 0], depth * u[:, 1], 0.05 * u[:, 2]], dim=1)
    back = torch.stack([width * u[:, 0], 0.05 * u[:, 1] - depth, height * (1 + u[:, 2]) / 2], dim=1)
    leg = torch.stack([width * u[:, 0].sign(), depth + 0.05 * u[:, 1], -legs * (1 + u[:, 2]) / 2], dim=1)
    part = torch.randint(3, (n_points, 1), generator=generator)
    return normalise(torch.where(part == 0, plate, torch.where(part == 1, back, leg)))[0]


@pytest.fixture(scope="module")
def templates():
    return make_templates(torch.stack([seat(seed) for seed in range(100, 160)]), n_templates=12)


# --- What they are ----------------------------------------------------------------------------------------------------


def test_one_template_is_the_mirrored_histogram_of_its_clouds():
    clouds = torch.stack([seat(1), seat(2)])
    made = make_templates(clouds, n_templates=1)
    both = torch.cat([clouds, clouds * torch.tensor([-1.0, 1.0, 1.0])])
    expected = histograms(both, module.GRID).mean(dim=0)
    assert made.density.dtype == torch.uint8 and made.density.shape == (1, 22, 22, 22)
    found = made.density.flatten().float() / made.density.max() * expected.max()
    assert float((found - expected).abs().max()) <= 0.51 / 255 * float(expected.max())
    assert made.weight.tolist() == [1.0]


def test_clusters_share_the_clouds(templates):
    assert float(templates.weight.sum()) == pytest.approx(1) and float(templates.weight.min()) >= 1 / 60 - 1e-6
    assert len(templates.density) == len(templates.weight) <= 12
    assert torch.equal(templates.density, templates.density.flip(1))
    again = make_templates(torch.stack([seat(seed) for seed in range(100, 160)]), n_templates=12)
    assert torch.equal(again.density, templates.density) and torch.equal(again.weight, templates.weight)


def test_kinds_of_objects_are_told_apart():
    generator = torch.Generator().manual_seed(0)
    flat, tall = torch.randn(6, 100, 3, generator=generator), torch.randn(4, 100, 3, generator=generator)
    flat, tall = flat * torch.tensor([0.3, 0.3, 0.02]), tall * torch.tensor([0.02, 0.02, 0.5])
    made = make_templates(torch.cat([flat, tall]), n_templates=2)
    assert sorted(made.weight.tolist()) == pytest.approx([0.4, 0.6])


def test_more_templates_than_clouds():
    assert len(make_templates(torch.stack([seat(1), seat(9)])).weight) == 2


def test_histograms_count_points_in_cells():
    points = torch.tensor([[[-0.5, 0.5, 0.5], [-0.5, 0.5, 0.5], [9.0, -9.0, 0.5], [0.5, 0.5, -0.5]]]) * REACH
    found = histograms(points, 2).reshape(2, 2, 2)
    expected = torch.zeros(2, 2, 2)
    expected[0, 1, 1], expected[1, 0, 1], expected[1, 1, 0] = 0.5, 0.25, 0.25
    assert torch.equal(found, expected)


def test_blur_is_a_gaussian_of_its_width():
    density = torch.zeros(1, 23, 23, 23)
    density[0, 11, 11, 11] = 1.0
    soft = blur(density, 0.25)
    centre = (torch.arange(23) - 11.0) * 2 * REACH / 23
    assert float(soft.sum()) == pytest.approx(1, abs=1e-3)
    for axis in range(3):
        along = soft[0].sum(dim=[other for other in range(3) if other != axis])
        assert math.sqrt(float((along * centre.square()).sum())) == pytest.approx(0.25, abs=2e-3)


# --- Scores and poses -------------------------------------------------------------------------------------------------


def test_log_score_by_hand():
    """Two templates on a grid of two cells a side, without blur."""
    density = torch.zeros(2, 2, 2, 2, dtype=torch.uint8)
    density[0, :, :, 0] = 200  # lies low
    density[1, :, :, 1] = 100  # lies high
    made = Templates(density, torch.tensor([0.25, 0.75]))
    log_density = ((1 - module.BACKGROUND) * torch.tensor([0.25, 0.0]) + module.BACKGROUND / 8).log()
    table = torch.stack([log_density.repeat(4), log_density.flip(0).repeat(4)], dim=1)
    made.__dict__["log_density"] = table
    cloud = torch.tensor([[0.5, 0.5, -0.5]] * 3 + [[0.5, 0.5, 0.5]])
    upside_down = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    low, high = log_density.tolist()
    right, wrong = (3 * low + high) / 4 * module.INDEPENDENT, (low + 3 * high) / 4 * module.INDEPENDENT
    expected = [
        math.log(0.25 * math.exp(right) + 0.75 * math.exp(wrong)),
        math.log(0.25 * math.exp(wrong) + 0.75 * math.exp(right)),
    ]
    found = made.log_score(cloud, torch.stack([torch.eye(3), upside_down]))
    assert found.tolist() == pytest.approx(expected, rel=1e-5)


def test_the_log_density_is_normalised_over_the_grid(templates):
    total = templates.log_density.exp().sum(dim=0)
    torch.testing.assert_close(total, torch.ones_like(total))


def test_log_score_turns_with_the_cloud_and_does_not_depend_on_the_number_of_points(templates):
    rotations, turn = random_rotations(5, 1), random_rotations(1, 2)[0]
    score = templates.log_score(seat(3), rotations)
    torch.testing.assert_close(templates.log_score(seat(3) @ turn, rotations @ turn), score, atol=0.15, rtol=0)
    torch.testing.assert_close(templates.log_score(seat(3).repeat(2, 1), rotations), score)
    mirror = torch.diag(torch.tensor([-1.0, 1.0, 1.0]))  # an object and its mirror image are equally likely
    torch.testing.assert_close(templates.log_score(seat(3), mirror @ rotations), score, atol=0.01, rtol=0)


def test_known_poses_are_found(templates):
    errors = []
    for seed, pose in enumerate(random_rotations(20, seed=7)):
        noise = 0.05 * torch.randn(400, 3, generator=torch.Generator().manual_seed(seed))
        rotations, scores = templates.candidates((seat(seed) + noise) @ pose)
        errors.append(float(angles_between(rotations[0], pose)))
        assert scores.tolist() == sorted(scores.tolist(), reverse=True)
        torch.testing.assert_close(scores, templates.log_score((seat(seed) + noise) @ pose, rotations))
    assert sum(error < 10 for error in errors) >= 19, errors


def test_candidates_lie_apart_and_are_rotations(templates):
    rotations, scores = templates.candidates(seat(5), count=3, apart=50.0)
    assert rotations.shape == (3, 3, 3) and scores.shape == (3,)
    torch.testing.assert_close(rotations @ rotations.mT, torch.eye(3).expand(3, 3, 3), atol=1e-5, rtol=0)
    assert bool((torch.linalg.det(rotations) > 0).all())
    for one in range(3):
        for other in range(one):
            assert float(angles_between(rotations[one], rotations[other])) >= 50 - 0.01
    fewer, _ = templates.candidates(seat(5), count=1, apart=50.0)
    torch.testing.assert_close(fewer[0], rotations[0], atol=0.1, rtol=0)


def test_a_reflected_object_has_a_proper_pose(templates):
    """Upright @ Q with an improper Q is the mirror image, which is as likely, in a proper pose."""
    improper = random_rotations(1, 3)[0] @ torch.diag(torch.tensor([1.0, -1.0, 1.0]))
    rotations, _ = templates.candidates(seat(4) @ improper)
    mirror = torch.diag(torch.tensor([-1.0, 1.0, 1.0]))
    assert float(angles_between(rotations[0], mirror @ improper)) < 10


def test_an_object_that_two_poses_fit_has_two_candidates_of_like_score(templates):
    """A seat and the same turned by half a circle about z, superposed."""
    half_turn = torch.diag(torch.tensor([-1.0, -1.0, 1.0]))
    both = torch.cat([seat(6), seat(6) @ half_turn])
    rotations, scores = templates.candidates(both)
    assert float(angles_between(rotations[0], rotations[1])) > 150
    assert float(scores[0] - scores[1]) < 0.5


def test_bad_input(one_sentence, templates):
    with one_sentence(ValueError, "cloud", "(n, 3)", "(4, 2)"):
        templates.candidates(torch.zeros(4, 2))
    with one_sentence(ValueError, "count", "0"):
        templates.candidates(seat(1), count=0)
    with one_sentence(ValueError, "n_templates", "0"):
        make_templates(seat(1)[None], n_templates=0)
