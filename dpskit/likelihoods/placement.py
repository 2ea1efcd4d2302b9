"""Placements: where a part of known shape lies in an object that is seen from known orientations.

A placement (4, 3) holds a proper rotation R above a shift t: the points y of the part lie at y R + t. It is judged by
the likelihood of the observed points of every view. Each of them comes from the part, whose density at a narrow width
is known, or from the rest, whose density is what the part leaves over of the view's own at a wide width, but nowhere
less than 0. So a placement loses where the part stands out beyond a view, and gains where a view shows its outline and
its inner structure. All motions are compared on a coarse grid; the best ones are refined by random steps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dpskit.likelihoods.placement_loops import N_KEPT, log_ratios, scan
from dpskit.rotations import even_rotations, rotations_by

Array = NDArray[np.float32]
N_ROTATIONS = 1_536  # about 19 degrees apart
N_FIRST = 4_000  # motions of the grid that are compared with each other
NARROW, WIDE = 0.18, 0.36  # widths of the densities of part and rest, in radii of gyration, as all lengths here. With
# narrower ones, 0.1 and 0.25, noise of 2 angstrom in the views makes wrong places more likely than the true one
ROUNDS = (
    (800, 0.3, (0.25,) * 2 + (0.15,) * 4),
    (150, 0.4, (0.12,) * 6 + (0.06,) * 8),
    (30, 0.4, (0.05,) * 8 + (0.03,) * 12),
)  # how many placements are refined, how far apart (root mean square over the part), by which steps
APART = 0.5  # between placements that count as two in the end
OUTSIDE = 0.12  # of the usual density of a view: where there is less, no part has its centre


def place(points: Tensor, placements: Tensor) -> Tensor:
    """Points (l, 3) in each of the placements (..., 4, 3): (..., l, 3)."""
    return points @ placements[..., :3, :].to(points) + placements[..., 3:, :].to(points)


@torch.no_grad()
def search_placements(
    views: Sequence[Tensor], rotations: Tensor, part: Tensor, n_points: int, count: int, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """The most likely placements (h, 4, 3), at most `count`, the best first, and their log likelihood ratios (h,).

    Parameters
    ----------
    views, rotations
        k views of (m, 2) points, and their orientations (k, 3, 3).
    part
        (l, 3).
    n_points
        Of the whole object, l of which are the part's.
    count, seed
        How many, distinct, and of the steps that refine them.
    """
    generator = torch.Generator().manual_seed(seed)
    judge, center, radius = _judge_of(views, rotations, part, n_points)
    centered = part.cpu().float() - center
    found, scores = judge.scan(even_rotations(N_ROTATIONS).float())
    best = scores.argsort(descending=True)[:N_FIRST]
    found, scores = found[best], scores[best]
    for kept, apart, steps in ROUNDS:
        best = _distinct(centered, found, scores, kept, apart * radius)
        found, scores = found[best], judge(found[best])
        for step in steps:
            found, scores = _stepped(judge, found, scores, step, radius, generator)
    best = _distinct(centered, found, scores, count, APART * radius)
    found, scores = found[best], scores[best]
    return torch.cat([found[:, :3], found[:, 3:] - center[None] @ found[:, :3]], dim=1), scores


@torch.no_grad()
def placement_ratios(
    views: Sequence[Tensor], rotations: Tensor, part: Tensor, n_points: int, placements: Tensor
) -> Tensor:
    """Log likelihood ratios (h,) of placements (h, 4, 3), as `search_placements` compares them."""
    judge, center, _ = _judge_of(views, rotations, part, n_points)
    return judge(torch.cat([placements[:, :3], place(center[None], placements)], dim=1))


def _judge_of(views: Sequence[Tensor], rotations: Tensor, part: Tensor, n_points: int) -> tuple[_Judge, Tensor, float]:
    """Of the part around its centre; the centre and its radius of gyration."""
    center, matrices = part.mean(dim=0).cpu().float(), rotations[:, :, :2].cpu().float().numpy()
    centered = part.cpu().float() - center
    radius = float(centered.square().sum(dim=1).mean().sqrt())
    every = [view.cpu().float().numpy() for view in views]
    judge = _Judge.of(every, matrices, centered.numpy(), n_points, NARROW * radius, WIDE * radius)
    return judge, center, radius


@dataclass(frozen=True, eq=False)
class _Judge:
    """The log likelihood ratio of placements of a part, against views of which nothing is known.

    points (m, 2): of all views, view k from begins[k] on. densities (k, g, g): of the points of each view at the width
    `wide`, scaled to n points, on a grid of cells from `low` on.
    """

    part: Array
    points: Array
    begins: NDArray[np.int64]
    matrices: Array
    densities: Array
    n: int
    low: float
    cell: float
    narrow: float
    wide: float

    @staticmethod
    def of(views: Sequence[Array], matrices: Array, part: Array, n: int, narrow: float, wide: float) -> _Judge:
        """Of the views' points, (m, 2) each, and a part around the origin."""
        points = np.concatenate(views)
        reach = float(np.linalg.norm(part, axis=1).max()) + 6 * wide
        cell, low = 0.6 * wide, float(points.min()) - reach
        axis = low + cell * np.arange(math.ceil((float(points.max()) + reach - low) / cell) + 1)
        densities = []
        for view in views:
            x, y = (np.exp(-((axis[:, None] - u) ** 2) / (2 * wide**2)) for u in view.T)
            densities.append(n / len(view) / (2 * math.pi * wide**2) * x @ y.T)
        begins = np.cumsum([0, *map(len, views)])
        maps = np.stack(densities).astype(np.float32)
        return _Judge(part, points, begins, np.ascontiguousarray(matrices), maps, n, low, cell, narrow, wide)

    def __call__(self, placements: Tensor) -> Tensor:
        """(h, 4, 3) -> (h,)."""
        n, low, cell, *widths = map(np.float32, (self.n, self.low, self.cell, self.narrow, self.wide))
        arrays = self.part, placements.float().numpy(), self.matrices, self.points, self.begins, self.densities
        return torch.from_numpy(log_ratios(*arrays, n, low, cell, *widths))

    def scan(self, rotations: Tensor) -> tuple[Tensor, Tensor]:
        """The placements (h, 4, 3) with the best shifts of each rotation (r, 3, 3), and their rough ratios (h,)."""
        n, low, cell, *widths = map(np.float32, (self.n, self.low, self.cell, self.narrow, self.wide))
        counts = np.zeros_like(self.densities)
        inside = np.zeros(self.densities.shape, bool)
        for k, (begin, end) in enumerate(zip(self.begins, self.begins[1:], strict=False)):
            i, j = np.rint((self.points[begin:end] - low) / cell).astype(int).T
            np.add.at(counts[k], (i, j), 1)
            inside[k] = self.densities[k] > OUTSIDE * np.median(self.densities[k, i, j])
        half = 1.2 * float(np.abs(self.points).max())
        axis = np.arange(-half, half, 0.8 * self.cell, dtype=np.float32)
        shifts = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
        cells = np.rint((shifts @ self.matrices - low) / cell).astype(int).clip(0, inside.shape[1] - 1)
        shifts = shifts[np.all([m[c[:, 0], c[:, 1]] for m, c in zip(inside, cells, strict=True)], axis=0)]
        if len(shifts) == 0:
            return torch.zeros(0, 4, 3), torch.zeros(0)
        arrays = self.part, rotations.numpy(), shifts, self.matrices, counts, self.densities, inside
        scores, best = scan(*arrays, n, low, cell, *widths)
        turns = rotations.repeat_interleave(N_KEPT, dim=0)
        placements = torch.cat([turns, torch.from_numpy(shifts[best.ravel()])[:, None]], dim=1)
        known = torch.from_numpy(scores.ravel())
        return placements[known > -1e8], known[known > -1e8]


def _stepped(
    judge: _Judge, placements: Tensor, scores: Tensor, step: float, radius: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Each placement after a random step, if that is better."""
    turn, shift = step / math.sqrt(3) * torch.randn(2, len(placements), 3, generator=generator)
    moved = [placements[:, :3] @ rotations_by(turn), placements[:, 3:] + 0.7 * radius * shift[:, None]]
    tried = torch.cat(moved, dim=1)
    ratios = judge(tried)
    return torch.where((ratios > scores)[:, None, None], tried, placements), torch.maximum(ratios, scores)


def _distinct(part: Tensor, placements: Tensor, scores: Tensor, count: int, apart: float) -> Tensor:
    """Indices of the `count` best placements (h, 4, 3) that lie at least `apart` from each other."""
    order = scores.argsort(descending=True)
    some = part[:: max(1, len(part) // 32)]
    moved = place(some, placements[order]).flatten(1) / math.sqrt(len(some))
    kept: list[int] = []
    free = torch.ones(len(order), dtype=torch.bool)
    while len(kept) < count and bool(free.any()):
        kept.append(int(free.int().argmax()))
        free &= (moved - moved[kept[-1]]).norm(dim=1) >= apart
        free[kept[-1]] = False
    return order[kept]
