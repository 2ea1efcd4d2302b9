import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dpskit import InverseTime
from dpskit.sampling.noise import NoiseSource


@given(st.floats(0, 2), st.floats(0, 2), st.floats(1e-3, 100))
def test_beta(cutoff, below, t):
    assert InverseTime(cutoff, below)(t) == (1 / t if t > cutoff else below)


def test_beta_at_its_edges():
    assert InverseTime()(1e-3) == pytest.approx(1000)
    assert InverseTime(cutoff=0.15)(0.15) == 0.0
    assert InverseTime(cutoff=1.0, below=1.0)(0.3) == 1.0
    assert InverseTime(cutoff=math.inf)(1e9) == 0.0


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: InverseTime(-0.1), ["cutoff", "-0.1"]),
        (lambda: InverseTime(math.nan), ["cutoff", "nan"]),
        (lambda: InverseTime("0.15"), ["cutoff", "'0.15'"]),
        (lambda: InverseTime(below=-1.0), ["below", "-1.0"]),
        (lambda: InverseTime(below=math.inf), ["below", "inf"]),
    ],
)
def test_bad_input(one_sentence, call, words):
    with one_sentence(ValueError, *words):
        call()


@given(st.integers(0, 2**40), st.integers(0, 100), st.integers(1, 5), st.integers(0, 200))
def test_a_draw_depends_on_seed_sample_and_step_alone(seed, first, count, step):
    whole = NoiseSource(seed, range(first, first + count), (4, 3))
    assert whole.draw(step).shape == (count, 4, 3)
    for k in range(count):
        alone = NoiseSource(seed, range(first + k, first + k + 1), (4, 3))
        alone.draw(step + 1)  # what was drawn before plays no role
        assert torch.equal(alone.draw(step)[0], whole.draw(step)[k])


def test_all_draws_are_different_and_standard_normal():
    draws = torch.stack([NoiseSource(seed, range(5), (50, 3)).draw(step) for seed in range(4) for step in range(10)])
    flat = draws.flatten(0, 1).flatten(1).double()  # 200 draws of 150 numbers
    assert len(torch.unique(flat[:, 0])) == 200
    correlation = torch.triu(flat @ flat.T / 150, diagonal=1) * math.sqrt(150)
    assert correlation.abs().max() < 5.5  # the largest of 19,900 z-scores
    for power, mean, variance in [(1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)]:
        z = (float(flat.pow(power).mean()) - mean) / math.sqrt(variance / flat.numel())
        assert abs(z) < 4
