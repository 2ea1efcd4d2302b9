"""Point clouds: the frame that maps them to physical units, and resampling."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dpskit.checks import check_array, check_integer, check_number, check_points, check_seed, shown


@dataclass(frozen=True)
class Frame:
    """Where the cube [-1, 1]^3 lies in physical space: physical = center + scale * cube.

    Parameters
    ----------
    center
        (x, y, z) of the bounding box's centre, in `unit`.
    scale
        Half its longest side, in `unit`.
    unit
        Its name.

    Raises
    ------
    ValueError
        For a centre that is not three finite numbers, and a scale that is not above 0.

    Examples
    --------
    >>> import dpskit, torch
    >>> frame = dpskit.Frame((10.0, 0.0, 0.0), scale=50.0)
    >>> frame.to_physical(torch.tensor([[1.0, 0.0, -1.0]]))
    tensor([[ 60.,   0., -50.]])
    """

    center: tuple[float, float, float]
    scale: float
    unit: str = "angstrom"

    def __post_init__(self) -> None:
        center = check_array("center", self.center, "(3,)")
        if center.shape != (3,) or not bool(torch.isfinite(center).all()):
            raise ValueError(f"center must be three finite numbers, got {shown(self.center)}.")
        object.__setattr__(self, "center", tuple(float(value) for value in self.center))
        object.__setattr__(self, "scale", check_number("scale", self.scale, above=0.0))

    @property
    def symbol(self) -> str:
        """What tables and axes write for the unit."""
        return "Å" if self.unit == "angstrom" else self.unit

    @staticmethod
    def of(points: Tensor, unit: str = "angstrom") -> Frame:
        """The frame of the bounding box of points, taken before any rotation.

        Parameters
        ----------
        points : Tensor
            (n, 3), in `unit`.
        unit : str
            Its name.

        Returns
        -------
        Frame
            In which the points span the cube.

        Raises
        ------
        ValueError
            For a wrong shape, NaN, and points that all coincide.
        """
        points = check_points("points", points)
        low, high = points.amin(dim=0), points.amax(dim=0)
        scale = float((high - low).max()) / 2
        if scale == 0:
            raise ValueError(f"points must not all coincide, got {len(points)} equal points.")
        x, y, z = ((low + high) / 2).tolist()
        return Frame((x, y, z), scale, unit)

    def to_cube(self, points: Tensor) -> Tensor:
        """Physical points to the cube [-1, 1]^3.

        Parameters
        ----------
        points : Tensor
            (..., 3), in the frame's unit.

        Returns
        -------
        Tensor
            (..., 3).
        """
        points = _rows("points", points)
        return (points - points.new_tensor(self.center)) / self.scale

    def to_physical(self, points: Tensor) -> Tensor:
        """Points of the cube to physical units.

        Parameters
        ----------
        points : Tensor
            (..., 3), in the cube.

        Returns
        -------
        Tensor
            (..., 3).
        """
        points = _rows("points", points)
        return points * self.scale + points.new_tensor(self.center)


def _rows(name: str, value: Tensor) -> Tensor:
    points = check_array(name, value, "(..., 3)")
    if points.ndim == 0 or points.shape[-1] != 3:
        raise ValueError(f"{name} must have shape (..., 3), got {tuple(points.shape)}.")
    return points if points.is_floating_point() else points.float()


def normalise(points: Tensor, unit: str = "angstrom") -> tuple[Tensor, Frame]:
    """Map points into [-1, 1]^3.

    Parameters
    ----------
    points : Tensor
        (n, 3).
    unit : str
        In which they are given.

    Returns
    -------
    points : Tensor
        (n, 3), in the cube.
    frame : Frame
        Which maps them back.

    Raises
    ------
    ValueError
        For a wrong shape, NaN, and points that all coincide.

    Examples
    --------
    >>> import dpskit
    >>> points, frame = dpskit.normalise([[0.0, 0.0, 0.0], [10.0, 4.0, 0.0]])
    >>> points.tolist(), frame.scale
    ([[-1.0, -0.4000000059604645, 0.0], [1.0, 0.4000000059604645, 0.0]], 5.0)
    """
    points = check_points("points", points)
    frame = Frame.of(points, unit)
    return frame.to_cube(points), frame


def resample(points: Tensor, n_points: int, seed: int | torch.Generator = 0) -> Tensor:
    """Draw points of a cloud: without replacement, and all of them before any is drawn again.

    Parameters
    ----------
    points : Tensor
        (n, d).
    n_points : int
        How many.
    seed : int or Generator
        Of the draw.

    Returns
    -------
    Tensor
        (n_points, d).

    Raises
    ------
    ValueError
        For a wrong shape, NaN, and an n_points below 1.

    Examples
    --------
    >>> import dpskit, torch
    >>> dpskit.resample(torch.arange(3.0)[:, None], 6).flatten().sort().values
    tensor([0., 0., 1., 1., 2., 2.])
    """
    points = check_points("points", points, dim=None)
    n_points = check_integer("n_points", n_points)
    generator = as_generator(seed)
    rounds = [torch.randperm(len(points), generator=generator) for _ in range(-(-n_points // len(points)))]
    return points[torch.cat(rounds)[:n_points]]


def as_generator(seed: int | torch.Generator) -> torch.Generator:
    """`seed` itself if it is a generator, or a new one on the CPU seeded with it."""
    if isinstance(seed, torch.Generator):
        return seed
    return torch.Generator().manual_seed(check_seed("seed", seed))
