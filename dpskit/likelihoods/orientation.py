"""Orientations that nobody knows: found for a cloud by comparing it with the view, coarsely over SO(3), then exactly.

A view from the orientation R sees the coordinates of a cloud x along the directions R (cos a, sin a, 0). So the
distribution of x along any direction of space, one table for a cloud, scores every rotation: by the mean over a few
angles a of the squared Wasserstein distance to the distribution of the view along (cos a, sin a).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from dpskit.checks import check_integer, check_points
from dpskit.cloud import distinct_rotations, even_rotations
from dpskit.likelihoods.observation import Observation
from dpskit.transport.assignment import Assignment, assign_each

N_ROTATIONS = 18_432  # about 8 degrees apart
N_ANGLES = 8  # directions in a view, over half a turn
N_DIRECTIONS = 2_048  # of half the sphere, about 3 degrees apart
N_LEVELS = 24  # quantiles of a distribution
DISTINCT = 20.0  # degrees between hypotheses


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
    square, scores = table.square().mean(dim=-1), []
    for view in views:
        seen = _quantiles(_in_plane() @ view.float().cpu().T)  # (a, levels)
        score = square.unsqueeze(-1) + seen.square().mean(dim=-1) - 2 * table @ seen.T / N_LEVELS  # (b, 2 d, a)
        scores.append(sum(score[:, index[:, a], a] for a in range(N_ANGLES)) / N_ANGLES)
    return torch.stack(scores, dim=1)


def find_rotations(cloud: Tensor, view: Tensor, n_hypotheses: int = 5, n_steps: int = 5) -> tuple[Tensor, Tensor]:
    """From where the cloud is seen as the view: the best rotations of SO(3), and the energy of each.

    Parameters
    ----------
    cloud : Tensor
        (n, 3). View and cloud have a common origin and one unit.
    view : Tensor
        (m, 2) points, without correspondence to those of the cloud.
    n_hypotheses : int
        How many, at least 20 degrees apart: an object with a symmetry, or nearly one, has several.
    n_steps : int
        Steps that refine each of them by exact assignments.

    Returns
    -------
    rotations : Tensor
        (h, 3, 3), by rising energy: the view shows (x R)_{:, (1, 2)}.
    energies : Tensor
        (h,), as `Projections.energies`.
    """
    cloud, view = check_points("cloud", cloud), check_points("view", view, dim=2)
    n_hypotheses = check_integer("n_hypotheses", n_hypotheses)
    score = score_rotations(cloud[None], [view])[0, 0]
    rotations = _grid()[0]
    start = rotations[distinct_rotations(rotations, -score, n_hypotheses, DISTINCT)]
    clouds = cloud.expand(len(start), -1, -1)
    found, energies, _ = refine_rotations(clouds, [Observation(view)], start.unsqueeze(1), n_steps)
    order = energies[:, 0].argsort()
    return found[order, 0], energies[order, 0]


@torch.no_grad()
def refine_rotations(
    clouds: Tensor,
    views: Sequence[Observation],
    rotations: Tensor,
    n_steps: int,
    starts: Sequence[Assignment | None] | None = None,
) -> tuple[Tensor, Tensor, list[Assignment]]:
    """Turn rotations (b, k, 3, 3) towards the nearest minimum of the energy of k views of clouds (b, n, 3).

    Each step matches points and view exactly, and then takes the Gauss-Newton step for the matched distances, halved
    until they fall. Returns the rotations, the energies (b, k) and the assignments.
    """
    starts = [None] * len(views) if starts is None else list(starts)
    clouds = clouds.float()
    for step in range(n_steps + 1):
        turned = clouds.unsqueeze(1) @ rotations.to(clouds)  # (b, k, n, 3)
        calls = [
            (turned[:, k, :, :2], view.points, view.multiplicity(clouds.shape[1]), starts[k])
            for k, view in enumerate(views)
        ]
        starts = assign_each(calls)
        targets = torch.stack([view.points.to(clouds)[s.index] for view, s in zip(views, starts, strict=True)], dim=1)
        if step < n_steps:
            rotations = rotations @ _turn_towards(turned, targets).to(rotations)
    energies = (turned[..., :2] - targets).square().sum(dim=-1).mean(dim=-1) / 2
    return rotations, energies, starts


def _turn_towards(turned: Tensor, targets: Tensor) -> Tensor:
    """Rotations (b, k, 3, 3), by at most 0.3, that bring turned (b, k, n, 3), z dropped, nearer to (b, k, n, 2)."""
    x, y, z = turned.unbind(dim=-1)
    zero = torch.zeros_like(x)
    # v exp(W) = v + v W: the change of the first two coordinates with the rotation vector (wx, wy, wz)
    slope = torch.stack([torch.stack([zero, z, -y], dim=-1), torch.stack([-z, zero, x], dim=-1)], dim=-2)
    residual = (targets - turned[..., :2]).unsqueeze(-1)
    normal = (slope.mT @ slope).sum(dim=2) + 1e-6 * torch.eye(3)
    vector = torch.linalg.solve(normal, (slope.mT @ residual).sum(dim=2)).squeeze(-1)
    vector = vector * (0.3 / vector.norm(dim=-1, keepdim=True).clamp(min=0.3))
    return rotations_of_vectors(vector)


def rotations_of_vectors(vector: Tensor) -> Tensor:
    """(..., 3, 3) for row vectors: v R is v turned by |w| about w (..., 3)."""
    x, y, z = vector.unbind(dim=-1)
    zero = torch.zeros_like(x)
    rows = [zero, z, -y, -z, zero, x, y, -x, zero]
    return torch.linalg.matrix_exp(torch.stack(rows, dim=-1).unflatten(-1, (3, 3)))
