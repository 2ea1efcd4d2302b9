import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dpskit.sampling.particles import Particles, effective_number, systematic


def test_moments_by_hand():
    points, weights = torch.tensor([[[0.0, 1.0]], [[4.0, 1.0]], [[8.0, 3.0]]]), torch.tensor([0.5, 0.25, 0.25])
    particles = Particles(points, weights.log(), torch.ones(1), torch.zeros(1), 0.0, 0)
    torch.testing.assert_close(particles.mean, torch.tensor([[3.0, 1.5]]))
    torch.testing.assert_close(particles.std, torch.tensor([[11.0, 0.75]]).sqrt())
    drawn = particles.resample(8, seed=1)[:, 0, 0]
    assert torch.bincount(drawn.long(), minlength=9)[[0, 4, 8]].tolist() == [4, 2, 2]
    with pytest.raises(ValueError, match="n_samples"):
        particles.resample(0)


@given(seed=st.integers(0, 1000), count=st.integers(1, 50))
def test_systematic_resampling_rounds_the_expected_numbers(normal, seed, count):
    log_weights = torch.log_softmax(2 * normal(9, seed=seed).double(), 0)
    chosen = systematic(log_weights, count, torch.Generator().manual_seed(seed))
    number = torch.bincount(chosen, minlength=9)
    expected = count * log_weights.exp()
    assert int(number.sum()) == count
    assert bool((number >= (expected - 1e-6).floor()).all() and (number <= (expected + 1e-6).ceil()).all())


def test_systematic_resampling_is_unbiased():
    log_weights, generator = torch.tensor([0.1, 0.25, 0.65]).log(), torch.Generator().manual_seed(0)
    number = sum(torch.bincount(systematic(log_weights, 3, generator), minlength=3) for _ in range(4000)) / 12_000
    assert torch.allclose(number, torch.tensor([0.1, 0.25, 0.65]), atol=0.01)


def test_effective_number():
    assert effective_number(torch.full((8,), -math.log(8))) == pytest.approx(8)
    assert effective_number(torch.tensor([0.0, -math.inf])) == pytest.approx(1)
    assert effective_number(torch.tensor([0.5, 0.25, 0.25]).log()) == pytest.approx(1 / 0.375)
