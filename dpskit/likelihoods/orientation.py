"""Orientations that nobody knows: found for a cloud by comparing it with the view, coarsely over SO(3), then exactly.

A view from the orientation R sees the coordinates of a cloud x along the directions R (cos a, sin a, 0). So the
distribution of x along any direction of space, one table for a cloud, scores every rotation: by the mean over a few
angles a of the squared Wasserstein distance to the distribution of the view along (cos a, sin a).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from dpskit.checks import check_integer, check_number, check_points
from dpskit.likelihoods.surprise import draws_log_prob
from dpskit.rotations import distinct_rotations, even_rotations, rotations_by

N_ROTATIONS = 18_432  # about 8 degrees apart
N_ANGLES = 8  # directions in a view, over half a turn
N_DIRECTIONS = 2_048  # of half the sphere, about 3 degrees apart
N_LEVELS = 24  # quantiles of a distribution
N_STARTS = 12  # of the grid's rotations that are refined
DISTINCT = 20.0  # degrees between hypotheses
FEW = 400  # points of a cloud and of a view that decide in every step of a run
N_FOLLOWED = 6  # rotations that are refined where none is known from the step before
FOLLOWED = 0.1  # width that decides there
WIDTH = 0.07  # of a point, in units of the cube: near the error of a good reconstruction


@functools.cache
def _grid() -> tuple[Tensor, Tensor, Tensor]:
    """Rotations (r, 3, 3), directions (d, 3) of half the sphere, and the direction (r, a) that each rotation sees along
    each angle: its number, plus d for the opposite one."""
    i = np.arange(N_DIRECTIONS) + 0.5
    z, turn = i / N_DIRECTIONS, i * math.pi * (1 + 5**0.5)
    half = np.stack([np.sqrt(1 - z**2) * np.cos(turn), np.sqrt(1 - z**2) * np.sin(turn), z], axis=1)
    rotations = even_rotations(N_ROTATIONS)
    seen = (rotations[:, :, :2].double() @ _in_plane().double().T).mT  # (r, a, 3)
    index = cKDTree(np.concatenate([half, -half])).query(seen.reshape(-1, 3).numpy())[1]
    return rotations.float(), torch.from_numpy(half).float(), torch.from_numpy(index).view(len(rotations), -1)


def _in_plane() -> Tensor:
    """(a, 2) unit vectors over half a turn; the other half is their opposite."""
    angle = torch.arange(N_ANGLES, dtype=torch.float64) * math.pi / N_ANGLES
    return torch.stack([angle.cos(), angle.sin()], dim=1).float()


def _quantiles(values: Tensor) -> Tensor:
    """Quantiles of values (..., n) at the middle of `N_LEVELS` equal shares: (..., levels)."""
    ordered, n = values.sort(dim=-1).values, values.shape[-1]
    place = ((torch.arange(N_LEVELS) + 0.5) / N_LEVELS * n - 0.5).clamp(0, n - 1)
    low = place.floor().long().clamp(max=max(n - 2, 0))
    weight = (place - low).to(values)
    return ordered[..., low] * (1 - weight) + ordered[..., (low + 1).clamp(max=n - 1)] * weight


@torch.no_grad()
def score_rotations(clouds: Tensor, views: Sequence[Tensor]) -> Tensor:
    """How badly each rotation of the grid shows the clouds (b, n, 3) as each of the `views` (m, 2): (b, k, r).

    The mean squared Wasserstein distance of the projections on lines of the view, in squared units of the clouds.
    """
    _, directions, index = _grid()
    half = _quantiles(directions @ clouds.float().cpu().mT)  # (b, d, levels)
    table = torch.cat([half, -half.flip(-1)], dim=1)
    square = table.square().mean(dim=-1)
    scores: list[Any] = []
    for view in views:
        seen = _quantiles(_in_plane() @ view.float().cpu().T)  # (a, levels)
        score = square.unsqueeze(-1) + seen.square().mean(dim=-1) - 2 * table @ seen.T / N_LEVELS  # (b, 2 d, a)
        scores.append(sum(score[:, index[:, a], a] for a in range(N_ANGLES)) / N_ANGLES)
    return torch.stack(scores, dim=1)


def find_rotations(
    cloud: Tensor, view: Tensor, n_hypotheses: int = 5, *, width: float = WIDTH
) -> tuple[Tensor, Tensor]:
    """From where a cloud is seen as the view: the most probable rotations of SO(3).

    Parameters
    ----------
    cloud : Tensor
        (n, 3) in the cube. View and cloud have a common origin.
    view : Tensor
        (m, 2) points, without correspondence to those of the cloud.
    n_hypotheses : int
        How many, at least 20 degrees apart: an object with a symmetry, or nearly one, has several.
    width : float
        How far the points of the cloud may lie from those that were seen: see `view_log_prob`.

    Returns
    -------
    rotations : Tensor
        (h, 3, 3), the most probable first: the view shows (x R)_{:, (1, 2)}.
    log_probs : Tensor
        (h,), the sum of `view_log_prob` over the points of the view. Differences of a few mean nothing.

    Raises
    ------
    ValueError, TypeError
        For wrong shapes, NaN, and a number or width that is not above 0.

    Notes
    -----
    The best of 18,432 rotations by `score_rotations` are refined by `refine_rotations`. A matching of all points, as in
    the energy, is a poor judge of orientations: with 400 points its least energy lies 3 to 24 degrees from the truth
    even for the true cloud (twelve complexes), the greatest probability 1 to 7.

    Examples
    --------
    >>> import dpskit
    >>> cloud = dpskit.load_example("ruvab").points
    >>> view = dpskit.Projections.observe(cloud, n_views=1, n_points=400, seed=0)
    >>> rotations, log_probs = dpskit.find_rotations(cloud, view.points[0])
    >>> angle = ((rotations[0] * view.rotations[0]).sum() / 2 - 0.5).arccos().rad2deg()
    >>> bool(angle < 10)
    True
    """
    cloud, view = check_points("cloud", cloud).float(), check_points("view", view, dim=2).float()
    n_hypotheses = check_integer("n_hypotheses", n_hypotheses)
    width = check_number("width", width, above=0.0)
    score, rotations = score_rotations(cloud[None], [view])[0, 0], _grid()[0]
    start = rotations[distinct_rotations(rotations, -score, max(N_STARTS, 2 * n_hypotheses), DISTINCT / 2)]
    found = refine_rotations(cloud.expand(len(start), -1, -1), view, start, width)
    probable = view_log_prob(cloud.expand(len(found), -1, -1), view, found, width)
    kept = distinct_rotations(found, probable, n_hypotheses, DISTINCT)
    return found[kept], probable[kept]


def view_log_prob(clouds: Tensor, view: Tensor, rotations: Tensor, width: float = WIDTH) -> Tensor:
    """log p(view | cloud, rotation) where every point of the view was drawn from a random one of the cloud.

    Clouds (b, n, 3), view (m, 2), rotations (b, 3, 3) -> (b,): sum_j log 1/n sum_i N(y_j; (x_i R)_{(1, 2)}, width^2).
    """
    return draws_log_prob(view, clouds @ rotations[..., :2].to(clouds), width)


def _exponents(clouds: Tensor, view: Tensor, rotations: Tensor, width: float) -> Tensor:
    """-|y_j - (x_i R)_{(1, 2)}|^2 / (2 width^2), (b, n, m)."""
    seen = clouds @ rotations[..., :2].to(clouds)
    square = seen.square().sum(dim=-1, keepdim=True) + view.square().sum(dim=-1)
    return (seen @ view.T - square / 2) / width**2


@torch.no_grad()
def refine_rotations(
    clouds: Tensor, view: Tensor, rotations: Tensor, width: float = WIDTH, *, n_steps: int = 24, first: float = 0.2
) -> Tensor:
    """Turn rotations (b, 3, 3) towards a near maximum of `view_log_prob` of a view (m, 2) of clouds (b, n, 3).

    Expectation maximisation: the points of the view are shared out among those of the cloud, and the cloud is turned
    towards its shares, with a width that falls from `first` to `width` in the first half of the steps. A step goes
    beyond the maximum that it sees, as is safe up to twice the way, and never turns by more than 0.3.
    """
    view = view.to(clouds)
    for step in range(n_steps):
        now = width * (max(first, width) / width) ** max(0.0, 1 - 2 * step / n_steps)
        share = torch.softmax(_exponents(clouds, view, rotations, now), dim=1)
        weight = share.sum(dim=2)
        turned = clouds @ rotations.to(clouds)
        targets = (share @ view) / weight.clamp(min=1e-9).unsqueeze(-1)
        rotations = rotations @ _turn_towards(turned, targets, weight).to(rotations)
    return rotations


def _turn_towards(turned: Tensor, targets: Tensor, weight: Tensor) -> Tensor:
    """Rotations (b, 3, 3) that bring turned (b, n, 3), z dropped, nearer to targets (b, n, 2) of weights (b, n)."""
    x, y, z = turned.unbind(dim=-1)
    zero = torch.zeros_like(x)
    # how the first two coordinates of a row change with the rotation vector w: by those of w x row
    slope = torch.stack([torch.stack([zero, z, -y], dim=-1), torch.stack([-z, zero, x], dim=-1)], dim=-2)
    weighted = weight[..., None, None] * slope
    normal = (weighted.mT @ slope).sum(dim=1) + 1e-6 * torch.eye(3)
    pull = (weighted.mT @ (targets - turned[..., :2]).unsqueeze(-1)).sum(dim=1)
    vector = 1.7 * torch.linalg.solve(normal, pull).squeeze(-1)
    return rotations_by(vector * (0.3 / vector.norm(dim=-1, keepdim=True).clamp(min=0.3)))


@torch.no_grad()
def follow_rotations(clouds: Tensor, views: Sequence[Tensor], previous: Tensor | None = None) -> Tensor:
    """The rotation from which each cloud (b, n, 3) is seen as each of k views (m, 2): (b, k, 3, 3).

    A quick `find_rotations` on random subsets of the points, for every step of a run: the best few of the grid and the
    `previous` rotation (b, k, 3, 3) are refined by a few steps, and the most probable one is taken.
    """
    clouds = clouds.detach().float().cpu()
    scores, grid = score_rotations(clouds, views), _grid()[0]
    clouds, count = clouds[:, _subset(clouds.shape[1], FEW)], N_FOLLOWED if previous is None else N_FOLLOWED // 2
    found = torch.empty(*scores.shape[:2], 3, 3)
    for b, cloud in enumerate(clouds):
        for k, view in enumerate(views):
            starts = grid[distinct_rotations(grid, -scores[b, k], count, DISTINCT)]
            if previous is not None:
                starts = torch.cat([starts, previous[b, k].unsqueeze(0)])
            seen, same = view.float().cpu()[_subset(len(view), FEW)], cloud.expand(len(starts), -1, -1)
            refined = refine_rotations(same, seen, starts, n_steps=8 if previous is None else 4, first=0.12)
            found[b, k] = refined[view_log_prob(same, seen, refined, FOLLOWED).argmax()]
    return found


def _subset(count: int, most: int) -> Tensor:
    """Numbers of at most so many of `count` points, at random but always the same."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(0))[:most]
