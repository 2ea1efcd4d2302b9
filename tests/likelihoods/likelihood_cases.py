"""Likelihoods of every kind on random clouds, and their energies by brute force."""

import itertools

import torch
from hypothesis import strategies as st
from torch.distributions import Normal

from dpskit import CoarseGrained, Joint, Projections, Subunit, random_rotations

seeds = st.integers(0, 10_000)
sizes = st.integers(1, 7)

FLAT, DEEP, EYE = torch.zeros(4, 2), torch.zeros(4, 3), torch.eye(3)[None]


def clouds(seed, *shape, ties=False):
    """Random clouds in double precision; on a coarse grid when `ties`, so that many matchings cost the same."""
    x = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return x.round() if ties else x


def least_cost(x, y):
    """min over all ways to pick a different row of x for every row of y of sum |x_i - y_j|^2: brute force."""
    costs = (x[:, None] - y[None]).square().sum(dim=2)
    picks = torch.tensor(list(itertools.permutations(range(len(x)), len(y))))
    return float(costs[picks, torch.arange(len(y))].sum(dim=1).min())


def brute_force(x, y, multiplicity):
    """1/2 min_P |P U y - x|^2 / n, with U written out as a matrix."""
    n, m = len(x), len(y)
    u = torch.zeros(n, m, dtype=y.dtype)
    u[torch.arange(n), torch.repeat_interleave(torch.arange(m), multiplicity)] = 1
    return least_cost(x, u @ y) / (2 * n)


def every_kind(seed, n):
    """One likelihood of each kind, for clouds of n points, and a Joint of them."""
    views = Projections([clouds(seed, n, 2), clouds(seed + 1, n - 2, 2)], random_rotations(2, seed), sigma=0.2)
    low, part = CoarseGrained(clouds(seed + 2, n - 3, 3), sigma=0.3), Subunit(clouds(seed + 3, n // 2, 3), sigma=0.4)
    return {"projections": views, "coarse": low, "subunit": part, "joint": Joint([views, low, part], [1, 2, 3, 4])}


class Height:
    """One's own likelihood: the mean height is 0.5, with noise 0.1."""

    def energy(self, x0):
        return (x0[..., 2].mean(dim=1) - 0.5).square() / 2

    def log_prob(self, x0):
        return Normal(0.5, 0.1).log_prob(x0[..., 2].mean(dim=1))
