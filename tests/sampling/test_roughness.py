import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dpskit import Projections, maximum_likelihood, random_rotations
from dpskit.sampling.roughness import roughness


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


def test_maximum_likelihood_is_smoother_with_a_penalty_on_rough_clouds(normal):
    data = Projections.observe(normal(48, 3), 2, 24, seed=0)
    settings = {"n_samples": 2, "n_points": 48, "n_steps": 60, "learning_rate": 0.05, "progress": False}
    plain, smooth = maximum_likelihood(data, **settings), maximum_likelihood(data, smoothing=3.0, **settings)
    assert bool((roughness(smooth.points) < 0.7 * roughness(plain.points)).all())
    assert torch.allclose(smooth.energy, data.energy(smooth.points))  # without the penalty
    assert bool((smooth.energy > plain.energy).all())
    assert smooth.settings["smoothing"] == 3.0 and smooth.settings["likelihood"]["type"] == "Projections"
    assert "smoothing" not in plain.settings


def test_bad_smoothing(one_sentence, normal):
    data = Projections.observe(normal(12, 3), 2, 12, seed=0)
    with one_sentence(ValueError, "smoothing", "at least 0", "-1"):
        maximum_likelihood(data, smoothing=-1.0)
    with one_sentence(ValueError, "n_points", "above 8", "5"):
        maximum_likelihood(data, smoothing=0.2, n_points=5)
