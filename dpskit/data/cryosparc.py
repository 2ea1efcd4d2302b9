"""Orientations and shifts of particle images, from the .cs files of cryoSPARC: tables of NumPy, one row an image."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from dpskit.checks import shown
from dpskit.data.poses import Optics, Poses
from dpskit.data.unpacked import most_rows

ALIGNMENTS = ("alignments3D", "alignments_class_0")  # of a refinement, and of an ab-initio job with one class
OPTICS = {
    "defocus_u": ("ctf/df1_A", 1.0),
    "defocus_v": ("ctf/df2_A", 1.0),
    "defocus_angle": ("ctf/df_angle_rad", 180 / math.pi),
    "voltage": ("ctf/accel_kv", 1.0),
    "spherical_aberration": ("ctf/cs_mm", 1.0),
    "amplitude_contrast": ("ctf/amp_contrast", 1.0),
    "phase_shift": ("ctf/phase_shift_rad", 180 / math.pi),
}
"""Columns of the optics, and what they are multiplied by."""


def read_cs(path: Path) -> Poses:
    """The poses of a .cs file.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    Poses
        As `read_poses` gives them.

    Raises
    ------
    FileNotFoundError, ValueError
        No such file, another or a truncated file, a file without particles, or several pixel sizes.

    Notes
    -----
    A pose is a rotation vector w: a point r of the object appears in the image at exp(-[w]) r, in the place of RELION's
    matrix A, so that R = exp([w]) for row vectors. Shifts are in pixels of `alignments3D/psize_A`, and have the sign of
    RELION's.
    """
    if not path.is_file():
        raise FileNotFoundError(f"path must be an existing .cs file, got {str(path)!r}.")
    try:
        table = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError, MemoryError):
        raise ValueError(f"path must be a .cs file, but {str(path)!r} is no whole table of NumPy.") from None
    names = table.dtype.names if isinstance(table, np.ndarray) else None
    if names is None or table.ndim != 1 or len(table) == 0:
        raise ValueError(f"path must hold a table of particles, but {str(path)!r} holds none.")
    if len(table) > (most := most_rows(path.stat().st_size)):
        raise ValueError(f"path must list at most {most:,} particles, but {str(path)!r} lists {len(table):,}.")
    kind = next((kind for kind in ALIGNMENTS if f"{kind}/pose" in names), None)
    rotations, shifts, size = None, np.zeros((len(table), 2)), _pixel_size(path, table, "blob/psize_A")
    if kind is not None:
        rotations = Rotation.from_rotvec(_numbers(path, table, f"{kind}/pose", 3)).as_matrix()
        own = _pixel_size(path, table, f"{kind}/psize_A") or size
        if own is None:
            raise ValueError(f"{path} has shifts in pixels ({kind}/shift), but no pixel size.")
        shifts = own * _numbers(path, table, f"{kind}/shift", 2)
        size = size or own
    images: tuple[tuple[str, int], ...] = ()
    if {"blob/path", "blob/idx"} <= set(names):
        files = [name.decode(errors="replace").lstrip(">") for name in table["blob/path"].tolist()]
        images = tuple(zip(files, (1 + table["blob/idx"]).tolist(), strict=True))
    optics = None
    if {column for column, _ in OPTICS.values()} <= set(names):
        columns = {name: factor * _numbers(path, table, column) for name, (column, factor) in OPTICS.items()}
        optics = Optics(**{name: torch.from_numpy(values).float() for name, values in columns.items()})
    turned = None if rotations is None else torch.from_numpy(rotations).float()
    return Poses(turned, torch.from_numpy(shifts).float(), size, images, optics)


def _numbers(path: Path, table: np.ndarray, column: str, width: int = 0) -> np.ndarray:
    """A column as finite numbers (k,), or (k, width)."""
    shape = (len(table), width) if width else (len(table),)
    values = np.asarray(table[column]) if column in table.dtype.names else None
    if values is None or values.shape != shape or values.dtype.kind not in "fiu":
        raise ValueError(f"{path}: {column} must hold numbers of shape {shape}.")
    if not np.isfinite(values).all():
        raise ValueError(f"{path}: {column} must be finite, got {shown(values[~np.isfinite(values)][0])}.")
    return values.astype(np.float64)


def _pixel_size(path: Path, table: np.ndarray, column: str) -> float | None:
    """The one pixel size of a column in angstrom; None where there is no such column."""
    if column not in table.dtype.names:
        return None
    sizes = np.unique(_numbers(path, table, column))
    if len(sizes) > 1 or sizes[0] <= 0:
        raise ValueError(f"{path}: {column} must hold one pixel size above 0, got {shown(sizes.tolist())}.")
    return float(sizes[0])
