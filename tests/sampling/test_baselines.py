"""The baselines: they do what they claim, and nothing else."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dpskit import CoarseGrained, Projections, maximum_likelihood, random_rotations
from dpskit.sampling.baselines import nearest_training_cloud, roughness, smooth_map


def test_roughness_by_hand():
    """Three points on a line, each with its nearest neighbour: gaps 1, 1 and 3."""
    x = torch.tensor([[[0.0, 0, 0], [1, 0, 0], [4, 0, 0]]])
    assert float(roughness(x, 1)) == pytest.approx((1 + 1 + 9) / 3 / 2)
    # Two neighbours each: the points' distances from their centres are 2.5, 1 and 3.5.
    assert float(roughness(x, 2)) == pytest.approx((6.25 + 1 + 12.25) / 3 / 2)


@given(seed=st.integers(0, 1000))
def test_roughness_knows_no_frame(normal, seed):
    x = normal(2, 12, 3, seed=seed)
    moved = x[:, torch.randperm(12)] @ random_rotations(1, seed)[0] + 1
    assert torch.allclose(roughness(x, 3), roughness(moved, 3), rtol=1e-3)
    assert torch.allclose(roughness(2 * x, 3), 4 * roughness(x, 3), rtol=1e-4)


def test_smooth_map_is_maximum_likelihood_without_a_weight_and_smoother_with_one(normal):
    data = Projections.observe(normal(48, 3), 2, 24, seed=0)
    settings = {"n_samples": 2, "n_points": 48, "n_steps": 60, "learning_rate": 0.05, "progress": False}
    plain = maximum_likelihood(data, **settings)
    same, smooth = smooth_map(data, weight=0.0, **settings), smooth_map(data, weight=3.0, **settings)
    assert torch.allclose(same.points, plain.points, atol=1e-4)
    assert bool((roughness(smooth.points) < 0.7 * roughness(plain.points)).all())
    assert torch.allclose(smooth.energy, data.energy(smooth.points))
    assert bool((smooth.energy > plain.energy).all())
    assert smooth.settings["method"] == "smooth_map" and smooth.settings["likelihood"]["type"] == "Projections"


def test_the_nearest_training_cloud_is_found_with_its_orientation(normal):
    """One of the training clouds is the target: a long one among round ones, turned in space."""
    clouds = normal(6, 90, 3)
    clouds[4] *= torch.tensor([3.0, 0.3, 0.1])
    target = clouds[4] @ random_rotations(1, seed=3)[0]
    data = Projections.observe(target, 3, 60, seed=1)
    found = nearest_training_cloud(data, clouds, n_samples=2, n_points=90, n_rotations=60, progress=False)
    assert found.points.shape == (2, 90, 3)
    assert float(found.energy[0]) <= float(found.energy[1])
    assert torch.allclose(found.energy, data.energy(found.points))
    singular = torch.linalg.svdvals(found.points[0] - found.points[0].mean(0))
    assert torch.allclose(singular, torch.linalg.svdvals(clouds[4] - clouds[4].mean(0)), rtol=1e-3)
    others = nearest_training_cloud(data, clouds[:4], n_points=90, n_rotations=60, progress=False)
    assert float(found.energy[0]) < 0.5 * float(others.energy[0])


def test_clouds_can_be_taken_as_they_stand(normal):
    clouds = normal(5, 40, 3)
    data = Projections.observe(clouds[3], 3, 40, seed=1)
    found = nearest_training_cloud(data, clouds, n_points=40, n_rotations=0, progress=False)
    assert float(found.energy[0]) < 1e-10  # without a turn the target itself is among them
    assert torch.equal(found.points[0].sort(dim=0).values, clouds[3].sort(dim=0).values)


def test_bad_input(one_sentence, normal):
    data = CoarseGrained(normal(4, 3))
    with one_sentence(ValueError, "weight", "at least 0"):
        smooth_map(data, weight=-1.0)
    with one_sentence(ValueError, "n_neighbours", "8", "5"):
        smooth_map(data, n_neighbours=8, n_points=5)
    with one_sentence(ValueError, "clouds", "(b, n, 3)"):
        nearest_training_cloud(data, normal(4, 3))
    with one_sentence(ValueError, "n_rotations", "-1"):
        nearest_training_cloud(data, normal(1, 4, 3), n_rotations=-1)
