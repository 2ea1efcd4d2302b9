"""Warnings before the sampling: none where all is right, and each planted mistake by its name."""

import math

import numpy as np
import pytest
import torch

import dpskit
from dpskit.data.check_views import anderson_darling, check_views

TRIALS = 20


def views(trial, sigma=None):
    """Four views of 800 points of a complex, as the paper observes them, each trial from other orientations."""
    return dpskit.Projections.observe(dpskit.load_example("ruvab").points, 4, 800, seed=trial, sigma=sigma)


def replaced(data, k, points):
    return dpskit.Projections([*data.points[:k], points, *data.points[k + 1 :]], data.rotations)


def transposed(data, k):
    return dpskit.Projections(data.points, data.rotations.mT)


def mirrored(data, k):
    return dpskit.Projections([y * torch.tensor([1.0, -1.0]) for y in data.points], data.rotations)


def shifted(data, k):
    angle = 0.7 * k
    return replaced(data, k, data.points[k] + 0.3 * torch.tensor([math.cos(angle), math.sin(angle)]))


def magnified(data, k):
    return replaced(data, k, 1.25 * data.points[k])


def foreign(data, k):
    """One view of another structure: a rod with three balls, of a similar size."""
    generator = torch.Generator().manual_seed(k)
    ball = torch.randn(1024, 3, generator=generator) * 0.12
    place = torch.tensor([[-0.7, 0.0, 0.1], [0.1, 0.2, -0.2], [0.8, -0.1, 0.0]])
    points = ball + place[torch.randint(3, (1024,), generator=generator)]
    return replaced(data, k, dpskit.Projections.observe(points, 1, 800, seed=k).points[0])


@pytest.mark.parametrize("sigma", [None, 0.02])
def test_no_warning_where_all_is_right(sigma):
    assert [check_views(views(trial, sigma)) for trial in range(TRIALS)] == [[]] * TRIALS


@pytest.mark.parametrize(
    ("plant", "kind", "one"),
    [
        (transposed, "transposed", False),
        (mirrored, "mirrored", False),
        (shifted, "shift", True),
        (magnified, "pixel size", True),
        (foreign, "structure", True),
    ],
)
def test_planted_mistakes_are_named(plant, kind, one):
    named = 0
    for trial in range(TRIALS):
        k = trial % 4
        found = check_views(plant(views(trial), k))
        named += [(w.kind, w.view) for w in found] == [(kind, k if one else None)]
    assert named >= 19


def test_of_two_views_nobody_knows_which_is_wrong():
    x = dpskit.load_example("ruvab").points
    rotations = dpskit.random_rotations(3, seed=5)
    first, second, _ = ((x @ R)[:, :2] for R in rotations)
    rotations[2] = float("nan")
    for wrong, kind in ((second + 0.5, "shift"), (2 * second, "pixel size")):
        (warning,) = check_views(dpskit.Projections([first, wrong, first], rotations))
        assert (warning.view, warning.kind) == (None, kind)
        assert "agrees with view" in warning.message and warning.message.endswith("of one of the two?")


def test_a_shift_and_a_size_are_measured():
    frame = dpskit.Frame((0.0, 0.0, 0.0), 80.0)
    data = views(3)
    (warning,) = check_views(replaced(data, 2, data.points[2] + torch.tensor([0.25, -0.5])), frame)
    assert (warning.view, warning.kind) == (2, "shift")
    found = [float(v) for v in warning.message.partition("(")[2].partition(")")[0].split(",")]
    np.testing.assert_allclose(found, [-20, 40], atol=1.5)
    assert "angstrom" in warning.message and str(warning) == warning.message
    (warning,) = check_views(replaced(data, 1, 1.25 * data.points[1]))
    assert float(warning.message.partition("it is ")[2].split()[0]) == pytest.approx(0.8, abs=0.02)


def test_images_and_observations(one_sentence):
    example = dpskit.load_example("ruvab")
    images = dpskit.ProjectionImages.observe(example.points, example.frame, 4, 64, seed=5)
    assert check_views(images) == []
    arguments = (images.pixel_size, images.frame, images.width)
    turned = dpskit.ProjectionImages(images.pixels, images.rotations.mT, *arguments)
    assert [w.kind for w in check_views(turned)] == ["transposed"]
    flipped = dpskit.ProjectionImages(images.pixels.flip(1).roll(1, 1), images.rotations, *arguments)
    assert [w.kind for w in check_views(flipped)] == ["mirrored"]
    moved = dpskit.ProjectionImages(images.pixels.flip(1), images.rotations, *arguments)  # by a pixel, too
    (warning,) = check_views(moved)
    assert (warning.kind, warning.view) == ("mirrored", None) and "mirrored and centred" in str(warning)
    observed = dpskit.Observations.of(views(1), example.frame)
    assert check_views(observed) == []
    wrong = dpskit.Observations(observed.projections, observed.rotations.mT)
    assert [w.kind for w in check_views(wrong)] == ["transposed"]
    joint = dpskit.Joint([transposed(views(1), 0), dpskit.Subunit(example.points[:100])])
    assert [w.kind for w in check_views(joint)] == ["transposed"]
    with one_sentence(TypeError, "data", "CoarseGrained"):
        check_views(dpskit.CoarseGrained(example.points))


def test_one_view_says_nothing():
    data = views(0)
    assert check_views(dpskit.Projections(data.points[:1], data.rotations[:1])) == []


def test_two_views_along_one_line(normal):
    """They share both axes; the same direction is compared."""
    x = normal(500, 3)
    turn = torch.tensor([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]])
    rotations = torch.stack([torch.eye(3), turn])
    points = [(x @ r)[:, :2] for r in rotations]
    assert check_views(dpskit.Projections(points, rotations)) == []
    assert check_views(dpskit.Projections([points[0], points[1] + 1.0], rotations)) != []


def test_the_statistic_against_its_definition():
    """m n / N times the integral of (F - G)^2 / (H (1 - H)) dH over the pooled sample, and 1 on average."""
    random = np.random.default_rng(0)
    a, b = random.normal(size=90), random.normal(0.3, 1.2, size=110)
    integral = 0.0
    for value in np.sort(np.concatenate([a, b]))[:-1]:
        f, g = np.mean(a <= value), np.mean(b <= value)
        h = (90 * f + 110 * g) / 200
        integral += (f - g) ** 2 / (h * (1 - h)) / 200
    assert anderson_darling(a, b) == pytest.approx(90 * 110 / 200 * integral, rel=1e-9)
    drawn = [anderson_darling(random.random(90) ** 3, random.random(110) ** 3) for _ in range(500)]
    assert np.mean(drawn) == pytest.approx(1.0, abs=0.12)
