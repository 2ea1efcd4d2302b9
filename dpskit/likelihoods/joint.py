"""Several observations of the same object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from dpskit.checks import check_array, check_method
from dpskit.likelihoods.observation import changed
from dpskit.likelihoods.projection import Projections
from dpskit.likelihoods.protocol import Likelihood, Measurement, n_observed, start, surprise
from dpskit.likelihoods.subunit import Subunit


@dataclass(frozen=True, eq=False)
class Joint(Measurement):
    """Independent observations of the same object.

    Parameters
    ----------
    parts
        Any likelihoods, also one's own.
    weights
        One per observation, in the order of the parts: each projection is one, and every other part too. None: 1 / |y|
        for each, as in the paper's experiments. Kept as a tensor (|y|,).

    Notes
    -----
    E = sum_k weights_k E_k. Paper: eq. (14). `log_prob` is the sum of the parts' log densities, without weights.

    Examples
    --------
    >>> import dpskit, torch
    >>> low, part = dpskit.CoarseGrained([[0.0, 0.0, 0.0]]), dpskit.Subunit([[1.0, 0.0, 0.0]])
    >>> data = dpskit.Joint([low, part], weights=[1.0, 3.0])
    >>> data.energy(torch.tensor([[[0.0, 0.0, 0.0]]]))
    tensor([1.5000])
    """

    parts: Sequence[Likelihood]
    weights: Sequence[float] | Tensor | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.parts, Sequence):
            raise TypeError(f"parts must be a list of likelihoods, got {type(self.parts).__name__}.")
        parts = tuple(self.parts)
        if not parts:
            raise ValueError("parts must hold at least one likelihood, got none.")
        for k, part in enumerate(parts):
            check_method(f"parts[{k}]", part, "energy(x0)")
            if isinstance(part, Joint) and (part_to_place(part) or views_to_orient(part)):
                raise ValueError(
                    f"parts[{k}] must not be a Joint with something that a run has to find, a subunit's place or "
                    "orientations of views: list its parts as parts of this one."
                )
        count = sum(len(part.points) if isinstance(part, Projections) else 1 for part in parts)
        weights = [1 / count] * count if self.weights is None else self.weights
        weights = check_array("weights", weights, f"({count},)").float()
        if weights.shape != (count,):
            raise ValueError(
                f"weights must be one for each of the {count} observations, got shape {tuple(weights.shape)}."
            )
        if not bool((torch.isfinite(weights) & (weights >= 0)).all()) or float(weights.sum()) == 0:
            raise ValueError(f"weights must be at least 0 and not all 0, got {weights.tolist()}.")
        object.__setattr__(self, "parts", parts)
        object.__setattr__(self, "weights", weights)

    @property
    def n_observed(self) -> float:
        """The sum of that of the parts, without observations whose weight is 0."""
        counts = [
            count
            for part in self.parts
            for count in (map(len, part.points) if isinstance(part, Projections) else [n_observed(part)])
        ]
        return sum(count for count, weight in zip(counts, self.weights.tolist(), strict=True) if weight > 0)

    def energies(self, x0: Tensor) -> Tensor:
        """The energy of every observation, unweighted: (b, n, 3) -> (b, |y|)."""
        columns = [
            part.energies(x0) if isinstance(part, Projections) else part.energy(x0).unsqueeze(1) for part in self.parts
        ]
        return torch.cat(columns, dim=1)

    def energy(self, x0: Tensor) -> Tensor:
        """The weighted sum: (b, n, 3) -> (b,)."""
        energies = self.energies(x0)
        return energies @ self.weights.to(energies)

    def surprise(self, x0: Tensor, width: float) -> Tensor:
        """The weighted sum of that of the parts, 0 of those without: (b, n, 3) -> (b,)."""
        none = x0.new_zeros(len(x0))
        columns = [
            part.surprises(x0, width) if isinstance(part, Projections) else (none + surprise(part, x0, width))[:, None]
            for part in self.parts
        ]
        surprises = torch.cat(columns, dim=1)
        return surprises @ self.weights.to(surprises)

    def log_prob(self, x0: Tensor) -> Tensor:
        """The sum of the parts' log densities, (b,); the weights play no role, since sigma carries the precision."""
        return torch.stack([part.log_prob(x0) for part in self._parts_with("log_prob(x0)")]).sum(dim=0)

    def with_noise(self, variance: float) -> Joint:
        """The same data with `variance` added to the noise of every part, by its method `with_noise`."""
        parts = self._parts_with("with_noise(variance)")
        return changed(self, parts=tuple(part.with_noise(variance) for part in parts))

    def start(self) -> Joint:
        """The same data for one run, each part started. Call it for the energy."""
        return changed(self, parts=tuple(map(start, self.parts)))

    def simulate(self, x0: Tensor, generator: torch.Generator) -> Joint:
        """New data for one cloud x0 (n, 3), part by part, each with a method `simulate(x0, generator)`."""
        parts = self._parts_with("simulate(x0, generator)")
        return Joint([part.simulate(x0, generator) for part in parts], self.weights)

    def _parts_with(self, method: str) -> Sequence[Measurement]:
        """The parts; raises TypeError for one of one's own without a `method` that likelihoods need not have."""
        for k, part in enumerate(self.parts):
            check_method(f"parts[{k}]", part, method)
        return cast(Sequence[Measurement], self.parts)


def views_to_orient(likelihood: Likelihood | None) -> Projections | None:
    """The projections in it whose orientations are unknown or rough; None if there are none.

    Raises ValueError for several.
    """
    parts = likelihood.parts if isinstance(likelihood, Joint) else [likelihood]
    found = [part for part in parts if isinstance(part, Projections) and (part.unknown or part.rough)]
    if len(found) > 1:
        raise ValueError(
            f"likelihood must hold at most one Projections of unknown or rough orientations, got {len(found)}: give "
            "all these views to one."
        )
    return found[0] if found else None


def part_to_place(likelihood: Likelihood | None) -> Subunit | None:
    """The subunit in it that is not placed; None if there is none."""
    parts = likelihood.parts if isinstance(likelihood, Joint) else [likelihood]
    return next((part for part in parts if isinstance(part, Subunit) and not part.placed), None)


def as_found(likelihood: Likelihood, rotations: Tensor | None = None, placements: Tensor | None = None) -> Likelihood:
    """The same data of a batch of clouds, of each as a run has found it.

    rotations (b, k, 3, 3) of the projections with unknown or rough orientations, placements (b, 4, 3) of the subunit
    that is not placed; None, or data without such parts: nothing was found.
    """
    part, views = part_to_place(likelihood), views_to_orient(likelihood)
    if part is not None and placements is not None:
        likelihood = _exchanged(likelihood, part, part.placed_at(placements))
    if views is not None and rotations is not None:
        likelihood = _exchanged(likelihood, views, views.seen_from(rotations))
    return likelihood


def _exchanged(likelihood: Likelihood, old: Likelihood | None, new: Likelihood) -> Likelihood:
    """The same data with one part exchanged for another."""
    if isinstance(likelihood, Joint):
        return changed(likelihood, parts=tuple(new if part is old else part for part in likelihood.parts))
    return new
