"""Point clouds: the frame that maps them to physical units, resampling, and rotations."""

from __future__ import annotations

import math
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
        check_number("scale", self.scale, above=0.0)

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


def random_rotations(count: int, seed: int | torch.Generator = 0, *, reflections: bool = False) -> Tensor:
    """Draw rotations from the Haar measure of SO(3), or of O(3).

    Parameters
    ----------
    count : int
        How many.
    seed : int or Generator
        Rotation k of a seed is the same whatever `count`.
    reflections : bool
        O(3): half of them are rotations times -1.

    Returns
    -------
    Tensor
        (count, 3, 3).

    Raises
    ------
    ValueError
        For a count below 1.

    Notes
    -----
    Four uniform numbers each: three for the quaternion, one for the sign. They are uniform because torch.randn's values
    depend on how many are drawn.

    Examples
    --------
    >>> import dpskit
    >>> rotations = dpskit.random_rotations(3, seed=0)
    >>> rotations.det()
    tensor([1.0000, 1.0000, 1.0000])
    """
    count, generator = check_integer("count", count), as_generator(seed)
    uniform = torch.rand(count, 4, generator=generator, dtype=torch.float64, device=generator.device)
    share, first, second, sign = uniform.unbind(dim=1)
    rotations = rotations_of(share, 2 * math.pi * first, 2 * math.pi * second)
    if reflections:
        rotations = rotations * torch.where(sign < 0.5, -1.0, 1.0)[:, None, None]
    return rotations.float()


def rotations_of(share: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    """(k, 3, 3) rotations by the unit quaternions (sqrt(s) sin a, sqrt(s) cos a, sqrt(1 - s) sin b, sqrt(1 - s) cos b).

    share (k,) in [0, 1], angles (k,): where all three are uniform, so are the rotations. Shoemake, in Graphics Gems III
    (1992).
    """
    r, q = share.sqrt(), (1 - share).sqrt()
    x, y, z, w = r * alpha.sin(), r * alpha.cos(), q * beta.sin(), q * beta.cos()
    rows = [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)]
    rows += [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)]
    rows += [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)]
    return torch.stack(rows, dim=-1).reshape(-1, 3, 3)


def even_rotations(count: int) -> Tensor:
    """(count, 3, 3) rotations spread evenly over SO(3): super-Fibonacci spirals (Alexa, CVPR 2022)."""
    s = torch.arange(count, dtype=torch.float64) + 0.5
    return rotations_of(s / count, 2 * math.pi * s / math.sqrt(2), 2 * math.pi * s / 1.533751168755204288118041)


def rotations_by(vectors: Tensor) -> Tensor:
    """(..., 3, 3) rotations by rotation vectors w (..., 3): x @ R turns row vectors by |w| radians about w."""
    x, y, z = vectors.unbind(dim=-1)
    zero = torch.zeros_like(x)
    rows = torch.stack([zero, z, -y, -z, zero, x, y, -x, zero], dim=-1)
    return torch.linalg.matrix_exp(rows.unflatten(-1, (3, 3)))


def angles_between(a: Tensor, b: Tensor) -> Tensor:
    """The angles between rotations.

    Parameters
    ----------
    a, b : Tensor
        (..., 3, 3), of both the same handedness.

    Returns
    -------
    Tensor
        (...), in degrees from 0 to 180.

    Examples
    --------
    >>> import dpskit, torch
    >>> quarter = torch.tensor([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    >>> dpskit.angles_between(torch.eye(3), quarter)
    tensor(90.)
    """
    cosine = ((a * b).sum(dim=(-2, -1)) - 1) / 2
    return torch.rad2deg(cosine.clamp(-1, 1).arccos())


def distinct_rotations(rotations: Tensor, score: Tensor, count: int, degrees: float) -> Tensor:
    """Indices of the `count` best of `rotations` (k, 3, 3) by `score` (k,) that lie at least `degrees` apart."""
    order = score.argsort(descending=True)
    sorted_rotations = rotations[order]
    free = torch.ones(len(order), dtype=torch.bool)
    kept: list[int] = []
    while len(kept) < count and free.any():
        kept.append(int(free.int().argmax()))
        trace = (sorted_rotations * sorted_rotations[kept[-1]]).sum(dim=(1, 2))
        free &= (trace < 1 + 2 * math.cos(math.radians(degrees))).cpu()
        free[kept[-1]] = False
    return order[kept]


def as_generator(seed: int | torch.Generator) -> torch.Generator:
    """`seed` itself if it is a generator, or a new one on the CPU seeded with it."""
    if isinstance(seed, torch.Generator):
        return seed
    return torch.Generator().manual_seed(check_seed("seed", seed))


@torch.compiler.disable
@torch.no_grad()
def principal_axes(x: Tensor) -> Tensor:
    """Rotations (b, 3, 3) whose columns are the principal axes of clouds (b, n, 3): x @ axes lies along x, y and z.

    They turn with the cloud, principal_axes(x R) = R^T principal_axes(x) for every R in SO(3). By rising variance; each
    points to where the cloud has its longer tail (positive third moment), but the one with the least skewness, often
    the normal of a mirror plane, makes them right-handed. They jump where two variances or skewnesses cross, and count
    as constants in derivatives.
    """
    with torch.autocast(x.device.type, enabled=False):
        y = x.float() - x.float().mean(dim=1, keepdim=True)
        variance, axes = torch.linalg.eigh(torch.nan_to_num(y.mT @ y / y.shape[1], 0.0, 0.0, 0.0))
        skewness = (y @ axes).pow(3).mean(dim=1) / variance.clamp(min=1e-12).pow(1.5)
        axes = axes * torch.where(skewness < 0, -1.0, 1.0).unsqueeze(1)
        hand = torch.where(torch.linalg.det(axes) < 0, -1.0, 1.0).unsqueeze(1)
        least = skewness.abs().argmin(dim=1, keepdim=True)
        return axes * torch.ones_like(skewness).scatter(1, least, hand).unsqueeze(1)
