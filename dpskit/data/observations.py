"""What was measured, in angstrom: the way into the cube and back when the structure is not known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from dpskit.checks import check_array, check_flag, check_integer, check_kind, check_points
from dpskit.cloud import Frame
from dpskit.data.images import Images, points_of_image
from dpskit.data.poses import Poses
from dpskit.likelihoods.coarse import CoarseGrained
from dpskit.likelihoods.joint import Joint
from dpskit.likelihoods.projection import Projections, check_orientations, project, stated_rotations, unknown_views
from dpskit.likelihoods.subunit import Subunit

SAME_DIRECTION = 0.05  # half the angle between two views, in radians, below which both see about the same plane


@dataclass(frozen=True, eq=False)
class Observations:
    """Measurements of one object, all in angstrom and in one coordinate system.

    Parameters
    ----------
    projections
        (m_k, 2) each: the coordinates (x R_k)_{:, (1, 2)} of points x (row vectors). They must share the origin of the
        rest, unless they are `shifted`, as class averages are that were centred on their own.
    rotations
        (k, 3, 3). A row of NaN, or None in a list of k matrices, is an orientation that is not known: the run finds it.
        Such a view must show the whole object, since its centre of mass is taken for the object's; it may not be
        `shifted`. None instead of all: no orientation is known. Then the models have the axes of the first view, and
        lie around z = 0. From views of which one or none is known, and nothing else, the hand of the models is open.
    coarse
        (m, 3), a low-resolution structure.
    subunit
        (l, 3), a known part in its place, in as many points as it takes of the model's. Views of unknown orientation
        beside it need a coarse structure, or two known views from different directions, which tell where in the object
        it lies.
    weights
        One per observation in this order, each projection being one; None weighs them alike.
    means
        Whether each point of the low-resolution structure is the mean of a group of the model's points (see
        `CoarseGrained`), or every point of the group lies at it, as in the paper.
    trimmed, shifted
        Of the projections, as `Projections` takes them: the share of their points that may be outliers, and whether
        each may have been shifted.

    Raises
    ------
    ValueError, TypeError
        For wrong shapes, NaN, and data without a projection or a coarse structure.

    Examples
    --------
    >>> import dpskit
    >>> structure = dpskit.load_example("ruvab")
    >>> data = dpskit.Projections.observe(structure.points, n_views=2, n_points=300)
    >>> observations = dpskit.Observations.of(data, structure.frame)
    >>> len(observations.projections), observations.frame().unit
    (2, 'angstrom')
    """

    projections: Sequence[Tensor] = ()
    rotations: Tensor | Any = None  # a tensor from here on
    coarse: Tensor | None = None
    subunit: Tensor | None = None
    weights: Sequence[float] | None = None
    means: bool = True
    trimmed: float = 0.0
    shifted: bool = False

    def __post_init__(self) -> None:
        if not hasattr(self.projections, "__iter__"):
            raise TypeError(f"projections must be a list of arrays (m, 2), got {type(self.projections).__name__}.")
        points = tuple(_single_precision(f"projections[{k}]", y, 2) for k, y in enumerate(self.projections))
        rotations = stated_rotations(self.rotations, len(points))
        if points or rotations.shape != (0, 3, 3):  # as `replace` gives them where there are no projections
            check_orientations(rotations, len(points), "projections")
        if points and bool(rotations.isnan().all()) and not (self.coarse is None and self.subunit is None):
            raise ValueError(
                "rotations must hold at least one that is known beside a coarse structure or a subunit, got none: "
                "dpskit.find_rotations finds from where a cloud looks like a view, both centred and in the cube."
            )
        object.__setattr__(self, "projections", points)
        object.__setattr__(self, "rotations", rotations)
        for name in ("coarse", "subunit"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, _single_precision(name, getattr(self, name), 3))
        if not points and self.coarse is None:
            raise ValueError("projections must hold at least one, unless there is a coarse structure; got neither.")
        for name in ("means", "shifted"):
            object.__setattr__(self, name, check_flag(name, getattr(self, name)))
        if self.shifted and self.unknown:
            raise ValueError(
                "shifted must be False where an orientation is unknown, got True: such a view is centred by its mass, "
                "and those of known orientation must share one origin."
            )
        if isinstance(self.weights, Tensor | np.ndarray):
            object.__setattr__(self, "weights", self.weights.tolist())
        self._check_centre()
        self.frame(), self.likelihood()  # what cannot be used fails here

    def _check_centre(self) -> None:
        """Raise ValueError where a subunit must lie right in an object whose centre of mass nothing tells.

        Views of unknown orientation are centred by it. Two known ones show where it is; the subunit is only a part.
        """
        if self.subunit is None or self.coarse is not None or not self.unknown:
            return
        known = self.rotations[[k for k in range(len(self.rotations)) if k not in self.unknown]]
        axes = known[:, :, :2].mT.reshape(-1, 3)
        if int(torch.linalg.matrix_rank(axes, rtol=SAME_DIRECTION)) < 3:
            raise ValueError(
                f"rotations must hold two that are known and look along different directions, for views of unknown "
                f"orientation beside a subunit without a coarse structure, got {len(known)} known: one direction does "
                "not tell where the subunit lies in the object."
            )

    @property
    def unknown(self) -> list[int]:
        """The numbers of the views whose orientation is unknown."""
        return unknown_views(self.rotations)

    @property
    def _seen_from(self) -> Tensor:
        """The rotations (k, 3, 3) as a run takes them: if none is known, the first is the identity."""
        return check_orientations(self.rotations, len(self.projections)) if self.projections else self.rotations

    @staticmethod
    def of(likelihood: Projections | CoarseGrained | Subunit | Joint, frame: Frame) -> Observations:
        """The data of a likelihood, such as a simulated one, carried from the cube to angstrom.

        Parameters
        ----------
        likelihood : Projections, CoarseGrained, Subunit or Joint
            At most one of each in a joint one, in this order.
        frame : Frame
            Where the cube lies.

        Returns
        -------
        Observations
            The same data in angstrom.

        Raises
        ------
        ValueError
            For a likelihood that does not fit in here.
        """
        check_kind("frame", frame, Frame)
        parts = likelihood.parts if isinstance(likelihood, Joint) else [likelihood]
        found: dict[type, list[Any]] = {
            kind: [p for p in parts if type(p) is kind] for kind in (Projections, CoarseGrained, Subunit)
        }
        views, coarse, subunit = found.values()
        if max(len(views), len(coarse), len(subunit)) > 1 or list(map(type, parts)) != [k for k in found if found[k]]:
            raise ValueError(
                "likelihood must hold projections, a coarse structure and a subunit at most, in this order."
            )
        if subunit and not subunit[0].placed:
            raise ValueError("likelihood must hold a subunit in its place, got one that is not placed.")
        if views and (views[0].unknown or views[0].rough):
            raise ValueError("likelihood must hold views of known orientations, got unknown or rough ones (tolerance).")
        center = torch.tensor(frame.center)
        pairs = zip(views[0].points, views[0].rotations, strict=True) if views else ()
        return Observations(
            [y * frame.scale + project(center, rotation) for y, rotation in pairs],
            views[0].rotations if views else None,
            frame.to_physical(coarse[0].points) if coarse else None,
            frame.to_physical(subunit[0].points) if subunit else None,
            likelihood.weights.tolist() if isinstance(likelihood, Joint) else None,
            coarse[0].means if coarse else True,
            views[0].trimmed if views else 0.0,
            views[0].shifted if views else False,
        )

    @staticmethod
    def of_images(
        images: Images, poses: Poses | None = None, n_points: int = 400, seed: int = 0, n_views: int | None = None
    ) -> Observations:
        """The points that images show, such as class averages: see `points_of_image`.

        Parameters
        ----------
        images : Images
            As `read_images` gives them: what is looked at is bright.
        poses : Poses, optional
            As `read_poses` gives them. Without them, and without angles in them, no orientation is known.
        n_points : int
            Of each view.
        seed : int
            Of the places of points inside their pixels.
        n_views : int, optional
            How many of the images, the first ones (default: all).

        Returns
        -------
        Observations
            One view for each of these images.

        Raises
        ------
        ValueError, TypeError
            For another number of poses than of images, more views than images, and an image in which nothing exceeds
            the background.

        Examples
        --------
        >>> import dpskit, mrcfile, torch
        >>> disk = dpskit.image_of_points(torch.zeros(1, 2), size=32, pixel_size=2.0, width=6.0)
        >>> mrcfile.write("averages.mrcs", disk.expand(3, -1, -1).numpy(), voxel_size=2.0)
        >>> data = dpskit.Observations.of_images(dpskit.read_images("averages.mrcs"), n_points=100)
        >>> len(data.projections), data.likelihood().parts[0].unknown
        (3, [1, 2])
        """
        count = len(check_kind("images", images, Images))
        n_views = count if n_views is None else check_integer("n_views", n_views)
        if n_views > count:
            raise ValueError(f"n_views must be at most the number of images, {count}, got {n_views}.")
        shifts, rotations = torch.zeros(count, 2), None
        if poses is not None:
            shifts, rotations = check_kind("poses", poses, Poses).shifts, poses.rotations
        if len(shifts) != count:
            raise ValueError(f"poses must be one for each of the {count} images, got {len(shifts)}.")
        views = []
        for k in range(n_views):
            try:
                views.append(points_of_image(images[k], n_points, seed + k, shift=shifts[k]))
            except ValueError as error:
                raise ValueError(f"image {k + 1} of {count}: {error}") from None
        return Observations(views, None if rotations is None else rotations[:n_views])

    def frame(self, n_points: int = 1024) -> Frame:
        """Where the cube lies, from the data alone.

        Parameters
        ----------
        n_points : int
            Points of the model that the cube is to hold.

        Returns
        -------
        Frame
            scale: the largest half extent of any observation along its own axes, which is near that of the full
            structure; that of a coarse structure is enlarged by how much its points, as means, lie within those of the
            model. `docs/measurements.md` says how near all this is, and what a wrong scale does. center: that of the
            coarse structure, or else of the subunit, moved by as little as brings its projections to the centres of
            the observed ones, unless they are shifted; along a direction that nothing observes it is 0. Centres are
            those of bounding boxes, but centres of mass where an orientation is unknown: of these alone it is known
            where such a view shows them.

        Raises
        ------
        ValueError
            For observations whose points all coincide.
        """
        known = self.coarse if self.coarse is not None else self.subunit
        rotations = self._seen_from
        unknown = unknown_views(rotations)
        oriented = [k for k in range(len(rotations)) if k not in unknown]
        centre = _mean if unknown else _middle
        center = torch.zeros(3) if known is None else centre(known)
        if oriented and not self.shifted:
            rows = torch.cat([rotations[k][:, :2].T for k in oriented])
            observed = torch.cat([centre(self.projections[k]) for k in oriented])
            center = center + torch.linalg.pinv(rows) @ (observed - rows @ center)
        scales = [_half_extent(y) for y in self.projections]
        if self.coarse is not None:
            scales.append(_half_extent(self.coarse) + _lost_by_means(self.coarse, n_points))
        if self.subunit is not None:
            scales.append(_half_extent(self.subunit))
        scale = max(scales)
        if scale == 0:
            raise ValueError("projections must hold distinct points, got only equal ones.")
        x, y, z = center.tolist()
        return Frame((x, y, z), scale)

    def likelihood(self, frame: Frame | None = None, turn: Tensor | None = None) -> Joint:
        """The likelihood in the cube, turned if asked for; each observed point stands for equally many of the model.

        Parameters
        ----------
        frame : Frame, optional
            Where the cube lies (default: that of the data alone). Where an orientation is unknown, its centre must be
            the object's centre of mass: the origin of such a view is its own.
        turn : Tensor, optional
            (3, 3), a rotation of the cube: the likelihood is then one of points x turn, and the points x of the object
            are those of the likelihood times its transpose.

        Returns
        -------
        Joint
            Of the projections, the coarse structure and the subunit that there are.
        """
        frame = frame or self.frame()
        turn = torch.eye(3) if turn is None else turn
        center = torch.tensor(frame.center)
        parts: list[Projections | CoarseGrained | Subunit] = []
        if self.projections:
            rotations = self._seen_from
            unknown, pairs = unknown_views(rotations), zip(self.projections, rotations, strict=True)
            origins = [_mean(y) if k in unknown else project(center, r) for k, (y, r) in enumerate(pairs)]
            views = [(y - origin) / frame.scale for y, origin in zip(self.projections, origins, strict=True)]
            parts.append(
                Projections(views, turn.T @ rotations, balanced=True, trimmed=self.trimmed, shifted=self.shifted)
            )
        if self.coarse is not None:
            parts.append(CoarseGrained(frame.to_cube(self.coarse) @ turn, balanced=True, means=self.means))
        if self.subunit is not None:
            parts.append(Subunit(frame.to_cube(self.subunit) @ turn))
        return Joint(parts, self.weights)


def _single_precision(name: str, points: Tensor, dim: int) -> Tensor:
    """Points (n, dim) that are finite as float32, too."""
    return check_points(name, check_array(name, points, f"(n, {dim})").float(), dim)


def _half_extent(points: Tensor) -> float:
    """Half the longest side of the bounding box of `points` (n, d)."""
    return float((points.amax(dim=0) - points.amin(dim=0)).max()) / 2


def _lost_by_means(coarse: Tensor, n_points: int) -> float:
    """By how much the means `coarse` (m, 3) lie within the structure when seen as `n_points` points.

    Means of m groups lie within what they stand for by a distance between neighbours, which goes as m^(-1/3).
    """
    if len(coarse) < 2:
        return 0.0
    nearest, _ = cKDTree(coarse.numpy()).query(coarse.numpy(), k=2)
    return float(nearest[:, 1].mean()) * max(0.0, 1 - (len(coarse) / n_points) ** (1 / 3))


def _middle(points: Tensor) -> Tensor:
    """The centre of the bounding box of `points` (n, d)."""
    return (points.amin(dim=0) + points.amax(dim=0)) / 2


def _mean(points: Tensor) -> Tensor:
    """The centre of mass of `points` (n, d)."""
    return points.double().mean(dim=0).float()
