import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from dpskit import TrainConfig
from dpskit.priors.transformer import PointTransformer, TransformerConfig
from dpskit.training.config import Stage
from dpskit.training.data import Clouds, load_clouds
from dpskit.training.recorder import BANDS, Recorder, band_losses


def test_held_out_losses_of_a_fresh_network_in_closed_form():
    """It returns zeros, so D = c_skip x: the loss is ((1 - c_skip)^2 v + c_skip^2 t^2) / c_out^2, v the mean square."""
    points = torch.zeros(4, 32, 3)
    points[..., 0] = 1 - 2 * torch.randint(2, (4, 32), generator=torch.Generator().manual_seed(0))  # ends of a stick
    held_out = Clouds(points, torch.ones(4))
    network, config = PointTransformer(TransformerConfig(32, 1, 32)), TrainConfig("data.npz", 1)
    config = replace(config, curriculum=(Stage(1.0, 32, 8),))
    found = band_losses(network, held_out, config)
    assert tuple(found) == BANDS
    v = float(held_out.points.float().square().mean())
    for t, loss in found.items():
        skip, out = 0.25 / (t**2 + 0.25), 0.25 * t**2 / (t**2 + 0.25)
        expected = ((1 - skip) ** 2 * v + skip**2 * t**2) / out
        assert loss == pytest.approx(expected, rel=4 * math.sqrt(2 / (16 * 32 * 3)))  # four standard errors
    assert band_losses(network, held_out, config) == found  # under fixed draws


def test_of_data_sorted_by_category_some_clouds_of_each_are_watched(tmp_path):
    heights = torch.arange(8).repeat_interleave(10) / 10  # of the boxes of each category
    points = torch.rand(80, 64, 3, generator=torch.Generator().manual_seed(0))
    points[:, 0], points[:, 1] = 0, 1
    points[:, :, 2] *= heights[:, None]
    np.savez(tmp_path / "a.npz", points=points.numpy())
    config = TrainConfig(str(tmp_path / "a.npz"), 8, orientation="rotated", held_out=8)
    clouds, held_out = load_clouds(config.data, config.held_out)
    recorder = Recorder.of(tmp_path / "prior", config, clouds, held_out, "here", None, None)
    seen = recorder.seen.points[:, :, 2].float().amax(dim=1)  # half the height, in [-1, 1]
    assert [round(10 * float(height)) for height in seen] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7]
    assert float(recorder.seen.probability.sum()) == pytest.approx(1)


def test_fewer_clouds_than_are_watched_are_all_taken_once():
    clouds = Clouds(torch.arange(5.0)[:, None, None].expand(5, 1, 3), torch.ones(5))
    assert clouds.spread(16).points.flatten()[::3].tolist() == [0, 1, 2, 3, 4]
