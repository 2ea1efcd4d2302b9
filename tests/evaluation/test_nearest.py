import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dpskit import chamfer_distance, random_rotations
from dpskit.evaluation.nearest import (
    axis_poses,
    describe_nearest,
    nearest_distances,
    on_principal_axes,
    pose_distance,
    shape_profile,
)


def shapes(count, m, seed=0):
    """Points along three sticks through random corners: each cloud has a shape, and a hand, of its own."""
    generator = torch.Generator().manual_seed(seed)
    corners = 2 * torch.rand(count, 4, 3, generator=generator) - 1
    stick, share = torch.arange(m) % 3, torch.rand(count, m, 1, generator=generator)
    return corners[:, stick] * share + corners[:, stick + 1] * (1 - share)


@given(st.integers(0, 1000), st.booleans())
def test_a_profile_does_not_see_poses(seed, proper):
    cloud = shapes(1, 80, seed)[0]
    moved = cloud @ random_rotations(1, seed, reflections=not proper)[0] + 3
    assert torch.allclose(shape_profile(moved), shape_profile(cloud), atol=1e-5)
    assert torch.allclose(shape_profile(2 * cloud), 2 * shape_profile(cloud), atol=1e-5)


def test_a_profile_by_hand():
    """A right triangle with legs of 3 and 4: distances 3, 4 and 5 and their linear interpolation."""
    profile = shape_profile(torch.tensor([[0.0, 0, 0], [3.0, 0, 0], [0, 4.0, 0]]), n_quantiles=2)
    assert profile[:2].tolist() == pytest.approx([3.5, 4.5])
    assert shape_profile(torch.zeros(1, 3)).tolist() == [0.0] * 128


@given(st.integers(0, 1000), st.booleans())
def test_clouds_on_their_principal_axes_agree_in_one_of_the_poses(seed, proper):
    cloud = shapes(1, 50, seed)[0]
    moved = cloud @ random_rotations(1, seed, reflections=not proper)[0] - 2
    poses = axis_poses("rotated" if proper else "reflected")
    gaps = (on_principal_axes(moved) @ poses - on_principal_axes(cloud)).abs().amax(dim=(1, 2))
    assert float(gaps.min()) < 1e-3
    assert len(gaps) == (24 if proper else 48)


def test_memorised_clouds_show():
    """Copies in other poses, drawn anew from the same shapes, against clouds of other shapes."""
    training = shapes(12, 400)
    copies = training[[3, 7], 200:] @ random_rotations(2, 1, reflections=True)
    others = shapes(2, 200, seed=5) @ random_rotations(2, 2, reflections=True)
    known = list(training[:, :200])
    distance, number = nearest_distances(torch.cat([copies, others]), known, orientation="reflected", n_candidates=2)
    assert number[:2].tolist() == [3, 7]
    aligned = chamfer_distance(training[[3, 7], 200:], training[[3, 7], :200])  # the poses are known here
    assert bool((distance[:2] < 1.3 * aligned).all())
    assert float(distance[2:].min()) > 2 * float(distance[:2].max())


def test_mirror_images_count_for_shapes_only():
    cloud = shapes(1, 200)[0]
    image = cloud * torch.tensor([1.0, -1.0, 1.0]) @ random_rotations(1, 3)[0]
    assert pose_distance(image, cloud, orientation="reflected") < 1e-3
    assert pose_distance(image, cloud, orientation="rotated") > 0.03


def test_upright_clouds_are_compared_as_they_stand_and_mirrored():
    training = shapes(6, 400)
    mirrored = training[[2], 200:] * torch.tensor([-1.0, 1.0, 1.0])
    turned = training[[2], 200:] @ random_rotations(1, 3)
    distance, number = nearest_distances(torch.cat([mirrored, turned]), list(training[:, :200]), orientation="upright")
    assert int(number[0]) == 2
    assert float(distance[0]) == pytest.approx(float(chamfer_distance(training[[2], 200:], training[[2], :200])))
    assert float(distance[1]) > 2 * float(distance[0])  # another pose is another cloud


def test_a_search_of_all_candidates_finds_the_nearest():
    training, cloud = shapes(3, 60), shapes(1, 60, seed=9)
    distance, number = nearest_distances(cloud, training, orientation="rotated", n_candidates=99, progress=False)
    every = [pose_distance(cloud[0], other, orientation="rotated") for other in training]
    assert float(distance[0]) == pytest.approx(min(every)) and int(number[0]) == every.index(min(every))


def test_the_words():
    text = describe_nearest([0.01, 0.2, 0.3], [0.1, 0.4], [0.05])
    assert "| samples | 20.00 | 1.00 |" in text
    assert "| training clouds drawn again | 5.00 | 5.00 |" in text
    assert text.endswith("1 of 3 samples are nearer to a training cloud than any of the test clouds is.")


def test_bad_input(one_sentence):
    with one_sentence(ValueError, "n_candidates", "0"):
        nearest_distances(torch.ones(1, 3, 3), torch.ones(1, 3, 3), orientation="rotated", n_candidates=0)
    with one_sentence(ValueError, "training", "NaN"):
        nearest_distances(torch.ones(1, 3, 3), torch.ones(1, 3, 3) / 0 * 0, orientation="rotated")
