"""The operator U."""

import math

import torch
from hypothesis import given
from hypothesis import strategies as st
from likelihood_cases import seeds

from dpskit.likelihoods.observation import Observation


@given(seeds, st.integers(1, 60), st.integers(1, 60), st.booleans())
def test_multiplicities(seed, m, n, balanced):
    found = Observation(torch.zeros(m, 2), seed, balanced).multiplicity(n)
    assert found.shape == (m,) and found.dtype == torch.int64
    assert int(found.sum()) == n
    if m <= n:
        assert int(found.min()) >= 1  # every observed point at least once
    else:
        assert int(found.max()) <= 1  # n of the m points
    if balanced:
        assert int(found.max() - found.min()) <= 1
    torch.manual_seed(seed + 1)  # a function of (seed, m, n): neither of the points nor of any global state
    assert torch.equal(Observation(torch.ones(m, 3), seed, balanced).multiplicity(n), found)


def test_multiplicities_depend_on_the_seed_and_redraw_uniformly():
    counts = torch.stack([Observation(torch.zeros(5, 2), seed).multiplicity(12) for seed in range(2000)])
    assert len(torch.unique(counts, dim=0)) > 100
    # One of each, and 7 redrawn: Binomial(7, 1/5) more for every point.
    z = (counts.double().mean(dim=0) - 1 - 7 / 5) / math.sqrt(7 * 0.2 * 0.8 / 2000)
    assert z.abs().max() < 4


def test_downsampling_and_balancing_choose_uniformly():
    for observe, n, expected in [(Observation, 3, 3 / 8), (lambda y, s: Observation(y, s, True), 11, 1 + 3 / 8)]:
        counts = torch.stack([observe(torch.zeros(8, 2), seed).multiplicity(n) for seed in range(2000)])
        z = (counts.double().mean(dim=0) - expected) / math.sqrt(3 / 8 * 5 / 8 / 2000)
        assert z.abs().max() < 4
