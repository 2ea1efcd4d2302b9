"""Scores are the library's distances in the units of the tables."""

import pytest
import torch

from dpskit import Frame, chamfer_distance, earth_movers_distance, random_rotations
from dpskit.evaluation.scores import mean_and_deviation, score


def test_the_columns_carry_the_units_of_the_tables(normal):
    truth, points = normal(12, 3), normal(2, 12, 3, seed=1)
    found = score(points, truth, torch.tensor([0.002, 0.003]))
    columns = found.columns()
    assert list(columns) == ["CD x 100", "EMD x 100", "E x 1000"] and found.rmsd is None
    assert torch.allclose(columns["CD x 100"], 100 * chamfer_distance(points, truth))
    assert torch.allclose(columns["EMD x 100"], 100 * earth_movers_distance(points, truth))
    assert torch.allclose(columns["E x 1000"], torch.tensor([2.0, 3.0]))
    assert list(score(points, truth).columns()) == ["CD x 100", "EMD x 100"]


def test_the_rmsd_is_in_the_unit_of_the_frame_and_forgets_pose_and_size(normal):
    truth, frame = normal(60, 3), Frame((1.0, 2.0, 3.0), 50.0, "nanometre")
    noise = 0.01 * normal(60, 3, seed=1)
    posed = 1.3 * (truth + noise)[torch.randperm(60, generator=torch.Generator().manual_seed(2))]
    posed = posed @ random_rotations(1, 3)[0] + 0.4
    found = score(torch.stack([truth, posed]), truth, frame=frame)
    assert float(found.rmsd[0]) == pytest.approx(0, abs=1e-2)
    # Of the 180 coordinates of the noise, pose and size take up seven.
    expected = 50 * float(noise.square().sum(dim=1).mean().sqrt()) * (173 / 180) ** 0.5
    assert float(found.rmsd[1]) == pytest.approx(expected, rel=0.05)
    assert torch.equal(found.columns()["RMSD (nanometre)"], found.rmsd)


def test_mean_and_deviation():
    assert mean_and_deviation(torch.tensor([1.0, 3.0])) == (2.0, 1.0)
    assert mean_and_deviation(torch.tensor([5.0])) == (5.0, 0.0)
