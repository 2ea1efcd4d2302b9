"""Orientations and shifts of particle images, from the STAR files of RELION 3.0, 3.1 and 5."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

if TYPE_CHECKING:
    from gemmi import cif

from dpskit.checks import check_path, shown
from dpskit.data.text import decode
from dpskit.data.unpacked import most_rows

MAX_COLUMNS = 10_000
CHUNK = 100_000  # particles
MAX_VALUES, VALUE_BYTES = 5_000_000, 8  # a value of a large file takes some ten bytes
ANGLES = ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")
OPTICS = {
    "defocus_u": ("rlnDefocusU", None),
    "defocus_v": ("rlnDefocusV", None),
    "defocus_angle": ("rlnDefocusAngle", 0.0),
    "voltage": ("rlnVoltage", None),
    "spherical_aberration": ("rlnSphericalAberration", None),
    "amplitude_contrast": ("rlnAmplitudeContrast", None),
    "phase_shift": ("rlnPhaseShift", 0.0),
}


@dataclass(frozen=True, eq=False)
class Optics:
    """The microscope's settings for k images, (k,) each.

    Parameters
    ----------
    defocus_u, defocus_v : Tensor
        In angstrom.
    defocus_angle : Tensor
        Between the x axis and the direction of defocus_u, in degrees.
    voltage : Tensor
        In kilovolts.
    spherical_aberration : Tensor
        In millimetres.
    amplitude_contrast : Tensor
        A share.
    phase_shift : Tensor
        In degrees.
    """

    defocus_u: Tensor
    defocus_v: Tensor
    defocus_angle: Tensor
    voltage: Tensor
    spherical_aberration: Tensor
    amplitude_contrast: Tensor
    phase_shift: Tensor

    def transfer(self, size: int, pixel_size: float) -> Tensor:
        """The contrast transfer functions of images (k, size, size), by the package torch-ctf.

        Parameters
        ----------
        size : int
            Pixels of a side.
        pixel_size : float
            In angstrom.

        Returns
        -------
        Tensor
            Real, (k, size, size // 2 + 1) as `rfft2` orders frequencies, positive near 0: an object that was bright
            stays bright.
        """
        from torch_ctf import calculate_ctf_2d

        micron = 1e-4
        return calculate_ctf_2d(
            defocus=micron * (self.defocus_u + self.defocus_v) / 2,
            astigmatism=micron * (self.defocus_u - self.defocus_v) / 2,
            astigmatism_angle=self.defocus_angle,
            voltage=self.voltage,
            spherical_aberration=self.spherical_aberration,
            amplitude_contrast=self.amplitude_contrast,
            phase_shift=self.phase_shift,
            pixel_size=pixel_size,
            image_shape=(size, size),
            rfft=True,
            fftshift=False,
        )


@dataclass(frozen=True, eq=False)
class Poses:
    """What a STAR file says of k images.

    rotations: (k, 3, 3) in this package's convention, the view of points x being (x R)_{:, (1, 2)}; None if the file
    has no angles. shifts: (k, 2) in angstrom, to be added to the points of an image so that the object's origin comes
    to 0. pixel_size: in angstrom, None if the file has none. images: the stack and the number (from 1) of each image.
    optics: None if the file has no defocus.
    """

    rotations: Tensor | None
    shifts: Tensor
    pixel_size: float | None
    images: tuple[tuple[str, int], ...] = ()
    optics: Optics | None = None


def read_poses(path: str | Path) -> Poses:
    """Read the orientations and shifts of particles: STAR files of RELION 3.0, 3.1 or 5, .cs files of cryoSPARC.

    Of class averages, whose files list `rlnReferenceImage`, the names alone.

    Parameters
    ----------
    path : str or Path
        The STAR file, or the .cs file.

    Returns
    -------
    Poses
        rotations (k, 3, 3) in this package's convention, shifts (k, 2) in angstrom, and the pixel size.

    Raises
    ------
    FileNotFoundError, ValueError
        No such file, another file, one without particles, angles that are not numbers, or several pixel sizes.

    Notes
    -----
    RELION's angles rot, tilt and psi turn the axes, not the object: a point r of the object appears in the image at
    A r with A = (Z(rot) Y(tilt) Z(psi))^T. For row vectors, r^T A^T, so R = Z(rot) Y(tilt) Z(psi).

    Examples
    --------
    >>> import dpskit, pathlib
    >>> rows = ["data_particles", "loop_", "_rlnAngleRot", "_rlnAngleTilt", "_rlnAnglePsi", "0 90 0", "0 0 0"]
    >>> _ = pathlib.Path("particles.star").write_text(chr(10).join(rows) + chr(10))
    >>> dpskit.read_poses("particles.star").rotations.round().abs()[0]
    tensor([[0., 0., 1.],
            [0., 1., 0.],
            [1., 0., 0.]])
    """
    path = check_path("path", path)
    if path.suffix.lower() == ".cs":
        from dpskit.data.cryosparc import read_cs

        return read_cs(path)
    table = _Table(path)
    pixel_size = _pixel_size(table)
    rotations = None
    if all(table.has(name) for name in ANGLES):
        angles = np.stack([table.numbers(name) for name in ANGLES], axis=1)
        parts = np.array_split(angles, 1 + len(angles) // CHUNK)  # in double precision they take much memory
        turns = [Rotation.from_euler("ZYZ", part, degrees=True).as_matrix().astype(np.float32) for part in parts]
        rotations = torch.from_numpy(np.concatenate(turns))
    named = table.strings("rlnImageName") if table.has("rlnImageName") else []
    if not named and "rlnReferenceImage" in table.columns:  # class averages; a class without a number is a map
        named = [name for name in table.strings("rlnReferenceImage") if "@" in name]
    images = tuple((name.rpartition("@")[2], int(name.partition("@")[0] or 1)) for name in map(_numbered, named))
    return Poses(rotations, torch.from_numpy(_shifts(table, pixel_size)).float(), pixel_size, images, _optics(table))


def _numbered(name: str) -> str:
    """An image's name with its number: a stack of one has none."""
    number, at, _ = name.partition("@")
    return name if at and number.isdecimal() and len(number) < 12 else f"1@{name}"


class _Table:
    """The particles of a STAR file, with the values of their optics groups."""

    def __init__(self, path: Path) -> None:
        from gemmi import cif

        if not path.is_file():
            raise FileNotFoundError(f"path must be an existing STAR file, got {str(path)!r}.")
        self.path = path
        try:
            content = path.read_bytes()
            _check_values(content)
            self.document = cif.read_string(decode(content))
        except (ValueError, RuntimeError) as error:
            reason = (str(error).splitlines() or [""])[0].rstrip(".:")
            raise ValueError(f"path must be a STAR file, but {str(path)!r} cannot be read: {reason}.") from None
        blocks = {block.name.strip().lower(): block for block in self.document}
        single = next(iter(blocks.values())) if len(blocks) == 1 and "optics" not in blocks else None
        particles = blocks.get("particles", blocks.get("model_classes", single))
        if particles is None:
            found = ", ".join(blocks) or "nothing"
            tables = "the table data_particles or data_model_classes"
            raise ValueError(f"path must hold {tables}, but {str(path)!r} holds {found}.")
        self.columns, self.optics = _columns(particles), _columns(blocks["optics"]) if "optics" in blocks else {}
        self.count = max((len(values) for values in self.columns.values()), default=0)
        if self.count > (most := most_rows(len(content))):
            raise ValueError(f"path must list at most {most:,} particles, but {str(path)!r} lists {self.count:,}.")
        if self.count == 0:
            raise ValueError(f"path must list particles, but {str(path)!r} lists none.")
        known = self.optics.pop("rlnOpticsGroup", None)
        groups = ["1"] if known is None else [cif.as_string(value) for value in known]
        if any(len(values) != len(groups) for values in self.optics.values()):
            raise ValueError(f"{path}: data_optics must name the group of each of its rows, in rlnOpticsGroup.")
        own = self.strings("rlnOpticsGroup") if "rlnOpticsGroup" in self.columns else [groups[0]] * self.count
        places = {group: k for k, group in reversed(list(enumerate(groups)))}
        missing = set(own) - set(groups)
        if missing:
            raise ValueError(f"{path}: the optics group {min(missing)} of a particle is not in data_optics.")
        self.rows = np.fromiter(map(places.__getitem__, own), np.int64, self.count)

    def has(self, name: str) -> bool:
        return name in self.columns or name in self.optics

    def strings(self, name: str) -> list[str]:
        """A column of the particles themselves."""
        from gemmi import cif

        return [cif.as_string(value) for value in self.columns[name]]

    def numbers(self, name: str) -> np.ndarray:
        """A column of the particles, or that of their optics groups for each of them."""
        from gemmi import cif

        column = self.columns[name] if name in self.columns else self.optics[name]
        values = np.fromiter(map(cif.as_number, column), np.float64, len(column))
        if not np.isfinite(values).all():  # or in quotes
            values = np.array([cif.as_number(cif.as_string(value)) for value in column])
        if not np.isfinite(values).all():
            bad = cif.as_string(column[int(np.flatnonzero(~np.isfinite(values))[0])])
            raise ValueError(f"{self.path}: {name} must be numbers, got {shown(bad)}.")
        return values if name in self.columns else values[self.rows]


def _check_values(content: bytes) -> None:
    """Raise ValueError for more values than can be kept: each takes the memory of a longer one."""
    blank = np.frombuffer(content, np.uint8) <= ord(" ")
    count, most = int((blank[:-1] & ~blank[1:]).sum()), max(MAX_VALUES, len(content) // VALUE_BYTES)
    if count > most:
        raise ValueError(f"it must have at most {most:,} values, got {count:,}")


def _columns(block: cif.Block) -> dict[str, cif.Column]:
    """The columns of the largest loop, or the single values of a table without one, as they stand in the file."""
    loops = [item.loop for item in block if item.loop is not None]
    pairs: list[Any] = [item.pair for item in block if item.pair is not None]
    tags = max(loops, key=lambda found: found.length()).tags if loops else [pair[0] for pair in pairs]
    if len(tags) > MAX_COLUMNS:
        raise ValueError(f"path must hold tables of at most {MAX_COLUMNS:,} columns, got one of {len(tags):,}.")
    return {tag.removeprefix("_"): block.find_values(tag) for tag in tags}


def _pixel_size(table: _Table) -> float | None:
    if table.has("rlnImagePixelSize"):
        sizes = table.numbers("rlnImagePixelSize")
    elif table.has("rlnPixelSize"):
        sizes = table.numbers("rlnPixelSize")
    elif table.has("rlnDetectorPixelSize") and table.has("rlnMagnification"):  # micrometres, up to RELION 3.0
        with np.errstate(divide="ignore", invalid="ignore"):
            sizes = 1e4 * table.numbers("rlnDetectorPixelSize") / table.numbers("rlnMagnification")
    else:
        return None
    bad = sizes[~(np.isfinite(sizes) & (sizes > 0))]
    if len(bad):
        raise ValueError(f"{table.path} must have a pixel size above 0, got {bad[0]:g}.")
    if sizes.max() - sizes.min() > 1e-3 * sizes[0]:
        raise ValueError(f"{table.path} must have one pixel size, got {sizes.min():g} to {sizes.max():g} angstrom.")
    return float(sizes[0])


def _shifts(table: _Table, pixel_size: float | None) -> np.ndarray:
    """In angstrom; RELION 3.0 has them in pixels."""
    columns = []
    for axis in "XY":
        if table.has(f"rlnOrigin{axis}Angst"):
            columns.append(table.numbers(f"rlnOrigin{axis}Angst"))
        elif table.has(f"rlnOrigin{axis}"):
            values = table.numbers(f"rlnOrigin{axis}")
            if pixel_size is None and values.any():
                raise ValueError(f"{table.path} has shifts in pixels (rlnOrigin{axis}), but no pixel size.")
            columns.append(values * (pixel_size or 1.0))
        else:
            columns.append(np.zeros(table.count))
    return np.stack(columns, axis=1)


def _optics(table: _Table) -> Optics | None:
    if not all(table.has(column) for column, default in OPTICS.values() if default is None):
        return None
    values = {
        name: table.numbers(column) if table.has(column) else np.full(table.count, default)
        for name, (column, default) in OPTICS.items()
    }
    return Optics(**{name: torch.from_numpy(value).float() for name, value in values.items()})
