"""What is observed of a target, and the settings of DPS, as in the paper."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from dpskit.likelihoods.coarse import CoarseGrained
from dpskit.likelihoods.joint import Joint
from dpskit.likelihoods.observation import check_sigma
from dpskit.likelihoods.projection import Projections
from dpskit.likelihoods.protocol import Likelihood


@dataclass(frozen=True)
class Scenario:
    """Projections from random orientations, with a low-resolution structure or without. Paper: Tables 1 and 4.

    sigma: noise of the projections per coordinate, in units of the cube (the paper's are without).
    """

    name: str
    n_views: int
    n_points: int
    alpha: float
    cutoff: float = 0.0
    reflections: bool = False
    coarse_points: int = 0
    n_steps: int = 40
    sigma: float | None = None

    def __post_init__(self) -> None:
        check_sigma(self.sigma)

    def noisy(self, sigma: float) -> Scenario:
        """The same with noise, under a name of its own."""
        return replace(self, name=f"{self.name}, noise {sigma:g}", sigma=sigma)

    def observe(self, points: Tensor, seed: int) -> Likelihood:
        """The data of a cloud (n, 3) in the cube."""
        views = Projections.observe(
            points, self.n_views, self.n_points, seed, reflections=self.reflections, sigma=self.sigma
        )
        if not self.coarse_points:
            return views
        return Joint([views, CoarseGrained.observe(points, self.coarse_points, seed)])

    def __str__(self) -> str:
        views = f"{self.n_views} projection{'s' if self.n_views > 1 else ''} of {self.n_points:,} points"
        coarse = f", {self.coarse_points}-point structure" if self.coarse_points else ""
        return f"{self.name}: {views}{coarse}"


CHAIRS = Scenario("chairs", 5, 200, alpha=10_000, cutoff=0.15, reflections=True)
"""Row 1 of the paper's Tables 1 and 4."""

ENERGY_ROWS = (
    replace(CHAIRS, name="1"),
    replace(CHAIRS, name="2", n_views=6),
    replace(CHAIRS, name="5", n_views=1, n_points=300, coarse_points=30),
)
"""Rows 1, 2 and 5 of Table 1, for the convention of the energy."""

COMPLEXES = (
    Scenario("A.4.1", 3, 1024, alpha=40_000),
    Scenario("A.4.2", 4, 1024, alpha=60_000),
    Scenario("A.4.3", 5, 1024, alpha=80_000),
    Scenario("A.4.4", 4, 800, alpha=40_000),
    Scenario("A.4.5", 2, 900, alpha=4_000, coarse_points=30),
    Scenario("A.4.6", 1, 1024, alpha=4_000, coarse_points=40),
    Scenario("A.4.7", 1, 300, alpha=4_000, coarse_points=40),
)
"""The paper's appendices A.4.1 to A.4.7, with the alpha of Table 4."""
