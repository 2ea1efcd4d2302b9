"""Statistics of clouds."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dpskit.evaluation.statistics import CLOUD_STATISTICS, coordinates


@given(seed=st.integers(0, 1000))
def test_cloud_statistics_ignore_the_order(normal, seed):
    clouds, order = normal(3, 7, 3, seed=seed), torch.randperm(7, generator=torch.Generator().manual_seed(seed))
    for statistic in CLOUD_STATISTICS.values():
        found = statistic(clouds)
        assert found.shape == (3,)
        assert torch.allclose(found, statistic(clouds[:, order]), atol=1e-5)
    gap = torch.cdist(clouds[0], clouds[0]) + 99 * torch.eye(7)
    assert float(CLOUD_STATISTICS["mean nearest distance"](clouds)[0]) == pytest.approx(float(gap.amin(0).mean()))


def test_coordinates(normal):
    clouds = normal(4, 2, 3)
    found = coordinates(2, 3)
    assert len(found) == 6
    assert torch.equal(found["x[1,2]"](clouds), clouds[:, 1, 2]) and torch.equal(
        found["x[0,1]"](clouds), clouds[:, 0, 1]
    )
