"""The ratio of two methods' errors, and its interval."""

import numpy as np
import pytest

from dpskit.evaluation.ratios import ratio_of_means


def test_equal_ratios_have_no_width():
    found = ratio_of_means([1.0, 4.0, 9.0], [2.0, 8.0, 18.0])
    assert (found.value, found.low, found.high, found.below) == pytest.approx((0.5, 0.5, 0.5, 1.0))
    assert str(found) == "0.50 [0.50, 0.50]"
    assert str(ratio_of_means([1.0], [2.0])) == "0.50"  # of one target nothing is known about the width


def test_the_interval_holds_the_true_ratio_as_often_as_it_says():
    """The bootstrap of 40 pairs, 200 times: 95 % should hold 0.8, and 200 trials have a deviation of 1.5 %."""
    rng, hits = np.random.default_rng(1), 0
    for k in range(200):
        reference = rng.uniform(1, 3, 40)
        found = ratio_of_means(0.8 * reference + rng.normal(0, 0.2, 40), reference, seed=k)
        hits += found.low <= 0.8 <= found.high
    assert 0.88 <= hits / 200 <= 0.99


def test_pairs_are_kept_together():
    """The ratio of one pair is 0.5 whatever its size, so that drawing both together leaves no width."""
    reference = np.linspace(1, 100, 20)
    found = ratio_of_means(reference / 2, reference)
    assert found.high - found.low < 1e-12


def test_bad_lists_are_refused(one_sentence):
    with one_sentence(ValueError, "equally many"):
        ratio_of_means([1.0], [1.0, 2.0])
    with one_sentence(ValueError, "equally many"):
        ratio_of_means([], [])
