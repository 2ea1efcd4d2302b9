"""The walk to the best alpha."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpskit.benchmarks.paper.alpha import FACTOR, best_alpha


@given(best=st.integers(-17, 17), left=st.floats(0.1, 5), right=st.floats(0.1, 5))
def test_it_finds_the_minimum_of_every_function_with_one_and_asks_little(best, left, right):
    asked = []

    def error(alpha):
        asked.append(alpha)
        k = math.log(alpha / 4_000, FACTOR) - best
        return right * k if k > 0 else -left * k

    assert best_alpha(error, 4_000) == pytest.approx(4_000 * FACTOR**best, rel=1e-9)
    assert len(asked) == len(set(asked)) <= 12


def test_it_stays_within_reach_and_passes_by_what_diverges():
    assert best_alpha(lambda alpha: 1 / alpha, 1.0) == pytest.approx(FACTOR**18)
    assert best_alpha(lambda alpha: math.nan if alpha > 5 else 1 / alpha, 1.0) == pytest.approx(FACTOR**3)


def test_a_bad_start_is_refused(one_sentence):
    with one_sentence(ValueError, "start", "0"):
        best_alpha(lambda alpha: alpha, 0)
