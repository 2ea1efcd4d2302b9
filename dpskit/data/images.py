"""Image stacks of a microscope: reading them, and the way from an image to points and back."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dpskit.checks import check_array, check_integer, check_number, check_path, check_points, check_seed
from dpskit.data.density_points import above_background, draw_points
from dpskit.data.mrc import read_mrc
from dpskit.data.poses import read_poses
from dpskit.likelihoods.gaussian_image import gaussian_image


@dataclass(frozen=True, eq=False)
class Images:
    """pixels: (k, n, n) float32, rows along y and columns along x; pixel_size: in angstrom.

    Pixel [n // 2, n // 2] shows the origin, as in RELION: pixel [i, j] lies at x = (j - n // 2) pixel_size and
    y = (i - n // 2) pixel_size. `images[3]`, `images[:5]` and `images[[0, 7]]` are stacks of some of them.
    """

    pixels: Tensor
    pixel_size: float

    def __post_init__(self) -> None:
        pixels = check_array("pixels", self.pixels, "(k, n, n)").float()
        if pixels.ndim != 3 or pixels.shape[1] != pixels.shape[2] or pixels.numel() == 0:
            raise ValueError(f"pixels must have shape (k, n, n), got {tuple(pixels.shape)}.")
        if not bool(torch.isfinite(pixels).all()):
            raise ValueError("pixels must be finite, got NaN or infinity.")
        object.__setattr__(self, "pixels", pixels)
        object.__setattr__(self, "pixel_size", check_number("pixel_size", self.pixel_size, above=0.0))

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, which: int | slice | list[int]) -> Images:
        chosen = self.pixels[which]
        return Images(chosen if chosen.ndim == 3 else chosen[None], self.pixel_size)


def read_images(path: str | Path, pixel_size: float | None = None) -> Images:
    """Read an image stack (.mrcs, .mrc, also gzipped), or the images that a STAR or .cs file lists, in its order.

    The stacks that such a file names are sought in its folder and in those above it.

    Parameters
    ----------
    path : str or Path
        The stack, or the STAR or .cs file.
    pixel_size : float, optional
        In angstrom. None takes the size that the STAR file states, or else the one in the header of the stack.

    Returns
    -------
    Images
        pixels (k, n, n) and their size.

    Raises
    ------
    FileNotFoundError
        There is no such file, or none of the name that the STAR file gives.
    ValueError
        A truncated or foreign file, images that are not square, or no pixel size: many programs write 0.

    Warns
    -----
    RuntimeWarning
        The header states another pixel size than the one that is taken. Headers are often left at 1 or at the size
        before binning, so a STAR file is believed, and an argument above all.

    Examples
    --------
    >>> import dpskit, mrcfile, numpy
    >>> mrcfile.write("stack.mrcs", numpy.zeros((5, 32, 32), numpy.float32), voxel_size=1.5)
    >>> images = dpskit.read_images("stack.mrcs")
    >>> images.pixels.shape, images.pixel_size, len(images[:2])
    (torch.Size([5, 32, 32]), 1.5, 2)
    """
    path = check_path("path", path)
    stated = None if pixel_size is None else check_number("pixel_size", pixel_size, above=0.0)
    if path.suffix.lower() in (".star", ".cs"):
        poses = read_poses(path)
        if not poses.images:
            columns = "rlnImageName or rlnReferenceImage, or blob/path of a .cs file"
            raise ValueError(f"path must list images ({columns}), but {str(path)!r} lists none.")
        stacks = {name: read_mrc(_find(path, name)) for name in dict.fromkeys(name for name, _ in poses.images)}
        shapes = {name: stack.shape[-2:] for name, (stack, _) in stacks.items()}
        first, shape = next(iter(shapes.items()))
        other = next((name for name in shapes if shapes[name] != shape), None)
        if other is not None:
            found = f"those of {first!r} are {shape} and of {other!r} {shapes[other]}"
            raise ValueError(f"path must list images of one size, but {found}.")
        pixels = np.stack([_image(path, name, number, stacks[name][0]) for name, number in poses.images])
        sizes, stated = [_in_header(header) for _, header in stacks.values()], stated or poses.pixel_size
    else:
        pixels, header = read_mrc(path)
        sizes = [_in_header(header)]
        pixels = pixels.reshape(-1, *pixels.shape[-2:])
        if header.ispg == 1 and pixels.shape[0] == pixels.shape[1] == pixels.shape[2] > 1:
            message = f"{path.name}: the header says that this cube of numbers is a map: read_map reads maps."
            warnings.warn(message, RuntimeWarning, stacklevel=2)
    if pixels.shape[1] != pixels.shape[2]:
        raise ValueError(f"path must hold square images, but those of {str(path)!r} are {pixels.shape[1:]}.")
    if stated is None and 0 in sizes:
        raise ValueError(f"pixel_size must be given in angstrom, because the header of {str(path)!r} states none.")
    taken = stated or sizes[0]
    differing = [size for size in sizes if size and abs(taken / size - 1) > 0.01]
    if differing:
        said = f"though the header says {differing[0]:g}"
        message = f"{path.name}: the pixel size is taken as {taken:g} angstrom, {said}."
        warnings.warn(message, RuntimeWarning, stacklevel=2)
    return Images(torch.from_numpy(pixels), taken)


def _in_header(header: Any) -> float:
    """The pixel size that the header of a stack states, 0 for none."""
    size = float(header.cella.x) / max(int(header.mx), 1)
    return size if np.isfinite(size) and size > 0 else 0.0


def _find(star: Path, name: str) -> Path:
    for folder in star.absolute().parents:
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(f"{star} lists the images {name!r}, but neither its folder nor one above holds that file.")


def _image(star: Path, name: str, number: int, stack: np.ndarray) -> np.ndarray:
    stack = stack.reshape(-1, *stack.shape[-2:])
    if not 1 <= number <= len(stack):
        raise ValueError(f"{star} lists image {number} of {name!r}, which holds {len(stack)}.")
    return stack[number - 1]


def points_of_image(
    image: Images | Tensor,
    n_points: int,
    seed: int = 0,
    *,
    pixel_size: float | None = None,
    threshold: float | None = None,
    shift: Tensor | None = None,
) -> Tensor:
    """Points that lie as densely as an image is bright: x to the right, y along the rows.

    Parameters
    ----------
    image : Images or Tensor
        One image: `images[3]`, or an array (n, n). What is looked at must be brighter than its surroundings.
    n_points : int
        How many points.
    seed : int
        Of the places inside the pixels.
    pixel_size : float, optional
        Of an array, in angstrom; without it the points are in pixels.
    threshold : float, optional
        Pixels up to this value are background. None: three standard deviations of the pixels outside the largest
        circle of the image above their median. The excess over that median is the density. Dust is left out: spots
        with a hundredth or less of what the largest connected part has.
    shift : Tensor, optional
        (2,) in angstrom, added to the points: the row of `Poses.shifts` that centres the image.

    Returns
    -------
    Tensor
        (n_points, 2), in angstrom from the pixel [n // 2, n // 2]. `Projections` takes such points, once they are in
        the cube.

    Raises
    ------
    ValueError
        For a stack of several images, a wrong shape, NaN, an image without anything above the threshold, and, where
        none is given, an object that is darker than its surroundings.

    Notes
    -----
    One point for each equal share of the brightness, along a curve through neighbouring pixels, at a random place of
    its pixel: less noisy than independent draws.

    Examples
    --------
    >>> import dpskit, torch
    >>> image = torch.zeros(16, 16)
    >>> image[8, 10] = 1.0
    >>> points = dpskit.points_of_image(image, 50, pixel_size=2.0, threshold=0.0)
    >>> points.shape, bool((points - torch.tensor([4.0, 0.0])).abs().max() <= 1)
    (torch.Size([50, 2]), True)
    """
    if isinstance(image, Images):
        if len(image) != 1:
            raise ValueError(f"image must be one image, such as images[0], got a stack of {len(image)}.")
        pixel_size = image.pixel_size if pixel_size is None else pixel_size
        image = image.pixels[0]
    pixels = check_array("image", image, "(n, n)").float()
    if pixels.ndim != 2 or pixels.shape[0] != pixels.shape[1] or not bool(torch.isfinite(pixels).all()):
        raise ValueError(f"image must be finite and of shape (n, n), got {tuple(pixels.shape)}.")
    pixel_size = 1.0 if pixel_size is None else check_number("pixel_size", pixel_size, above=0.0)
    n_points, seed = check_integer("n_points", n_points), check_seed("seed", seed)
    density = above_background("image", pixels.numpy(), threshold)
    points = pixel_size * (draw_points(density, n_points, seed) - len(pixels) // 2)
    offset = torch.zeros(2) if shift is None else check_array("shift", shift, "(2,)").float()
    return torch.from_numpy(points).float() + offset


def image_of_points(points: Tensor, size: int, pixel_size: float, width: float) -> Tensor:
    """The image of points, each a Gaussian. All lengths are in one unit.

    Parameters
    ----------
    points : Tensor
        (m, 2).
    size : int
        Pixels along a side.
    pixel_size : float
        Of the image.
    width : float
        Standard deviation of a Gaussian.

    Returns
    -------
    Tensor
        (size, size): a density whose sum over pixels, times the pixel's area, is m if all of it lies inside.

    Raises
    ------
    ValueError
        For a wrong shape, NaN, and numbers that are not above 0.

    Examples
    --------
    >>> import dpskit
    >>> image = dpskit.image_of_points([[0.0, 0.0], [3.0, 0.0]], size=32, pixel_size=0.5, width=1.0)
    >>> image.shape, round(float(image.sum()) * 0.5**2, 2)
    (torch.Size([32, 32]), 2.0)
    """
    points, size = check_points("points", points, dim=2), check_integer("size", size)
    pixel_size = check_number("pixel_size", pixel_size, above=0.0)
    return gaussian_image(points, size, pixel_size, check_number("width", width, above=0.0))
