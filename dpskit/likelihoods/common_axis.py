"""Orientations judged by the views alone: by the axis that every two of them share.

Views along d and e both see the axis d x e in its full length. So the points of both, projected on it, have the same
distribution if the orientations are right. Along every pair of directions that is tested once, and kept in a table.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dpskit.rotations import angles_between, even_rotations, random_rotations, rotations_by

N_DIRECTIONS = 180  # of a view, over a whole turn
N_PLACES = 128  # at which two distributions are compared
MOST = 500  # points of a view that a comparison counts: with more, it would find the small errors of any real data
N_CHOICES = 4_000  # orientations of one view among which a step draws, about 13 degrees apart
N_NEAR = 200  # the same, near the last one


@dataclass(frozen=True, eq=False)
class CommonAxes:
    """Two-sample statistics of Anderson and Darling of views along all pairs of directions.

    tables: (k, k, a, a), of view i along direction a and view j along direction b: 1 on average for samples of one
    distribution. The directions are a / N_DIRECTIONS of a whole turn.
    """

    tables: Tensor

    @staticmethod
    def of(views: Sequence[Tensor]) -> CommonAxes:
        """Of views (m, 2) with a common origin."""
        angle = torch.arange(N_DIRECTIONS) * (2 * math.pi / N_DIRECTIONS)
        directions = torch.stack([angle.cos(), angle.sin()], dim=1)
        reach = 1.01 * max(float(y.norm(dim=1).max()) for y in views) + 1e-6
        places = torch.linspace(-reach, reach, N_PLACES).expand(N_DIRECTIONS, -1).contiguous()
        shares = []
        for y in views:
            ordered = (directions @ y.float().cpu().T).sort(dim=1).values
            shares.append(torch.searchsorted(ordered, places, right=True) / len(y))
        tables = torch.zeros(len(views), len(views), N_DIRECTIONS, N_DIRECTIONS)
        for j in range(len(views)):
            for i in range(j):
                tables[i, j] = _anderson_darling(shares[i], shares[j], len(views[i]), len(views[j]))
                tables[j, i] = tables[i, j].T
        return CommonAxes(tables)

    def statistic(self, i: int, j: int, first: Tensor, second: Tensor) -> Tensor:
        """Of view i from orientations `first` (..., 3, 3) and view j from `second`: (...)."""
        axis = torch.linalg.cross(first[..., 2], second[..., 2])
        return self.tables[i, j][_direction(axis, first), _direction(axis, second)]

    def disagreement(self, rotations: Tensor) -> Tensor:
        """The mean over all pairs of views, of sets of orientations (h, k, 3, 3): (h,)."""
        pairs = [(i, j) for j in range(rotations.shape[1]) for i in range(j)]
        found = [self.statistic(i, j, rotations[:, i], rotations[:, j]) for i, j in pairs]
        return torch.stack(found).mean(dim=0)

    def of_view(self, k: int, choices: Tensor, rotations: Tensor) -> Tensor:
        """The sum over its pairs of view k from `choices` (1 or h, r, 3, 3), the others as in sets (h, k, 3, 3)."""
        others = (j for j in range(rotations.shape[1]) if j != k)
        return torch.stack([self.statistic(k, j, choices, rotations[:, j].unsqueeze(1)) for j in others]).sum(dim=0)


def _anderson_darling(f: Tensor, g: Tensor, m: int, n: int) -> Tensor:
    """Statistics (a, a) of m points with distributions f (a, places), and n with g.

    Opposite directions of both have the same, so that half of the table is enough.
    """
    count, half = min(m * n / (m + n), MOST / 2), len(f) // 2
    rows = []
    for row in f[:half].split(30):
        pooled = (m * row.unsqueeze(1) + n * g) / (m + n)
        step = pooled.diff(dim=-1, prepend=torch.zeros(*pooled.shape[:-1], 1))
        square = (row.unsqueeze(1) - g).square_().div_(pooled * (1 - pooled) + 1 / (m + n))
        rows.append(count * square.mul_(step).sum(dim=-1))
    table = torch.cat(rows)
    return torch.cat([table, table.roll(half, dims=1)])


def _direction(axis: Tensor, rotations: Tensor) -> Tensor:
    """The number of the direction in which views from `rotations` (..., 3, 3) see the `axis` (..., 3)."""
    x, y = (axis * rotations[..., 0]).sum(dim=-1), (axis * rotations[..., 1]).sum(dim=-1)
    return (torch.atan2(y, x) * (N_DIRECTIONS / (2 * math.pi))).round().long() % N_DIRECTIONS


def search_orientations(
    axes: CommonAxes, sets: Tensor, free: Sequence[int], temperatures: Sequence[float], generator: torch.Generator
) -> Tensor:
    """Sets of orientations (h, k, 3, 3) in which the `free` views agree better with the others about common axes.

    Gibbs sampling, each set for itself: one free view after the other draws one of 4,000 orientations, about 13 degrees
    apart, with a probability that falls with its statistics as their tail does, exp(-A^2 / temperature).
    """
    for temperature in temperatures:
        for k in free:
            choices = (even_rotations(N_CHOICES).float() @ random_rotations(1, generator)).unsqueeze(0)
            sets = _with_view(sets, k, _drawn(choices, axes.of_view(k, choices, sets) / temperature, generator))
    return sets


def search_nearby(
    axes: CommonAxes,
    sets: Tensor,
    free: Sequence[int],
    degrees: Sequence[float],
    temperature: float,
    generator: torch.Generator,
    stated: Tensor | None = None,
    tolerance: float = 180.0,
) -> Tensor:
    """The same among orientations near those of the sets, by about `degrees` in one round after the other.

    stated: (k, 3, 3), from which no orientation may differ by more than the `tolerance`; see `misfit`.
    """
    for turn in degrees:
        for k in free:
            near = sets[:, k].unsqueeze(1) @ random_turns((len(sets), N_NEAR), turn, generator)
            near[:, 0] = sets[:, k]
            score = axes.of_view(k, near, sets)
            if stated is not None:
                off = angles_between(near, stated[k])
                score = (score + misfit(off, tolerance)).masked_fill(off > tolerance, 1e9)
            sets = _with_view(sets, k, _drawn(near, score / temperature, generator))
    return sets


def misfit(degrees: Tensor, tolerance: float) -> Tensor:
    """Minus the log probability of so many degrees from a stated orientation: normal, half the tolerance wide."""
    return (degrees / (tolerance / 2)).square() / 2


def random_turns(shape: tuple[int, ...], degrees: float, generator: torch.Generator) -> Tensor:
    """Rotations (*shape, 3, 3) about random axes, by so many degrees (root mean square)."""
    return rotations_by(math.radians(degrees) / math.sqrt(3) * torch.randn(*shape, 3, generator=generator))


def _drawn(choices: Tensor, score: Tensor, generator: torch.Generator) -> Tensor:
    """One of the choices (1 or h, r, 3, 3) for each row of scores (h, r), with a probability of exp(-score)."""
    uniform = torch.rand(score.shape, generator=generator).clamp(1e-12, 1 - 1e-7)
    index = (-score - (-uniform.log()).log()).argmax(dim=1)
    return choices.expand(len(score), -1, -1, -1)[torch.arange(len(score)), index]


def _with_view(sets: Tensor, k: int, rotations: Tensor) -> Tensor:
    """The sets (h, k, 3, 3), view k from `rotations` (h, 3, 3)."""
    sets = sets.clone()
    sets[:, k] = rotations
    return sets
