import numpy as np
import pytest
import torch

from dpskit.data.draw_weights import draw_weights
from dpskit.rotations import random_rotations


def ellipsoid(axes, seed=0, m=200):
    return torch.randn(m, 3, generator=torch.Generator().manual_seed(seed)) * torch.tensor(axes)


def test_relatives_share_a_weight():
    """Four copies of one cloud in other poses, one of them mirrored, beside two others of the same size."""
    one = ellipsoid([10.0, 20, 30])
    others = [ellipsoid(axes) for axes in ([20.0, 20, 24.5], [5.0, 5, 36.7])]
    size = [cloud.sub(cloud.mean(0)).square().sum(1).mean().sqrt() for cloud in (one, *others)]
    others = [cloud * size[0] / s for cloud, s in zip(others, size[1:], strict=True)]
    copies = [one @ turn + 100 for turn in random_rotations(3, 1)] + [one * torch.tensor([-1.0, 1, 1])]
    weights = draw_weights([*copies, *others])
    assert weights[:4] == pytest.approx([weights[4] / 4] * 4) and weights[5] == pytest.approx(weights[4])
    assert weights.mean() == pytest.approx(1)


def test_large_ones_come_more_often():
    """By the power 1.8 of the radius, from a half to four times the weight of the median."""
    clouds = [ellipsoid([r, r, r], seed=k) for k, r in enumerate([1.0, 10.0, 10.0, 15.0, 100.0])]
    clouds = [cloud * r / cloud.sub(cloud.mean(0)).square().sum(1).mean().sqrt()
              for cloud, r in zip(clouds, [1.0, 10.0, 10.5, 15.0, 100.0], strict=True)]  # fmt: skip
    weights = draw_weights(clouds)
    expected = np.array([0.5, (10 / 10.5) ** 1.8, 1.0, (15 / 10.5) ** 1.8, 4.0])
    assert weights == pytest.approx(expected / expected.mean())


def test_bad_input(one_sentence):
    with one_sentence(ValueError, "clouds[1]", "NaN"):
        draw_weights([torch.ones(4, 3), torch.full((4, 3), torch.nan)])
