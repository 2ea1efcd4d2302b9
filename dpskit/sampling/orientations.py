"""Orientations of views that are unknown or rough, found from the data before a run, as weighted hypotheses."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dpskit.likelihoods.common_axis import CommonAxes, search_nearby, search_orientations
from dpskit.likelihoods.orientation import refine_rotations
from dpskit.likelihoods.projection import Projections
from dpskit.rotations import angles_between, kept_near, random_rotations
from dpskit.sampling.poses import Poses
from dpskit.sampling.trial_clouds import N_STEPS, trial_clouds
from dpskit.sampling.unseen_views import correct_orientations, stated_misfit

N_CHAINS = 48  # sets of orientations that are searched for side by side
N_HYPOTHESES = 16  # of them that are tried with a cloud, at once
N_PARENTS = 3  # of the hypotheses, whose surroundings are tried next
N_LAST = 3  # of them that are corrected and judged by clouds that have not seen the view
TEMPERATURES = (4.0, 2.0, 1.0, 0.5, 0.25)  # of the search over all orientations
TURNS = (12.0, 6.0, 3.0)  # degrees of the search near the last ones
ROUNDS = (8.0, 4.0)  # degrees of the surroundings that are tried with a cloud
DISTINCT = 12.0  # degrees between sets that are tried
SAME = 6.0  # degrees up to which they are one hypothesis in the end
REFINED = 0.1  # width of a point, in units of the cube, while orientations follow the cloud
SHARPNESS = 20.0  # e-folds of the probability that one of the energy counts for
SPREAD = 10.0  # by which log probabilities of one hypothesis differ between clouds of several seeds
AXES = 0.5  # e-folds of the energy that one unit of the statistic of common axes counts for


class _Refined:
    """Energies of clouds each seen from its own orientations, of which the free ones are refined late in the run."""

    def __init__(self, data: Projections, sets: Tensor, free: Sequence[int], calls: int) -> None:
        self.data, self.sets, self.free, self.calls = data, sets.clone(), free, calls
        self.run = data.seen_from(self.sets).start()

    def energy(self, x0: Tensor) -> Tensor:
        """(b, n, 3) -> (b,)."""
        energy = self.run.energy(x0)
        if x0.requires_grad:
            self.calls -= 1
            if self.calls < 0:
                self.sets = self.sets.clone()  # the gradient still needs the old ones
                for k in self.free:
                    self.sets[:, k] = self._refined(x0.detach(), k)
                self.run = self.data.seen_from(self.sets, self.run.memory)
        return energy

    def _refined(self, clouds: Tensor, k: int) -> Tensor:
        """The rotations (b, 3, 3) of view k a step nearer to the clouds (b, n, 3), unless that breaks the tolerance."""
        last = self.sets[:, k]
        found = refine_rotations(clouds, self.data.points[k], last, REFINED, n_steps=1, first=REFINED)
        if k in self.data.unknown:
            return found
        return kept_near(found, last, self.data.rotations[k], self.data.tolerance)


def find_orientations(data: Projections, seed: int = 0) -> Poses:
    """Sets of orientations of all views, as hypotheses with weights.

    Sets on whose common axes the views agree are searched for first. The best of them are tried: each with a cloud that
    DPS draws from a Gaussian prior, without noise and from the same start, while its orientations follow. A set counts
    by the energy E of its cloud and by its common axes, log E + A^2 / 2, and by how near rough orientations are to
    those that are stated. Then sets near the best ones are tried. The best three are corrected and weighed by
    `correct_orientations`.

    Parameters
    ----------
    data
        Projections with rows of NaN in `rotations`, or with a `tolerance`.
    seed
        Of the draws.

    Returns
    -------
    Poses
        rotations (h, k, 3, 3), the most probable first, and weights (h,).

    Raises
    ------
    ValueError
        For views all of whose points lie at the origin.
    """
    if not any(bool(y.any()) for y in data.points):
        raise ValueError("points must not all be at the origin where orientations are to be found, got only such.")
    generator = torch.Generator().manual_seed(seed)
    axes, unknown, rough = CommonAxes.of(data.points), data.unknown, data.rough

    def nearby(sets: Tensor, degrees: Sequence[float], temperature: float) -> Tensor:
        sets = search_nearby(axes, sets, unknown, degrees, temperature, generator)
        return search_nearby(axes, sets, rough, degrees, temperature, generator, data.rotations, data.tolerance)

    def attempt(sets: Tensor) -> tuple[Tensor, Tensor]:
        found, energy = _tried(data, sets, [*unknown, *rough], seed)
        return found, energy.log() + AXES * axes.disagreement(found) + stated_misfit(data, found) / SHARPNESS

    sets = data.rotations.expand(N_CHAINS, -1, -1, -1).clone()
    for k in unknown:
        sets[:, k] = random_rotations(N_CHAINS, generator)
    sets = nearby(search_orientations(axes, sets, unknown, TEMPERATURES, generator), TURNS, TEMPERATURES[-1])
    apart = DISTINCT if unknown else 0.0
    found, loss = attempt(sets[_distinct(sets, axes.disagreement(sets), N_HYPOTHESES, apart)])
    for degrees in ROUNDS:
        parents = found[_distinct(found, loss, N_PARENTS, 2 * degrees)]
        near = parents.repeat(-(-N_HYPOTHESES // len(parents)), 1, 1, 1)[: N_HYPOTHESES - len(parents)]
        found, loss = attempt(torch.cat([parents, nearby(near, [degrees], 1.0)]))
    last = found[_distinct(found, loss, N_LAST, apart)]
    last, log_prob = correct_orientations(data, last, [*unknown, *rough], seed)
    kept = _distinct(last, -log_prob, N_LAST, SAME)
    return Poses(last[kept], (log_prob[kept] / SPREAD).softmax(dim=0))


def _tried(data: Projections, sets: Tensor, free: Sequence[int], seed: int) -> tuple[Tensor, Tensor]:
    """Sets of orientations (h, k, 3, 3) as a short run has refined them, and the energy (h,) of its clouds."""
    likelihood = _Refined(data, sets, free, round(0.6 * N_STEPS))
    clouds = trial_clouds(data, likelihood, len(sets), seed)
    return likelihood.sets, data.seen_from(likelihood.sets).energy(clouds)


def _distinct(sets: Tensor, loss: Tensor, count: int, degrees: float) -> list[int]:
    """Which `count` sets (h, k, 3, 3) are the best by `loss` (h,) and differ by at least `degrees` in some view; fewer,
    if there are not so many."""
    kept: list[int] = []
    for j in loss.argsort().tolist():
        if len(kept) < count and all(float(angles_between(sets[j], sets[i]).max()) >= degrees for i in kept):
            kept.append(j)
    return kept
