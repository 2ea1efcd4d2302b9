"""Point clouds: the frame that maps them to physical units, resampling, and random rotations."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dpskit.checks import check_array, check_integer, check_number, check_points


@dataclass(frozen=True)
class Frame:
    """Where the cube [-1, 1]^3 lies in physical space: physical = center + scale * cube.

    center: (x, y, z) of the bounding box's centre; scale: half its longest side; both in `unit`.
    """

    center: tuple[float, float, float]
    scale: float
    unit: str = "angstrom"

    def __post_init__(self) -> None:
        center = check_array("center", self.center, "(3,)")
        if center.shape != (3,) or not bool(torch.isfinite(center).all()):
            raise ValueError(f"center must be three finite numbers, got {self.center!r}.")
        check_number("scale", self.scale, above=0.0)

    @staticmethod
    def of(points: Tensor, unit: str = "angstrom") -> Frame:
        """The frame of the bounding box of `points` (n, 3), taken before any rotation."""
        points = check_points("points", points)
        low, high = points.amin(dim=0), points.amax(dim=0)
        scale = float((high - low).max()) / 2
        if scale == 0:
            raise ValueError(f"points must not all coincide, got {len(points)} equal points.")
        x, y, z = ((low + high) / 2).tolist()
        return Frame((x, y, z), scale, unit)

    def to_cube(self, points: Tensor) -> Tensor:
        """Physical points (..., 3) to the cube [-1, 1]^3."""
        return (points - points.new_tensor(self.center)) / self.scale

    def to_physical(self, points: Tensor) -> Tensor:
        """Points of the cube (..., 3) to physical units."""
        return points * self.scale + points.new_tensor(self.center)


def normalise(points: Tensor, unit: str = "angstrom") -> tuple[Tensor, Frame]:
    """Map `points` (n, 3) into [-1, 1]^3; returns (points, frame)."""
    points = check_points("points", points)
    frame = Frame.of(points, unit)
    return frame.to_cube(points), frame


def resample(points: Tensor, n_points: int, seed: int | torch.Generator = 0) -> Tensor:
    """Draw `n_points` of `points` (n, d): without replacement, and all of them before any is drawn again."""
    points = check_points("points", points, dim=None)
    n_points = check_integer("n_points", n_points)
    generator = as_generator(seed)
    rounds = [torch.randperm(len(points), generator=generator) for _ in range(-(-n_points // len(points)))]
    return points[torch.cat(rounds)[:n_points]]


def random_rotations(count: int, seed: int | torch.Generator = 0, *, proper: bool = True) -> Tensor:
    """Draw (count, 3, 3) matrices from the Haar measure of SO(3), or of O(3) when not `proper`.

    QR of a Gaussian matrix with the signs of R's diagonal made positive (Mezzadri, 2007).
    """
    count, generator = check_integer("count", count), as_generator(seed)
    normal = torch.randn(count, 3, 3, generator=generator, dtype=torch.float64, device=generator.device)
    q, r = torch.linalg.qr(normal)
    q = q * torch.sign(torch.diagonal(r, dim1=1, dim2=2)).unsqueeze(1)
    if proper:
        q[:, :, 0] *= torch.linalg.det(q).unsqueeze(1)
    return q.float()


def as_generator(seed: int | torch.Generator) -> torch.Generator:
    """`seed` itself if it is a generator, or a new one on the CPU seeded with it."""
    if isinstance(seed, torch.Generator):
        return seed
    return torch.Generator().manual_seed(check_integer("seed", seed, least=0))
