import sys

import pytest
import torch

from dpskit import GaussianPrior
from dpskit.benchmarks.assignment import assignment_benchmark, assignment_table, record_trajectories


@pytest.fixture(scope="module")
def trajectories(normal):
    prior = GaussianPrior(torch.zeros(3), 0.3)
    points = 0.3 * normal(60, 3)
    return record_trajectories(prior, points, sizes=(20, 48), n_samples=2, n_points=48, n_steps=3)


def test_trajectories(trajectories):
    assert [t.name for t in trajectories[:3]] == ["20 -> 48, 2-D", "48 -> 48, 2-D", "30 -> 48, 3-D"]
    for t in trajectories:
        assert len(t.x) == 5  # two evaluations per step, and one in the last
        assert all(x.shape == (2, 48, t.y.shape[1]) for x in t.x)
        assert t.multiplicity is None or int(t.multiplicity.sum()) == 48


def test_benchmark(trajectories, monkeypatch):
    threads = torch.get_num_threads()
    monkeypatch.setitem(sys.modules, "ot", None)  # not installed
    rows = assignment_benchmark(trajectories, every=2)
    assert torch.get_num_threads() == threads
    assert [row.name for row in rows] == [t.name for t in trajectories]
    for row in rows:
        assert row.difference < 1e-9 and row.engine.mean > 0 and row.pot is None
    assert len(assignment_table(rows).splitlines()) == 2 + len(rows)


def test_every(trajectories, one_sentence):
    with one_sentence(ValueError, "every", 0):
        assignment_benchmark(trajectories, every=0)
