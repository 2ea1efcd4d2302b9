"""Two-dimensional projections from known orientations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from dpskit.checks import check_integer, check_points, check_rotations
from dpskit.cloud import as_generator, random_rotations, resample
from dpskit.likelihoods.observation import (
    Memory,
    Observation,
    changed,
    check_given,
    check_sigma,
    gaussian_log_prob,
    matched_energies,
    noisy,
    with_noise,
)
from dpskit.likelihoods.protocol import Measurement


def project(x: Tensor, rotation: Tensor) -> Tensor:
    """(x R)_{:, (1, 2)}: row vectors are rotated, then z is dropped; (..., n, 3), (3, 3) -> (..., n, 2)."""
    return x @ rotation[:, :2].to(x)


@dataclass(frozen=True, eq=False)
class Projections(Measurement):
    """K projections y_k (m_k, 2) of the cloud from orientations R_k in O(3), without correspondence.

    E_k = 1/2 min_P |P U y_k - (x R_k)_{:, (1, 2)}|_F^2 / n, and the energy is the mean over the views. sigma: the noise
    of the observed points per coordinate, needed by `log_prob` and `simulate` alone. seed: of U (see `Observation`);
    balanced: let U use every point equally often. Paper: eqs. (10) and (11).

    The paper prints E_k without the factor 1 / (2 n), but its table of energies and its alpha fit the half mean.
    """

    points: Sequence[Tensor]
    rotations: Tensor
    sigma: float | None = None
    seed: int = 0
    balanced: bool = False
    views: tuple[Observation, ...] = field(init=False, repr=False)
    memory: Memory | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if not hasattr(self.points, "__iter__"):
            raise TypeError(f"points must be a list of arrays of shape (m, 2), got {type(self.points).__name__}.")
        points = tuple(check_points(f"points[{k}]", y, dim=2) for k, y in enumerate(self.points))
        rotations = check_rotations("rotations", self.rotations)
        if len(points) != len(rotations):
            raise ValueError(f"points and rotations must be equally many, got {len(points)} and {len(rotations)}.")
        check_sigma(self.sigma)
        check_integer("seed", self.seed, least=0)
        object.__setattr__(self, "points", points)
        object.__setattr__(self, "rotations", rotations)
        pairs = enumerate(zip(points, rotations, strict=True))
        views = tuple(Observation(y, self.seed + k, self.balanced, r[:, :2]) for k, (y, r) in pairs)
        object.__setattr__(self, "views", views)

    @staticmethod
    def observe(
        points: Tensor,
        n_views: int = 4,
        n_points: int = 800,
        seed: int = 0,
        *,
        reflections: bool = False,
        sigma: float | None = None,
    ) -> Projections:
        """Project random subsets of `points` (n, 3) from random orientations, as the paper's experiments do.

        reflections: orientations from O(3) (the paper's shapes) instead of SO(3) (biomolecules). sigma: noise to be
        added. View k of a seed is the same however many there are.
        """
        points = check_points("points", points)
        n_views, n_points = check_integer("n_views", n_views), check_integer("n_points", n_points)
        generator = as_generator(seed)
        observed, rotations = [], []
        for _ in range(n_views):
            rotation = random_rotations(1, generator, reflections=reflections)[0]
            observed.append(noisy(project(resample(points, n_points, generator), rotation), sigma, generator))
            rotations.append(rotation)
        return Projections(observed, torch.stack(rotations), sigma)

    def energies(self, x0: Tensor) -> Tensor:
        """The energy of every view: (b, n, 3) -> (b, K)."""
        return matched_energies(self.views, check_points("x0", x0, batched=True), self.memory)

    def energy(self, x0: Tensor) -> Tensor:
        """The mean over the views: (b, n, 3) -> (b,)."""
        return self.energies(x0).mean(dim=1)

    def log_prob(self, x0: Tensor) -> Tensor:
        """log p(y | x0) with noise sigma, (b,); see `gaussian_log_prob`. Raises ValueError without sigma."""
        return gaussian_log_prob(self.energies(x0), [len(y) for y in self.points], 2, self.sigma)

    def with_noise(self, variance: float) -> Projections:
        """The same data with `variance` added to sigma^2. Raises ValueError without sigma."""
        return with_noise(self, variance)

    def start(self) -> Projections:
        """The same data for one run: each matching starts from that of the last call. Call it for the energy."""
        return changed(self, memory=Memory())

    def simulate(self, x0: Tensor, generator: torch.Generator) -> Projections:
        """New data of the same sizes, orientations and noise for one cloud x0 (n, 3)."""
        sigma = check_given(self.sigma)
        x0 = check_points("x0", x0)
        pairs = zip(self.points, self.rotations, strict=True)
        points = [noisy(project(resample(x0, len(y), generator), r), sigma, generator) for y, r in pairs]
        return Projections(points, self.rotations, sigma, self.seed, self.balanced)
