"""A coarse structure beside views: nothing said where it fits, and each planted mistake named."""

import pytest
import torch

import dpskit
from dpskit.data.check_views import check_views
from dpskit.rotations import random_rotations

EXAMPLE = dpskit.load_example("ruvab")


def helix():
    """A turn and a half of a helix that grows wider: of one hand, and unlike itself from every other side."""
    t = torch.linspace(0, 1, 600)[:, None]
    angle = 3 * torch.pi * t
    noise = 0.03 * torch.randn(600, 3, generator=torch.Generator().manual_seed(0))
    points = torch.cat([(0.3 + 0.5 * t) * angle.cos(), (0.3 + 0.5 * t) * angle.sin(), 1.6 * t], dim=1) + noise
    return points - points.mean(dim=0)


def joint(seed, n_views=4, change=lambda points: points, n_coarse=40, points=EXAMPLE.points):
    views = dpskit.Projections.observe(points, n_views, 300, seed=seed)
    coarse = dpskit.CoarseGrained.observe(points, n_coarse, seed=seed + 100)
    return dpskit.Joint([views, dpskit.CoarseGrained(change(coarse.points))])


def kinds(data, frame=None):
    return [(warning.kind, warning.view) for warning in check_views(data, frame)]


@pytest.mark.parametrize(("n_views", "n_coarse"), [(1, 40), (2, 40), (4, 10), (4, 40), (4, 150)])
def test_no_warning_where_it_fits(n_views, n_coarse):
    assert [kinds(joint(seed, n_views, n_coarse=n_coarse)) for seed in range(3)] == [[]] * 3


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda x: 1.4 * x, "pixel size"),
        (lambda x: -x, "mirrored"),
        (lambda x: x @ random_rotations(1, seed=3)[0], "orientation"),
        (lambda x: x @ -random_rotations(1, seed=3)[0], "mirrored"),
    ],
)
def test_planted_mistakes_are_named(change, kind):
    assert [kinds(joint(seed, change=change, points=helix())) for seed in range(3)] == [[(kind, None)]] * 3


def test_a_map_with_its_origin_at_a_corner():
    """The move that the warning states undoes the one that was made, in angstrom."""
    frame = dpskit.Frame((5.0, 0.0, -5.0), 80.0)
    moved = joint(0, change=lambda x: x + torch.tensor([1.0, 1.0, 1.0]))
    (warning,) = check_views(moved, frame)
    assert (warning.view, warning.kind) == (None, "shift")
    found = [float(value) for value in warning.message.partition("(")[2].partition(")")[0].split(",")]
    assert found == pytest.approx([-80, -80, -80], abs=4)
    assert kinds(dpskit.Observations.of(joint(0), frame)) == []
    assert kinds(dpskit.Observations.of(moved, frame)) == [("shift", None)]
    views, coarse = moved.parts
    shifted = dpskit.Projections(views.points, views.rotations, shifted=True)
    assert kinds(dpskit.Joint([shifted, coarse])) == []


def test_what_no_view_sees_is_left_alone():
    """One view along z says nothing of z, and nothing is said."""
    views = dpskit.Projections((EXAMPLE.points[:, :2],), torch.eye(3)[None])
    coarse = dpskit.CoarseGrained.observe(EXAMPLE.points, 40, seed=1).points
    assert kinds(dpskit.Joint([views, dpskit.CoarseGrained(coarse + torch.tensor([0.0, 0.0, 2.0]))])) == []
    (warning,) = check_views(dpskit.Joint([views, dpskit.CoarseGrained(coarse + torch.tensor([2.0, 0.0, 2.0]))]))
    found = [float(value) for value in warning.message.partition("(")[2].partition(")")[0].split(",")]
    assert found == pytest.approx([-2, 0, 0], abs=0.08)


def test_images_beside_a_coarse_structure():
    images = dpskit.ProjectionImages.observe(helix(), EXAMPLE.frame, 4, 64, seed=5)
    coarse = dpskit.CoarseGrained.observe(helix(), 40, seed=1)
    assert kinds(dpskit.Joint([images, coarse])) == []
    assert kinds(dpskit.Joint([images, dpskit.CoarseGrained(-coarse.points)])) == [("mirrored", None)]


def test_mistakes_of_the_views_come_first():
    data = joint(0, change=lambda x: x + 1.0)
    views, coarse = data.parts
    swapped = dpskit.Projections(views.points, views.rotations.mT)
    assert kinds(dpskit.Joint([swapped, coarse])) == [("transposed", None)]


def test_a_single_point_has_no_size_that_could_be_wrong():
    """On either side, and also where it is repeated."""
    data = joint(0)
    for points in (torch.full((1, 3), 0.3), torch.full((5, 3), 0.3)):
        assert kinds(dpskit.Joint([data.parts[0], dpskit.CoarseGrained(points)])) == []
    views = dpskit.Projections([torch.full((m, 2), 0.3) for m in (1, 4)], data.parts[0].rotations[:2])
    assert kinds(dpskit.Joint([views, data.parts[1]])) == []
