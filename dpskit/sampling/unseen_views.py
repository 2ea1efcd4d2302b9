"""Orientations judged, and corrected, by clouds that have not seen the view.

A cloud of all views bends to each of them, also to one whose orientation is wrong. A cloud of the other views does not:
it shows where the view left out was seen from, and how likely its points are from there (cross-validation).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dpskit.likelihoods.common_axis import misfit
from dpskit.likelihoods.orientation import FOLLOWED, follow_rotations, view_log_prob
from dpskit.likelihoods.projection import Projections
from dpskit.rotations import angles_between, fitted_rotation, kept_near
from dpskit.sampling.trial_clouds import trial_clouds

N_ROUNDS = 2
ERROR = 5.0  # degrees between an orientation and what a cloud of the other views shows of it


class _OthersEnergy:
    """The energy of clouds (h k): that of data seen from sets (h, k, 3, 3), where cloud j k + i leaves view i out."""

    def __init__(self, data: Projections, sets: Tensor) -> None:
        n_views = sets.shape[1]
        self.run = data.seen_from(sets.repeat_interleave(n_views, dim=0)).start()
        self.seen = (1 - torch.eye(n_views)).repeat(len(sets), 1) / (n_views - 1)

    def energy(self, x0: Tensor) -> Tensor:
        """(h k, n, 3) -> (h k,)."""
        return (self.run.energies(x0) * self.seen.to(x0)).sum(dim=1)


def correct_orientations(data: Projections, sets: Tensor, free: Sequence[int], seed: int) -> tuple[Tensor, Tensor]:
    """Sets of orientations (h, k, 3, 3) corrected where the views ask for it, and the log probability (h,) of each.

    Each round draws, for every view, a cloud of the other views, sums the log probabilities of the views under their
    clouds, and then turns the `free` views to where their clouds are most probably seen from. A set ends as it was in
    its best round.

    Parameters
    ----------
    data
        Two views at least.
    sets
        (h, k, 3, 3).
    free
        The numbers of the views that may turn. Where one view alone has a known orientation, it only fixes the frame:
        it turns too, and the others with it.
    seed
        Of the clouds.
    """
    best, highest = sets, torch.full((len(sets),), -torch.inf)
    for turns_left in reversed(range(N_ROUNDS + 1)):
        clouds = trial_clouds(data, _OthersEnergy(data, sets), len(sets) * sets.shape[1], seed)
        clouds = clouds.unflatten(0, sets.shape[:2])
        log_prob = _log_prob(data, sets, clouds)
        better = log_prob > highest
        best = torch.where(better[:, None, None, None], sets, best)
        highest = torch.where(better, log_prob, highest)
        if turns_left:
            sets = _turned(data, sets, clouds, free)
    return best, highest


def _log_prob(data: Projections, sets: Tensor, clouds: Tensor) -> Tensor:
    """Of the views under their clouds (h, k, n, 3), and of rough orientations as they are stated: (h,)."""
    views = [view_log_prob(clouds[:, k], y, sets[:, k], FOLLOWED) for k, y in enumerate(data.points)]
    return torch.stack(views).sum(dim=0) - stated_misfit(data, sets)


def stated_misfit(data: Projections, sets: Tensor) -> Tensor:
    """Minus the log probability (h,) of how far rough orientations in sets (h, k, 3, 3) are from those stated."""
    terms = [misfit(angles_between(sets[:, k], data.rotations[k]), data.tolerance) for k in data.rough]
    return torch.stack([torch.zeros(len(sets)), *terms]).sum(dim=0)


def _turned(data: Projections, sets: Tensor, clouds: Tensor, free: Sequence[int]) -> Tensor:
    """The sets, the `free` views and one that is the only known one turned as the clouds (h, k, n, 3) show them."""
    known = [k for k in range(len(data.points)) if k not in data.unknown]
    share = ERROR**2 / (ERROR**2 + (data.tolerance / 2) ** 2)
    turned = sets.clone()
    for k in (*free, *known) if len(known) == 1 else free:
        found = follow_rotations(clouds[:, k], [data.points[k]], sets[:, k : k + 1])[:, 0]
        if k in data.rough:
            found = _between(found, data.rotations[k], share)
            found = kept_near(found, sets[:, k], data.rotations[k], data.tolerance)
        turned[:, k] = found
    if len(known) == 1:  # the frame: all are turned with it until it is as it was
        turned = data.rotations[known] @ turned[:, known].mT @ turned
        turned[:, known] = data.rotations[known]
    return turned


def _between(found: Tensor, stated: Tensor, share: float) -> Tensor:
    """Rotations (h, 3, 3) from those `found` by the `share` of the way to the one stated (3, 3)."""
    mean = (1 - share) * found + share * stated
    return torch.stack([fitted_rotation(torch.eye(3), one) for one in mean])
