"""Ranks of numbers that are uniform if the numbers are exchangeable, and tests that they are."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def randomised_rank(truth: Tensor, others: Tensor, generator: torch.Generator) -> Tensor:
    """(rank + U) / (s + 1) of truth (k, 1) among others (k, s), ties broken at random: uniform if exchangeable."""
    below = (others < truth).sum(dim=1)
    tied = (others == truth).sum(dim=1)
    place = below + torch.rand(len(truth), generator=generator) * (tied + 1)
    return (place / (others.shape[1] + 1)).double()


def ks_p_value(pit: Tensor) -> float:
    """Of the Kolmogorov-Smirnov test that numbers (k,) are uniform in [0, 1]."""
    from scipy import stats

    return float(stats.kstest(pit.numpy(), "uniform").pvalue)


def chi2_p_value(pit: Tensor) -> float:
    """The same by a histogram of at most 20 cells, with at least 5 numbers expected in each."""
    from scipy import stats

    cells = max(2, min(20, len(pit) // 5))
    count = np.bincount(np.minimum((pit.numpy() * cells).astype(int), cells - 1), minlength=cells)
    return float(stats.chisquare(count).pvalue)
