"""Credible radii of matched points."""

import math

import pytest
import torch
from scipy import stats

from dpskit import credible_radius


def test_radius_of_gaussian_points_after_shuffling(normal):
    """Points far apart, each with its own spread: the radius is a quantile of the chi distribution with 3 degrees."""
    centres = 10 * torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 1]])
    std = torch.tensor([0.1, 0.2, 0.4, 0.8]).unsqueeze(1)
    drawn = centres + std * normal(100, 4, 3)
    orders = torch.rand(100, 4, generator=torch.Generator().manual_seed(1)).argsort(dim=1)
    shuffled = drawn.gather(1, orders.unsqueeze(2).expand_as(drawn))
    for level in (0.5, 0.9):
        radius = stats.chi(3).ppf(level)
        error = math.sqrt(level * (1 - level) / 100) / stats.chi(3).pdf(radius)  # of a sample quantile
        z = (credible_radius(shuffled, level).sort().values / std.squeeze(1) - radius) / error
        assert float(z.abs().max()) < 4
    assert torch.allclose(credible_radius(2 * shuffled), 2 * credible_radius(shuffled), rtol=1e-4)


@pytest.mark.parametrize("level", [0.0, 1.0, -1.0, 2.0])
def test_bad_level(one_sentence, normal, level):
    with one_sentence(ValueError, "level", "between 0 and 1", repr(level)):
        credible_radius(normal(3, 4, 3), level)
