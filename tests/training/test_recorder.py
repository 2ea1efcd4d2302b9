import math
from dataclasses import replace

import pytest
import torch

from dpskit import TrainConfig
from dpskit.priors.transformer import PointTransformer, TransformerConfig
from dpskit.training.config import Stage
from dpskit.training.data import Clouds
from dpskit.training.recorder import BANDS, band_losses


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
