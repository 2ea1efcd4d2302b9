"""Two-dimensional projections, from known orientations or from orientations to be found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from dpskit.checks import (
    check_array,
    check_flag,
    check_integer,
    check_number,
    check_points,
    check_rotations,
    check_seed,
    check_share,
)
from dpskit.cloud import as_generator, resample
from dpskit.likelihoods.observation import (
    Memory,
    Observation,
    changed,
    check_given,
    check_sigma,
    gaussian_log_prob,
    matched_energies,
    noisy,
)
from dpskit.likelihoods.orientation import FOLLOWED, follow_rotations, refine_rotations
from dpskit.likelihoods.protocol import Measurement
from dpskit.likelihoods.surprise import draws_log_prob, surprise
from dpskit.rotations import kept_near, random_rotations

MAX_TRIMMED = 0.5  # beyond it the outliers could be the object


def project(x: Tensor, rotation: Tensor) -> Tensor:
    """(x R)_{:, (1, 2)}: row vectors are rotated, then z is dropped; (..., n, 3), (3, 3) -> (..., n, 2)."""
    return x @ rotation[:, :2].to(x)


@dataclass(frozen=True, eq=False)
class Projections(Measurement):
    """K projections of the cloud from orientations R_k, without correspondence.

    Parameters
    ----------
    points
        K arrays y_k (m_k, 2).
    rotations
        (k, 3, 3) in O(3). A row of NaN, or None in a list of k matrices, is an orientation that nobody knows. It is
        found for each cloud anew, by `follow_rotations`, and E_k is that of the best one; in a run it follows the
        samples. None instead of all: no orientation is known, and the first view, as if from the identity, fixes the
        frame. Where one view alone is known, or none, the mirror image of an object explains its views equally well.
    sigma
        Noise of the observed points per coordinate, needed by `log_prob` and `simulate` alone.
    seed
        Of U, which brings the points of a view to the number of model points (see `Observation`).
    balanced
        Let U use every point equally often.
    tolerance
        Degrees by which known orientations may be wrong. Above 0 all but the first of them follow the samples too, up
        to twice as far from what is stated.
    trimmed
        The share of the points of each view, at most 0.5, that may be outliers: the matching leaves so many out, those
        without which it costs least. Without outliers it leaves out the outermost, so that clouds come out a little too
        small. Each matching starts anew and takes several times as long.
    shifted
        Whether each view may have been shifted by a length that nobody knows: it is compared with the cloud after the
        shift that fits it best (`shifts`). All orientations must be known then, and no points may be left out.
    marginal
        True: `log_prob` sums over all points of the cloud that an observed point may come from, as if each were drawn
        from a random one: for views of few points. False: the best matching stands for that sum, as in the paper. Of
        few points it promises more than they say; of nearly as many as the cloud has, it knows that each is seen once,
        which the sum forgets. `energy` is the matching's always. No points may be left out then.

    Raises
    ------
    ValueError, TypeError
        For wrong shapes, NaN in the points, and rotations that are not orthogonal.

    Notes
    -----
    E_k = 1/2 min_P |P U y_k - (x R_k)_{:, (1, 2)}|_F^2 / n, and the energy is the mean over the views. Paper: eqs. (10)
    and (11), without the factor 1 / (2 n); but its table of energies and its alpha fit the half mean.

    Examples
    --------
    A view along z does not see how deep a point lies.

    >>> import dpskit, torch
    >>> data = dpskit.Projections([[[0.0, 0.0], [1.0, 0.0]]], torch.eye(3)[None])
    >>> data.energy(torch.tensor([[[1.0, 0.0, -0.7], [0.0, 0.2, 0.5]]]))
    tensor([0.0100])
    """

    points: Sequence[Tensor]
    rotations: Tensor | Any = None  # a tensor from here on
    sigma: float | None = None
    seed: int = 0
    balanced: bool = False
    tolerance: float = 0.0
    trimmed: float = 0.0
    shifted: bool = False
    marginal: bool = False
    views: tuple[Observation, ...] = field(init=False, repr=False)
    memory: Memory | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if not hasattr(self.points, "__iter__") or getattr(self.points, "ndim", 1) == 0:
            raise TypeError(f"points must be a list of arrays of shape (m, 2), got {type(self.points).__name__}.")
        points = tuple(check_points(f"points[{k}]", y, dim=2) for k, y in enumerate(self.points))
        rotations = check_orientations(self.rotations, len(points))
        check_sigma(self.sigma)
        for name in ("balanced", "shifted", "marginal"):
            object.__setattr__(self, name, check_flag(name, getattr(self, name)))
        object.__setattr__(self, "seed", check_seed("seed", self.seed))
        if check_number("tolerance", self.tolerance, least=0.0) > 180:
            raise ValueError(f"tolerance must be at most 180 degrees, got {self.tolerance:g}.")
        check_share("trimmed", self.trimmed, MAX_TRIMMED)
        object.__setattr__(self, "points", points)
        object.__setattr__(self, "rotations", rotations)
        if self.shifted and (self.unknown or self.tolerance or self.trimmed):
            raise ValueError("shifted must be False beside unknown orientations, a tolerance or trimmed, got True.")
        if self.marginal and self.trimmed:
            raise ValueError(f"trimmed must be 0 with marginal=True, which knows no outliers, got {self.trimmed:g}.")
        views = tuple(
            Observation(y, self.seed + k, self.balanced, r[:, :2], trimmed=self.trimmed, shifted=self.shifted)
            for k, (y, r) in enumerate(zip(points, rotations, strict=True))
        )
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
        balanced: bool = False,
    ) -> Projections:
        """Projections of random subsets of a cloud from random orientations, as in the paper's experiments.

        Parameters
        ----------
        points : Tensor
            (n, 3), the cloud.
        n_views, n_points : int
            Number of projections, and of points in each.
        seed : int
            View k of a seed is the same however many there are.
        reflections : bool
            Orientations from O(3) (the paper's shapes) instead of SO(3) (biomolecules).
        sigma : float, optional
            Standard deviation of noise to be added.
        balanced : bool
            As for `Projections`.

        Returns
        -------
        Projections
            The likelihood of these data.

        Raises
        ------
        ValueError
            For a wrong shape, NaN and counts below 1.
        """
        points = check_points("points", points)
        n_views, n_points = check_integer("n_views", n_views), check_integer("n_points", n_points)
        generator = as_generator(seed)
        observed, rotations = [], []
        for _ in range(n_views):
            rotation = random_rotations(1, generator, reflections=reflections)[0]
            observed.append(noisy(project(resample(points, n_points, generator), rotation), sigma, generator))
            rotations.append(rotation)
        return Projections(observed, torch.stack(rotations), sigma, balanced=balanced)

    @property
    def n_observed(self) -> int:
        """The points of all views."""
        return sum(map(len, self.points))

    @property
    def unknown(self) -> list[int]:
        """The numbers of the views whose orientation is unknown."""
        return unknown_views(self.rotations)

    @property
    def rough(self) -> list[int]:
        """The numbers of the views whose orientation may turn within the tolerance: the first known one does not."""
        known = [k for k in range(len(self.points)) if k not in self.unknown]
        return known[1:] if self.tolerance else []

    def seen_from(self, rotations: Tensor, memory: Memory | None = None) -> Projections:
        """The same data of a batch of clouds, each of which has orientations of its own.

        Parameters
        ----------
        rotations
            (b, K, 3, 3): the energies of what is returned take batches of b clouds, in this order.
        memory
            Of a run, which it goes on with.

        Returns
        -------
        Projections
            All orientations known.
        """
        pairs = zip(self.views, rotations[..., :2].unbind(dim=1), strict=True)
        views = tuple(changed(view, matrix=matrix) for view, matrix in pairs)
        return changed(self, rotations=rotations, tolerance=0.0, views=views, memory=memory)

    def energies(self, x0: Tensor) -> Tensor:
        """The energy of every view: (b, n, 3) -> (b, K)."""
        x0 = check_points("x0", x0, batched=True)
        if not self.unknown and not self.tolerance:
            return matched_energies(self.views, x0, self.memory)
        if self.memory is not None and (known := self.memory.recall(x0)) is not None:
            return known
        matrices = self.orientations(x0)[..., :2].unbind(dim=1)
        views = [replace(view, matrix=matrix) for view, matrix in zip(self.views, matrices, strict=True)]
        return matched_energies(views, x0, self.memory)

    def orientations(self, x0: Tensor) -> Tensor:
        """The rotation of every view for every cloud: the known ones, and those found.

        Parameters
        ----------
        x0 : Tensor
            (b, n, 3).

        Returns
        -------
        Tensor
            (b, K, 3, 3).
        """
        x0 = check_points("x0", x0, batched=True)
        stated, unknown = self.rotations.expand(len(x0), -1, -1, -1), self.unknown
        last = None if self.memory is None else self.memory.rotations
        last = last if last is not None and len(last) == len(x0) else None
        found = stated.clone()
        if unknown:
            start = None if last is None else last[:, unknown]
            found[:, unknown] = follow_rotations(x0, [self.points[k] for k in unknown], start)
        for k in self.rough:
            start = (stated if last is None else last)[:, k]
            refined = refine_rotations(x0.detach().float(), self.points[k], start, FOLLOWED, n_steps=4, first=FOLLOWED)
            found[:, k] = kept_near(refined, start, stated[:, k], 2 * self.tolerance)
        if self.memory is not None:
            self.memory.rotations = found
        return found

    def shifts(self, x0: Tensor) -> Tensor:
        """How far each view lies from where clouds are seen.

        Parameters
        ----------
        x0 : Tensor
            (b, n, 3).

        Returns
        -------
        Tensor
            (b, K, 2), from the mean of what is seen to that of the observed points, in units of the cube.
        """
        x0 = check_points("x0", x0, batched=True)
        matrices = self.orientations(x0)[..., :2].unbind(dim=1)
        return torch.cat([view.shift(x0 @ m.to(x0)) for view, m in zip(self.views, matrices, strict=True)], dim=1)

    def energy(self, x0: Tensor) -> Tensor:
        """The mean over the views: (b, n, 3) -> (b,)."""
        return self.energies(x0).mean(dim=1)

    def surprises(self, x0: Tensor, width: float) -> Tensor:
        """How unexpected the points of every view are under the cloud's density; see `dpskit.likelihoods.surprise`.

        Parameters
        ----------
        x0 : Tensor
            (b, n, 3).
        width : float
            Of the kernels with which the density is estimated, in units of the cube.

        Returns
        -------
        Tensor
            (b, K), at least 0; 0 of a view with n points or more, of which the matching says what can be said. Of
            trimmed views, that of the points that are left.
        """
        x0 = check_points("x0", x0, batched=True)
        found = None if self.memory is None else self.memory.rotations  # by the energy of these clouds
        columns = [x0.new_zeros(len(x0))] * len(self.views)
        for k, (view, seen) in enumerate(zip(self.views, self._seen(x0, found), strict=True)):
            if len(view.points) < x0.shape[1]:
                columns[k] = surprise(view.points, seen, width, self.trimmed)
        return torch.stack(columns, dim=1)

    def _seen(self, x0: Tensor, rotations: Tensor | None) -> list[Tensor]:
        """What every view shows of the clouds, K times (b, n, 2), from rotations (b, K, 3, 3), else those found now."""
        matrices = (self.orientations(x0) if rotations is None else rotations)[..., :2].unbind(dim=1)
        return [changed(view, matrix=m).predict(x0) for view, m in zip(self.views, matrices, strict=True)]

    def surprise(self, x0: Tensor, width: float) -> Tensor:
        """The mean over the views: (b, n, 3) -> (b,)."""
        return self.surprises(x0, width).mean(dim=1)

    def log_prob(self, x0: Tensor) -> Tensor:
        """log p(y | x0) with noise sigma, (b,), of the points that are not left out; see `marginal`.

        Raises ValueError without sigma.
        """
        if self.marginal:
            x0, sigma = check_points("x0", x0, batched=True), check_given(self.sigma)
            pairs = zip(self.views, self._seen(x0, None), strict=True)
            return torch.stack([draws_log_prob(view.points, seen, sigma) for view, seen in pairs]).sum(dim=0)
        sizes = [(1 - self.trimmed) * len(y) for y in self.points]
        return gaussian_log_prob(self.energies(x0), sizes, 2, self.sigma)

    def start(self) -> Projections:
        """The same data for one run: each matching starts from that of the last call. Call it for the energy."""
        return changed(self, memory=Memory())

    def simulate(self, x0: Tensor, generator: torch.Generator) -> Projections:
        """New data of the same sizes, orientations and noise for one cloud x0 (n, 3)."""
        sigma = check_given(self.sigma)
        if self.unknown:
            raise ValueError(
                f"rotations must all be known to simulate data, but view {self.unknown[0] + 1} of "
                f"{len(self.points)} has none: a run leaves those that it found in samples.rotations."
            )
        x0 = check_points("x0", x0)
        pairs = zip(self.points, self.rotations, strict=True)
        points = [noisy(project(resample(x0, len(y), generator), r), sigma, generator) for y, r in pairs]
        return replace(self, points=points)


def unknown_views(rotations: Tensor) -> list[int]:
    """The numbers of the rotations (k, 3, 3) that are rows of NaN."""
    return rotations.isnan().flatten(1).any(dim=1).nonzero().flatten().tolist()


def stated_rotations(rotations: Any, count: int) -> Tensor:
    """`rotations` as one array, NaN for None: for that of a single view in a list of k matrices, or for all `count`.

    What are no matrices is for `check_orientations` to refuse.
    """
    unknown = torch.full((3, 3), torch.nan)
    if rotations is None:
        return unknown.repeat(count, 1, 1)
    if isinstance(rotations, list | tuple) and any(row is None or hasattr(row, "shape") for row in rotations):
        rows = [unknown if r is None else check_array(f"rotations[{k}]", r, "(3, 3)") for k, r in enumerate(rotations)]
        wrong = [k for k, row in enumerate(rows) if row.shape != (3, 3)]
        if wrong:
            raise ValueError(f"rotations[{wrong[0]}] must have shape (3, 3), got {tuple(rows[wrong[0]].shape)}.")
        return torch.stack([row.float() for row in rows])
    return check_array("rotations", rotations, "(k, 3, 3)").float()


def check_orientations(rotations: Any, count: int, points: str = "points") -> Tensor:
    """The rotations (count, 3, 3) of views, rows of NaN where they are unknown; if all are, the first is the identity.

    points: what the views are called in errors. Raises ValueError or TypeError for what are no rotations, and for
    another number of them.
    """
    rotations = stated_rotations(rotations, count)
    if rotations.ndim != 3 or rotations.shape[1:] != (3, 3):
        return check_rotations("rotations", rotations)  # raises
    unknown = rotations.isnan().flatten(1).all(dim=1)
    partly = (rotations.isnan().flatten(1).any(dim=1) & ~unknown).nonzero().flatten().tolist()
    if partly:
        raise ValueError(f"rotations[{partly[0]}] must be a rotation, or a row of NaN alone; got NaN beside numbers.")
    checked = check_rotations("rotations", torch.where(unknown[:, None, None], torch.eye(3), rotations))
    if len(checked) != count:
        raise ValueError(f"{points} and rotations must be equally many, got {count} and {len(checked)}.")
    if bool(unknown.all()):
        unknown[0] = False
    return torch.where(unknown[:, None, None], torch.nan, checked)
