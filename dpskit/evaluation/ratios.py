"""Two methods side by side on the same targets: the ratio of their mean errors, and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

N_BOOTSTRAP = 4000


@dataclass(frozen=True)
class Ratio:
    """value: ratio of the means of `count` targets; low, high: its interval of 95 %; below: share of ratios below 1."""

    value: float
    low: float
    high: float
    below: float
    count: int

    def __str__(self) -> str:
        if self.count == 1:  # the bootstrap of one target has no width, and says nothing
            return f"{self.value:.2f}"
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


def ratio_of_means(values: Sequence[float], reference: Sequence[float], seed: int = 0) -> Ratio:
    """The mean of `values` over that of `reference`, one number per target each, on the same targets in order.

    The interval is the bootstrap's over targets: 2.5 to 97.5 % of the ratios of 4,000 draws of as many targets, with
    repetition, each with both of its numbers. Raises ValueError for lists of different lengths, or empty ones.
    """
    a, b = np.asarray(values, dtype=float), np.asarray(reference, dtype=float)
    if a.shape != b.shape or a.ndim != 1 or not len(a):
        raise ValueError(f"values and reference must be equally many numbers, got shapes {a.shape} and {b.shape}.")
    drawn = np.random.default_rng(seed).integers(len(a), size=(N_BOOTSTRAP, len(a)))
    low, high = np.quantile(a[drawn].mean(axis=1) / b[drawn].mean(axis=1), (0.025, 0.975))
    return Ratio(float(a.mean() / b.mean()), float(low), float(high), float((a < b).mean()), len(a))
