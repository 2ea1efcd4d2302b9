"""One observed point cloud without correspondence, and its matching to model points."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from dpskit.checks import check_kind, check_number
from dpskit.transport.assignment import assign_each
from dpskit.transport.problem import Assignment

T = TypeVar("T", bound=Any)
Problem = tuple[Tensor, Tensor, Tensor | None, Assignment | None]
"""x, y, multiplicity and start, as `assign` takes them."""


@dataclass(frozen=True, eq=False)
class Observation:
    """Observed points (m, d) and the operator U that brings them to the number of model points.

    U is a function of (seed, m, n): every observed point once, and the other n - m places redrawn at random (balanced:
    every point equally often, up to one); for m > n, n of the m points. It is kept as multiplicities, because the
    matching only needs to know how often a point occurs. matrix (d, e), or (b, d, e) for a batch: what is seen of a
    point; None: all of it. means: an observed point is the mean of the model points that are matched to it, where the
    paper wants each of them to lie at it. trimmed: the share of the observed points, as often as they then occur, that
    the matching leaves out, those without which it costs least. shifted: what is seen is moved to where it fits
    best, with its mean at that of the observed points: for squared distances that is best whatever the matching.
    Paper: eq. (10) and its footnote.
    """

    points: Tensor
    seed: int = 0
    balanced: bool = False
    matrix: Tensor | None = None
    means: bool = False
    trimmed: float = 0.0
    shifted: bool = False

    def predict(self, x0: Tensor) -> Tensor:
        """Predicted observation of clouds (b, n, d), without noise and correspondence: (b, n, e)."""
        seen = x0 if self.matrix is None else x0 @ self.matrix.to(x0)
        return seen + self.shift(seen) if self.shifted else seen

    def shift(self, seen: Tensor) -> Tensor:
        """From the mean of what is seen (b, n, e) to that of the observed points, as often as they occur: (b, 1, e)."""
        counts = self.multiplicity(seen.shape[1]).to(seen)
        return counts @ self.points.to(seen) / counts.sum() - seen.mean(dim=1, keepdim=True)

    def multiplicity(self, n: int) -> Tensor:
        """How many of n model points each observed point takes: (m,) integers that sum to n."""
        m = len(self.points)
        generator = torch.Generator().manual_seed(self.seed)
        every = n // m if self.balanced else min(1, n // m)
        rest = n - every * m
        if self.balanced or every == 0:
            drawn = torch.randperm(m, generator=generator)[:rest]
        else:
            drawn = torch.randint(m, (rest,), generator=generator)
        return every + torch.bincount(drawn, minlength=m)

    def problem(self, seen: Tensor, start: Assignment | None) -> Problem:
        """What `assign` takes to match what is seen (b, n, e) with the observed points; if trimmed, turned round."""
        if not self.trimmed:
            return seen, self.points, self.multiplicity(seen.shape[1]), start
        return self._occurring(seen.shape[1]).expand(len(seen), -1, -1), seen, None, None

    def residual(self, seen: Tensor, best: Assignment) -> Tensor:
        """What is seen of n model points (b, n, e) minus the observed points matched to them by the best assignment.

        With `means`, each point has the mean residual of all points with the same number.
        """
        if self.trimmed:
            order = best.index.argsort(dim=1, stable=True)[:, -seen.shape[1] :]  # of those left out the index is -1
            return seen - self._occurring(seen.shape[1]).to(seen)[order]
        difference = seen - self.points.to(seen)[best.index]
        return group_means(difference, best.index, len(self.points)) if self.means else difference

    def _occurring(self, n: int) -> Tensor:
        """The observed points as often as they occur, n and those that may be left out."""
        return self.points.repeat_interleave(self.multiplicity(math.ceil(n / (1 - self.trimmed))), dim=0)


@dataclass(eq=False)
class Memory:
    """State of one run: its last clouds, their energies, and their assignments, from which the next ones start.

    rotations: (b, K, 3, 3), from where each cloud was seen, if that is not known.
    """

    x0: Tensor | None = None
    version: int = 0
    energies: Tensor | None = None
    assignments: Sequence[Assignment] = ()
    rotations: Tensor | None = None

    def recall(self, x0: Tensor) -> Tensor | None:
        """The energies of `x0`, if they are those of the last call, it has not been changed in place since, and no
        gradient is asked for."""
        same = self.x0 is x0 and self.version == x0._version
        return self.energies if same and not torch.is_grad_enabled() else None

    def starts(self, count: int, batch: int) -> Sequence[Assignment | None]:
        """One start for each of `count` observations of `batch` clouds."""
        fitting = len(self.assignments) == count and len(self.assignments[0].index) == batch
        return self.assignments if fitting else [None] * count


def matched_energies(observations: Sequence[Observation], x0: Tensor, memory: Memory | None = None) -> Tensor:
    """1/2 min_P |P U y_k - x_k|_F^2 / n for K observations y_k and what they see, x_k, of clouds (b, n, d) -> (b, K).

    The assignments are solved without gradient, all at once; by the envelope theorem the gradient of the minimum is
    that of the matched distances. Of an observation of means, it is the energy of the means under that matching.
    memory: of a run; the energies of the same clouds are then not computed again when no gradient is asked for.
    Paper: eqs. (10) and (12), over 2n.
    """
    memory = memory or Memory()
    if (known := memory.recall(x0)) is not None:
        return known
    clouds = [view.predict(x0) for view in observations]
    starts = memory.starts(len(observations), len(x0))
    triples = list(zip(observations, clouds, starts, strict=True))
    best = assign_each([view.problem(x, assignment) for view, x, assignment in triples])
    residuals = (view.residual(x, b) for (view, x, _), b in zip(triples, best, strict=True))
    energies = torch.stack([half_mean_square(residual) for residual in residuals], dim=1)
    memory.x0, memory.version, memory.energies, memory.assignments = x0, x0._version, energies.detach(), best
    return energies


def group_means(values: Tensor, index: Tensor, count: int) -> Tensor:
    """Each row of `values` (b, n, d) replaced by the mean of the rows with the same index (b, n), of `count` many."""
    group = index.long().unsqueeze(2)
    sizes = torch.zeros(len(values), count, 1).to(values).scatter_add(1, group, torch.ones_like(values[..., :1]))
    group = group.expand_as(values)
    sums = torch.zeros(len(values), count, values.shape[2]).to(values).scatter_add(1, group, values)
    return (sums / sizes.clamp_min(1)).gather(1, group)


def half_mean_square(difference: Tensor) -> Tensor:
    """Half the mean over points of the squared length of `difference` (b, n, d) -> (b,)."""
    return difference.square().sum(dim=2).mean(dim=1) / 2


def gaussian_log_prob(energies: Tensor, sizes: Sequence[float], dim: int, sigma: float | None) -> Tensor:
    """log density of k observations of sizes[k] points with noise sigma, from their energies (b, k) -> (b,).

    Every observed point carries independent Gaussian noise in each of its `dim` coordinates. The best matching stands
    for the sum over all of them, as in the paper.
    """
    sigma = check_given(sigma)
    count = energies.new_tensor(sizes)
    return -(energies @ count) / sigma**2 - dim * float(count.sum()) * math.log(2 * math.pi * sigma**2) / 2


def check_sigma(sigma: float | None) -> None:
    """Raise ValueError unless sigma is None or a finite number above 0."""
    if sigma is not None:
        check_number("sigma", sigma, above=0.0)


def check_given(sigma: float | None) -> float:
    """Return sigma, or raise ValueError if it is None."""
    if sigma is None:
        raise ValueError("sigma, the noise of the observation, must be given for log_prob and simulate; got None.")
    return sigma


def with_noise(likelihood: T, variance: float) -> T:
    """A copy of `likelihood` with `variance` added to sigma^2. In a run it shares the memory of the assignments."""
    sigma = math.sqrt(check_given(likelihood.sigma) ** 2 + check_number("variance", variance, least=0.0))
    return changed(likelihood, sigma=sigma)


def changed(part: T, **fields: object) -> T:
    """A copy of a frozen object with other values of `fields`, which are not checked again."""
    twin = copy.copy(part)
    for name, value in fields.items():
        object.__setattr__(twin, name, value)
    return twin


def noisy(points: Tensor, sigma: float | None, generator: torch.Generator) -> Tensor:
    """`points` with Gaussian noise of standard deviation sigma (None: as they are)."""
    check_kind("generator", generator, torch.Generator)
    return points if sigma is None else points + sigma * torch.randn(points.shape, generator=generator)
