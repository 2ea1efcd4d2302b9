"""What is observed of an object, and the settings in which it is reconstructed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import Tensor

from dpskit.checks import check_choice, check_integer, check_number
from dpskit.cloud import as_generator, resample
from dpskit.likelihoods.coarse import CoarseGrained
from dpskit.likelihoods.joint import Joint
from dpskit.likelihoods.observation import check_sigma, noisy
from dpskit.likelihoods.projection import Projections, project
from dpskit.likelihoods.protocol import USUAL_POINTS
from dpskit.likelihoods.subunit import Subunit
from dpskit.sampling.dps import PER_POINT

KINDS: dict[str, tuple[str, ...]] = {
    "projections": ("views",),
    "projections + coarse": ("views", "coarse"),
    "projections + subunit": ("views", "subunit"),
    "everything": ("views", "coarse", "subunit"),
    "coarse": ("coarse",),
    "subunit": ("subunit",),
    "prior alone": (),
}
"""What a scenario may observe; "prior alone" samples without data."""

Observed = Projections | CoarseGrained | Subunit | Joint


@dataclass(frozen=True)
class Scenario:
    """What is observed of an object, and the settings of DPS. Paper: Tables 1 and 4.

    Parameters
    ----------
    name
        How tables call it.
    n_views, n_points
        Number of projections, and of points in each.
    coarse_points
        Points of a low-resolution structure; 0: none.
    subunit_points
        Points of a known part, about, which is a random cluster unless the target names one; 0: none.
    alpha, cutoff, n_steps
        Strength of the guidance; beta(t) = 1/t above `cutoff` and 0 below; steps of the solver, which begin at t = 1.
    reflections
        Projections from random orientations of O(3), as the paper's shapes, instead of SO(3).
    sigma
        Noise of the projected points per coordinate, in the target's own unit: angstrom for structures, units of the
        cube for shapes. None: without.
    anew
        Every view shows other points of the same object than those that are to be found, as real measurements do.
        The paper projects the same points in every view.
    balanced
        Every observed point stands for equally many points of the model; the paper draws how many at random.
    means
        The points of the low-resolution structure are taken for the means of equally large groups of model points; the
        paper draws every point of a group to them.
    """

    name: str
    n_views: int = 0
    n_points: int = 0
    coarse_points: int = 0
    subunit_points: int = 0
    alpha: float = 10_000.0
    cutoff: float = 0.0
    n_steps: int = 40
    reflections: bool = False
    sigma: float | None = None
    anew: bool = False
    balanced: bool = False
    means: bool = False

    def __post_init__(self) -> None:
        for name in ("n_views", "coarse_points", "subunit_points"):
            check_integer(name, getattr(self, name), least=0)
        check_integer("n_steps", self.n_steps)
        for name in ("alpha", "cutoff"):
            check_number(name, getattr(self, name), least=0.0)
        check_sigma(self.sigma)
        check_integer("n_points", self.n_points, least=1 if self.n_views else 0)

    @property
    def kind(self) -> str:
        """The name in KINDS of what is observed."""
        counts = {"views": self.n_views, "coarse": self.coarse_points, "subunit": self.subunit_points}
        seen = tuple(name for name, count in counts.items() if count)
        return next(kind for kind, parts in KINDS.items() if parts == seen)

    @property
    def usual_alpha(self) -> float:
        """The default alpha of `DPS` for such data, which `alpha` is not unless it is given so."""
        coarse = USUAL_POINTS if self.means and self.coarse_points else self.coarse_points
        return PER_POINT * (self.n_views * self.n_points + coarse + self.subunit_points)

    def with_kind(self, kind: str, n_points: int) -> Scenario:
        """The same, but with other kinds of observations.

        Parameters
        ----------
        kind : str
            One of KINDS: what is observed. What is missing here is added: five projections, 30 coarse points, or a
            quarter of the points as a known part.
        n_points : int
            Of the object.

        Returns
        -------
        Scenario
            Of that kind.

        Raises
        ------
        ValueError
            For an unknown kind.
        """
        seen = KINDS[check_choice("scenario", kind, KINDS)]
        return replace(
            self,
            n_views=(self.n_views or 5) if "views" in seen else 0,
            coarse_points=(self.coarse_points or 30) if "coarse" in seen else 0,
            subunit_points=(self.subunit_points or max(1, n_points // 4)) if "subunit" in seen else 0,
        )

    def redrawn(self, sigma: float | None) -> Scenario:
        """The realistic twin under a name of its own: every view shows other points, with noise.

        Parameters
        ----------
        sigma : float or None
            Of the noise; 0 or None: without.

        Returns
        -------
        Scenario
            With `anew`.
        """
        noise = f" and noise of {sigma:g}" if sigma else ""
        return replace(self, name=f"{self.name}, points drawn anew{noise}", anew=True, sigma=sigma or None)

    def observe(
        self,
        points: Tensor,
        seed: int,
        *,
        scale: float = 1.0,
        draw: Callable[[int], Tensor] | None = None,
        part: Tensor | None = None,
    ) -> Observed | None:
        """The data of one object.

        Parameters
        ----------
        points
            (n, 3) in the cube, what is to be found.
        seed
            Of orientations, points and noise. View k of a seed has the same orientation however many there are, and in
            the scenario's twin.
        scale
            Units of sigma in a unit of the cube.
        draw
            draw(k) -> (m, 3), the k-th other set of points of the object, in the same pose: needed with `anew`.
        part
            (l, 3): what is known of the object where the scenario has a subunit (default: a random cluster).

        Returns
        -------
        Projections, CoarseGrained, Subunit, Joint or None
            The likelihood; None if nothing is observed.

        Raises
        ------
        ValueError
            With `anew` and without `draw`.
        """
        parts: list[Projections | CoarseGrained | Subunit] = []
        if self.n_views:
            parts.append(self._views(points, seed, scale, draw))
        if self.coarse_points:
            count = min(self.coarse_points, len(points))
            parts.append(CoarseGrained.observe(points, count, seed, balanced=self.balanced, means=self.means))
        if self.subunit_points:
            size = min(self.subunit_points, len(points))
            parts.append(Subunit.observe(points, size, seed) if part is None else Subunit(part))
        return Joint(parts) if len(parts) > 1 else parts[0] if parts else None

    def _views(self, points: Tensor, seed: int, scale: float, draw: Callable[[int], Tensor] | None) -> Projections:
        sigma = None if self.sigma is None else self.sigma / scale
        views = Projections.observe(
            points, self.n_views, self.n_points, seed, reflections=self.reflections, sigma=sigma, balanced=self.balanced
        )
        if not self.anew:
            return views
        if draw is None:
            raise ValueError(f"draw must be given for the scenario {self.name!r}, whose views show other points.")
        generator, seen = as_generator(seed), []
        for k, rotation in enumerate(views.rotations):
            other = resample(draw(k), self.n_points, generator)
            seen.append(noisy(project(other, rotation), sigma, generator))
        return replace(views, points=seen)

    def __str__(self) -> str:
        views = f"{self.n_views} projection{'s' if self.n_views > 1 else ''} of {self.n_points:,} points"
        coarse, part = f"{self.coarse_points}-point structure", f"subunit of about {self.subunit_points} points"
        shown = [views] * bool(self.n_views) + [coarse] * bool(self.coarse_points) + [part] * bool(self.subunit_points)
        return f"{self.name}: {', '.join(shown)}"
