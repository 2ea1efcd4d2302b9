"""Clusters of an ensemble: against a search over all chains, and that one kind of samples is one cluster."""

import itertools

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from dpskit import clusters
from dpskit.evaluation.clusters import cluster_warning


def between(a, b):
    """Root of the mean squared distance to the nearest point, both ways added."""
    squares = cdist(a, b) ** 2
    return np.sqrt(squares.min(axis=0).mean() + squares.min(axis=1).mean())


@given(st.integers(0, 10_000), st.integers(2, 7), st.floats(0.8, 3.0))
def test_members_are_reached_by_short_steps_and_others_are_not(seed, count, apart):
    generator = torch.Generator().manual_seed(seed)
    points = torch.randn(count, 5, 3, generator=generator) + 3 * torch.randn(count, 1, 3, generator=generator)
    distance = np.array([[between(a, b) for b in points.numpy()] for a in points.numpy()])
    nearest = [min(distance[i, j] for j in range(count) if j != i) for i in range(count)]
    short = distance <= apart * np.median(nearest)
    found = clusters(points, apart)
    assert sorted(itertools.chain(*found)) == list(range(count))
    assert [len(part) for part in found] == sorted((len(part) for part in found), reverse=True)
    for part in found:
        rest = [k for k in range(count) if k not in part]
        assert not short[np.ix_(part, rest)].any()
        reached, new = set(), {part[0]}
        while new:
            reached |= new
            new = {j for i in new for j in np.flatnonzero(short[i])} - reached
        assert reached == set(part)


def test_samples_of_one_kind_are_one_cluster_and_of_two_are_two(normal):
    plate, rod = torch.rand(300, 3) * torch.tensor([1.0, 1, 0.1]), torch.rand(300, 3) * torch.tensor([0.1, 0.1, 2])
    kinds = torch.stack([plate, rod, plate, rod, plate])
    samples = kinds + 0.05 * normal(5, 300, 3)
    assert clusters(samples) == [[0, 2, 4], [1, 3]]
    assert cluster_warning(samples).startswith(
        "The samples fall into 2 clusters"
    ) and "0, 2, 4; 1, 3" in cluster_warning(samples)
    assert clusters(samples[::2]) == [[0, 1, 2]] and cluster_warning(samples[::2]) == ""
    assert clusters(plate[None]) == [[0]] and clusters(torch.stack([plate, plate, plate])) == [[0, 1, 2]]


def test_bad_input(one_sentence, normal):
    with one_sentence(ValueError, "apart", "0"):
        clusters(normal(3, 4, 3), 0.0)
    with one_sentence(ValueError, "points", "(4, 3)"):
        clusters(normal(4, 3))
