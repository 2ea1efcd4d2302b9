"""Density maps of an ensemble: its mean and its spread on a grid, written as MRC files."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dpskit.checks import check_choice, check_kind, check_number, check_path, check_points
from dpskit.cloud import Frame
from dpskit.files import replacing

MAX_SIDE = 512  # voxels along a side of a map


@dataclass(frozen=True, eq=False)
class DensityMap:
    """values: (nz, ny, nx) float32. origin: (x, y, z) of the first voxel's centre, a multiple of voxel; in angstrom."""

    values: np.ndarray
    origin: tuple[float, float, float]
    voxel: float


def ensemble_density(samples: Any, *, frame: Frame, resolution: float) -> tuple[DensityMap, DensityMap]:
    """The mean and the standard deviation over samples of their densities, in points per cubic angstrom.

    samples: (s, n, 3) in cube coordinates, or an object with such `points`; frame: maps them to angstrom. A point is a
    Gaussian of standard deviation resolution / (pi sqrt(2)), as in ChimeraX's `molmap`; a voxel is a third of the
    resolution, and the grid reaches one resolution beyond all points. Raises ValueError for a resolution so fine that
    the grid would have more than 512 voxels along a side.
    """
    check_kind("frame", frame, Frame)
    points = check_points("samples", getattr(samples, "points", samples), batched=True)
    clouds = frame.to_physical(points.detach().cpu().double())
    resolution = check_resolution(resolution, float((clouds.amax(dim=(0, 1)) - clouds.amin(dim=(0, 1))).max()))
    voxel, width = resolution / 3, resolution / (math.pi * math.sqrt(2))
    low = (clouds.amin(dim=(0, 1)) - resolution).div(voxel).floor()
    high = (clouds.amax(dim=(0, 1)) + resolution).div(voxel).ceil()
    axes = [voxel * torch.arange(int(a), int(b) + 1, dtype=torch.float64) for a, b in zip(low, high, strict=True)]
    mean = square = torch.zeros(())
    for cloud in clouds:
        density = _density(cloud, axes, width)
        mean, square = mean + density / len(clouds), square + density.square() / len(clouds)
    origin = tuple((voxel * low).tolist())
    spread = (square - mean.square()).clamp(min=0).sqrt()
    return DensityMap(mean.float().numpy(), origin, voxel), DensityMap(spread.float().numpy(), origin, voxel)


def check_resolution(resolution: float, width: float) -> float:
    """Return `resolution`, or raise ValueError if the grid of models so wide has more than 512 voxels along a side.

    Both in angstrom; the grid is that of `ensemble_density`.
    """
    resolution = check_number("resolution", resolution, above=0.0)
    least = 3 * width / (MAX_SIDE - 9)  # three voxels per resolution, six beyond the points, three from rounding
    if resolution < least:
        least = math.ceil(10 * least) / 10
        raise ValueError(
            f"resolution must be at least {least:,.1f} angstrom for models {width:,.0f} wide, got {resolution:g}."
        )
    return resolution


def export_density(
    samples: Any, path: str | Path, *, frame: Frame, resolution: float = 15.0, quantity: str = "mean"
) -> None:
    """Write the mean density of samples, or its spread over them, as an MRC file.

    Parameters
    ----------
    samples : Samples or Tensor
        (s, n, 3) in cube coordinates, or an object with such `points`.
    path : str or Path
        Must end in .mrc or .map; it appears only when it is complete.
    frame : Frame
        Maps the cube to angstrom, the frame of the atomic model.
    resolution : float
        In angstrom: a point is a Gaussian of standard deviation resolution / (pi sqrt(2)), see `ensemble_density`.
    quantity : str
        "mean", or "spread": the standard deviation over the samples.

    Raises
    ------
    ValueError, TypeError
        For another ending, a wrong shape, NaN, and a resolution too fine for the size of the samples.

    Examples
    --------
    >>> import dpskit
    >>> structure = dpskit.load_example("ruvab")
    >>> dpskit.export_density(structure.points[None], "ruvab.mrc", frame=structure.frame, resolution=30.0)
    >>> dpskit.read_map("ruvab.mrc").values.ndim
    3
    """
    check_choice("quantity", quantity, ["mean", "spread"])
    path = check_path("path", path)
    if path.suffix not in (".mrc", ".map"):
        raise ValueError(f"path must end in .mrc or .map, got {path}.")
    mean, spread = ensemble_density(samples, frame=frame, resolution=resolution)
    write_map(mean if quantity == "mean" else spread, path)


def write_map(density: DensityMap, path: str | Path, *, origin: bool = True) -> None:
    """Write an MRC2014 file.

    Its place is stated twice, as NSTART and as ORIGIN: gemmi and CCP4 read the one, ChimeraX and Mol* the other. NGL
    adds them up: for it leave the `origin` out.
    """
    import mrcfile

    with replacing(path) as part, mrcfile.new(part, overwrite=True) as file:
        file.set_data(density.values)
        file.voxel_size = density.voxel
        if origin:
            file.header.origin.x, file.header.origin.y, file.header.origin.z = density.origin
        file.nstart = tuple(round(start / density.voxel) for start in density.origin)
        file.add_label("dpskit: density of an ensemble, in points per cubic angstrom")


def _density(cloud: Tensor, axes: list[Tensor], width: float) -> Tensor:
    """Sum over points of normalised Gaussians on the grid: (n, 3) -> (nz, ny, nx). A Gaussian is a product of three."""
    x, y, z = (
        torch.exp(-(cloud[:, k, None] - axis).square() / (2 * width**2)) / (width * math.sqrt(2 * math.pi))
        for k, axis in enumerate(axes)
    )
    plane = (y[:, :, None] * x[:, None, :]).flatten(start_dim=1)
    return (z.T @ plane).reshape(len(axes[2]), len(axes[1]), len(axes[0]))
