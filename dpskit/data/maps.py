"""Density maps: reading them, and coarse points that stand for them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dpskit.checks import check_integer, check_kind, check_path, check_seed
from dpskit.data.coarse_grain import coarse_grain
from dpskit.data.density_points import above_background, draw_points
from dpskit.data.mrc import read_mrc

DRAWN = 64  # places drawn from the map for every point that is fitted to them
LEAST_DRAWN = 8_192


@dataclass(frozen=True, eq=False)
class Map:
    """A density on a grid, in angstrom.

    values: (z, y, x) float32, whatever order the file has. voxel_size: (3,) along x, y and z. origin: (3,), the place
    (x, y, z) of values[0, 0, 0]. steps: (3, 3), its rows the steps from one voxel to the next along x, y and z:
    diagonal, unless the unit cell is skewed. The voxel values[k, j, i] lies at origin + (i, j, k) @ steps.
    """

    values: np.ndarray
    voxel_size: np.ndarray
    origin: np.ndarray
    steps: np.ndarray


def read_map(path: str | Path) -> Map:
    """Read a density map (.mrc, .map, .ccp4, also gzipped): EMDB's and RELION's, and CCP4's in any axis order.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    Map
        values (z, y, x), voxel_size and origin. The place of the map is its ORIGIN, or where that is zero its NSTART
        times the voxel size.

    Raises
    ------
    FileNotFoundError, ValueError
        No such file, a truncated or foreign one, a header without a voxel size, or an array that is no volume.

    Warns
    -----
    RuntimeWarning
        The header has no voxel size, which is then taken as 1, or its ORIGIN and NSTART disagree.

    Examples
    --------
    >>> import dpskit
    >>> structure = dpskit.load_example("ruvab")
    >>> dpskit.export_density(structure.points[None], "ruvab.mrc", frame=structure.frame, resolution=30.0)
    >>> map = dpskit.read_map("ruvab.mrc")
    >>> map.voxel_size
    array([10., 10., 10.])
    """
    path = check_path("path", path)
    values, header = read_mrc(path)
    if values.ndim != 3:
        raise ValueError(f"path must hold a volume, but {str(path)!r} holds an array of shape {values.shape}.")
    order = [int(header.mapc), int(header.mapr), int(header.maps)]
    if sorted(order) != [1, 2, 3]:
        order = [1, 2, 3]  # zeros, as early programs left them
    start = np.array([int(header.nxstart), int(header.nystart), int(header.nzstart)])  # by column, row and section
    values = np.ascontiguousarray(values.transpose([2 - order.index(axis) for axis in (3, 2, 1)]))
    start = start[[order.index(axis) for axis in (1, 2, 3)]]
    steps = _steps(path, header)
    origin, by_start = np.array([float(header.origin[axis]) for axis in "xyz"]), start @ steps
    if origin.any() and start.any() and np.abs(origin - by_start).max() > 0.5 * np.abs(steps).max():
        message = f"{path.name}: the map is placed by ORIGIN, {origin.round(2).tolist()}, though NSTART says "
        warnings.warn(message + f"{by_start.round(2).tolist()} (angstrom).", RuntimeWarning, stacklevel=2)
    return Map(values, np.linalg.norm(steps, axis=1), origin if origin.any() else by_start, steps)


def _steps(path: Path, header: Any) -> np.ndarray:
    """The steps between voxels from the unit cell and its sampling."""
    import gemmi

    lengths = [float(header.cella[axis]) for axis in "xyz"]
    counts = [max(int(header[name]), 1) for name in ("mx", "my", "mz")]
    angles = [float(header.cellb[name]) for name in ("alpha", "beta", "gamma")]
    if not all(0 < angle < 180 for angle in angles):
        angles = [90.0] * 3
    if not np.isfinite(lengths).all() or min(lengths) <= 0:
        warnings.warn(f"{path.name}: no voxel size in the header, taken as 1 angstrom.", RuntimeWarning, stacklevel=3)
        return np.eye(3)
    cell = np.array(gemmi.UnitCell(*lengths, *angles).orth.mat.tolist())  # columns are the edges
    return cell.T / np.array(counts)[:, None]


def points_of_map(map: Map, n_points: int, threshold: float | None = None, seed: int = 0) -> Tensor:
    """Coarse points of a density map, in angstrom: what `CoarseGrained` takes, once in the cube.

    Parameters
    ----------
    map : Map
        As `read_map` gives it.
    n_points : int
        How many points, at least 2.
    threshold : float, optional
        The contour level: voxels up to it are empty. None: three standard deviations of the values outside the largest
        ellipsoid of the grid above their median. The excess over that median is the density. Dust is left out: parts
        with a hundredth or less of what the largest connected one has.
    seed : int
        Of the draws and of the fit.

    Returns
    -------
    Tensor
        (n_points, 3).

    Raises
    ------
    TypeError
        For what is no Map.
    ValueError
        For an n_points below 2, and a map without anything above the threshold.

    Notes
    -----
    Places drawn from the density take the part of the atoms, and are coarse-grained like them (see `coarse_grain`), so
    that the points of a map and of an atomic model can be compared.

    Examples
    --------
    >>> import dpskit
    >>> structure = dpskit.load_example("ruvab")
    >>> dpskit.export_density(structure.points[None], "ruvab.mrc", frame=structure.frame, resolution=30.0)
    >>> dpskit.points_of_map(dpskit.read_map("ruvab.mrc"), n_points=30).shape
    torch.Size([30, 3])
    """
    check_kind("map", map, Map, ", as read_map gives it")
    n_points, seed = check_integer("n_points", n_points, least=2), check_seed("seed", seed)
    density = above_background("map", map.values, threshold)
    drawn = draw_points(density, max(DRAWN * n_points, LEAST_DRAWN), seed) @ map.steps + map.origin
    fitted = coarse_grain(torch.from_numpy(drawn).float(), n_points, seed, cache=False)
    return fitted.frame.to_physical(fitted.points)
