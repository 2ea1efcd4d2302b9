"""Images of the cloud from known orientations, pixel by pixel."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor

from dpskit.checks import check_array, check_integer, check_kind, check_number, check_points, check_rotations
from dpskit.cloud import Frame, as_generator
from dpskit.likelihoods.gaussian_image import gaussian_image
from dpskit.likelihoods.image_fit import centred, fit, total, without_offset
from dpskit.likelihoods.observation import changed
from dpskit.likelihoods.projection import project
from dpskit.likelihoods.protocol import Measurement
from dpskit.rotations import random_rotations

WIDTH = 1 / 16  # of a point, in units of the cube: near the spacing of 1,024 points in a complex


@dataclass(frozen=True, eq=False)
class ProjectionImages(Measurement):
    """K images y_k (n, n) of the cloud, whose points are seen as Gaussians.

    The model f_k of image k is the projection (x R_k)_{:, (1, 2)}, every point a Gaussian, through the contrast
    transfer function if there is one; then y_k = a_k f_k + b_k + noise with a scale a_k >= 0 and an offset b_k.

    Parameters
    ----------
    pixels : Tensor
        (k, n, n), rows along y and columns along x; what is looked at is bright. Pixel [n // 2, n // 2] shows the
        origin of the physical space, not the centre of the cube.
    rotations : Tensor
        (k, 3, 3) in O(3), as in `Projections`.
    pixel_size : float
        In the unit of the frame (angstrom), as all lengths here.
    frame : Frame
        Where the cube of the cloud lies.
    width : float, optional
        Standard deviation of a point's Gaussian; None: a sixteenth of `frame.scale`, but at least a pixel.
    sigma : float or Tensor, optional
        Noise of a pixel, one number or one for each image (k,), in units of the pixels; `log_prob` needs it.
    ctf : Tensor, optional
        (k, n, n // 2 + 1), real: the transfer functions in the order of `torch.fft.rfft2`, such as
        `Optics.transfer`. The image is taken to be periodic, so leave an empty border.
    shifts : Tensor, optional
        (k, 2): what is to be added to the positions in image k to centre it, as in `Poses`.
    mask : Tensor, optional
        (n, n) or (k, n, n): the weight of a pixel, at least 0.
    scale, offset : Tensor, optional
        (k,) each: a_k and b_k. None: those that fit an image best, for every cloud anew. Give the offset where the
        background is known, such as 0 in images that were normalised: else a halo of stray points is taken for it.

    Notes
    -----
    E_k = w^2 (1 - r |r|), with w the width in units of the cube and r the correlation of image and model: for r >= 0
    this is w^2 min_{a, b} |y - a f - b|^2 / |y - mean(y)|^2. The factor brings it to the scale of the other energies:
    where Gaussians lie at random, moving all of them by a small d changes E by d^2 / 2, as it does for matched points.
    With noise E stays above 0: w^2 / (1 + signal-to-noise ratio) for the true cloud. A point feels an image within a
    few widths only: `LikelihoodScore(prior_std)` begins with wide points, `DPS` needs a wide width or other data.

    Examples
    --------
    >>> import dpskit
    >>> cloud, frame = dpskit.load_example("ruvab").points, dpskit.load_example("ruvab").frame
    >>> data = dpskit.ProjectionImages.observe(cloud, frame, n_views=2, size=32)
    >>> data.pixels.shape, bool(data.energy(cloud[None]) < 1e-6 < data.energy(0.9 * cloud[None]))
    (torch.Size([2, 32, 32]), True)
    """

    pixels: Tensor
    rotations: Tensor
    pixel_size: float
    frame: Frame
    width: float | Any = None  # a number from here on
    sigma: float | Tensor | None = None
    ctf: Tensor | None = None
    shifts: Tensor | None = None
    mask: Tensor | Any = None  # a tensor from here on
    scale: Tensor | None = None
    offset: Tensor | None = None

    def __post_init__(self) -> None:
        pixels = _finite("pixels", self.pixels, "(k, n, n)")
        if pixels.ndim != 3 or pixels.shape[1] != pixels.shape[2] or pixels.numel() == 0:
            raise ValueError(f"pixels must have shape (k, n, n), got {tuple(pixels.shape)}.")
        (k, n, _), rotations = pixels.shape, check_rotations("rotations", self.rotations)
        if len(rotations) != k:
            raise ValueError(f"pixels and rotations must be equally many, got {k} and {len(rotations)}.")
        check_kind("frame", self.frame, Frame)
        pixel_size = check_number("pixel_size", self.pixel_size, above=0.0)
        width = max(WIDTH * self.frame.scale, pixel_size) if self.width is None else self.width
        sizes = {"ctf": (k, n, n // 2 + 1), "shifts": (k, 2), "scale": (k,), "offset": (k,)}
        given: dict[str, Any] = {name: _shaped(name, getattr(self, name), size) for name, size in sizes.items()}
        given["mask"] = _mask(self.mask, pixels)
        if self.sigma is not None:
            sigma = check_array("sigma", self.sigma, f"({k},)").float()
            if sigma.shape not in ((), (k,)) or not bool((sigma.isfinite() & (sigma > 0)).all()):
                raise ValueError(f"sigma must be above 0, one number or one for each of {k} images, got {self.sigma}.")
            given["sigma"] = sigma.expand(k)
        if bool((total(centred(pixels, given["mask"]).square()) == 0).any()):
            raise ValueError("pixels must differ within every image, got one that is constant.")
        given |= {"pixels": pixels, "rotations": rotations, "pixel_size": pixel_size}
        given["width"] = check_number("width", width, above=0.0)
        for name, value in given.items():
            object.__setattr__(self, name, value)

    @staticmethod
    def observe(
        points: Tensor,
        frame: Frame,
        n_views: int = 4,
        size: int = 64,
        seed: int = 0,
        *,
        snr: float | None = None,
        pixel_size: float | None = None,
        width: float | None = None,
        reflections: bool = False,
    ) -> ProjectionImages:
        """Images of a cloud from random orientations, the same for a seed as those of `Projections.observe`.

        Pixel [n // 2, n // 2] shows the centre of the cube, which is what the `shifts` of the result say.

        Parameters
        ----------
        points : Tensor
            (n, 3) in the cube.
        frame : Frame
            Where the cube lies.
        n_views, size : int
            Number of images, and of pixels along a side.
        seed : int
            Of the orientations and the noise.
        snr : float, optional
            Variance of the signal over that of the noise, both over all pixels; None: no noise.
        pixel_size : float, optional
            In the unit of the frame; None: what leaves a border of four widths around the points from every side.
        width : float, optional
            As for `ProjectionImages`.
        reflections : bool
            Orientations from O(3) instead of SO(3).

        Returns
        -------
        ProjectionImages
            The likelihood of these data, whose offset is known to be 0.

        Raises
        ------
        ValueError
            For a wrong shape, NaN and numbers out of range.
        """
        points = check_points("points", points)
        n_views, size = check_integer("n_views", n_views), check_integer("size", size, least=4)
        width = WIDTH * frame.scale if width is None else check_number("width", width, above=0.0)
        seen = points * frame.scale  # from the centre of the cube
        reach = float(seen.norm(dim=1).max()) + 4 * width
        pixel_size = 2 * reach / size if pixel_size is None else pixel_size
        generator = as_generator(seed)
        rotations = torch.cat([random_rotations(1, generator, reflections=reflections) for _ in range(n_views)])
        views = [gaussian_image(project(seen, r), size, pixel_size, width) for r in rotations]
        shifts = torch.stack([project(torch.tensor(frame.center), r) for r in rotations])
        pixels, sigma = torch.stack(views), None
        if snr is not None:
            sigma = pixels.std(dim=(1, 2)) / math.sqrt(check_number("snr", snr, above=0.0))
            pixels = pixels + sigma[:, None, None] * torch.randn(pixels.shape, generator=generator)
        offset = torch.zeros(n_views)
        return ProjectionImages(pixels, rotations, pixel_size, frame, width, sigma, shifts=shifts, offset=offset)

    def images(self, x0: Tensor) -> Tensor:
        """The models f of clouds, before scale and offset.

        Parameters
        ----------
        x0 : Tensor
            (b, n, 3).

        Returns
        -------
        Tensor
            (b, k, n, n).
        """
        physical = self.frame.to_physical(check_points("x0", x0, batched=True))
        seen = torch.stack([project(physical, rotation) for rotation in self.rotations], dim=1)
        if self.shifts is not None:
            seen = seen - self.shifts.to(seen)[:, None, :]
        drawn = gaussian_image(seen, self.pixels.shape[-1], self.pixel_size, self.width)
        if self.ctf is not None:
            drawn = torch.fft.irfft2(torch.fft.rfft2(drawn) * self.ctf.to(drawn), s=self.pixels.shape[1:])
        return drawn

    @property
    def n_observed(self) -> int:
        """As many for each image as points a width, at least a pixel, apart fill a side of the cube: usually 1,024."""
        apart = max(self.width, self.pixel_size)
        return len(self.pixels) * max(1, round((2 * self.frame.scale / apart) ** 2))

    def energies(self, x0: Tensor) -> Tensor:
        """The energy of every image: (b, n, 3) -> (b, k)."""
        drawn = self.images(x0)
        pixels, weight = self.pixels.to(drawn), self.mask.to(drawn)
        length = (self.width / self.frame.scale) ** 2 / total(weight * centred(pixels, weight).square())
        if self.scale is not None:
            return length * self._squares(drawn, *self._fit(drawn))
        pixels, model = without_offset(pixels, drawn, weight, self.offset)
        both, own = total(weight * model * pixels), total(weight * pixels.square())
        squares = total(weight * model.square()).clamp(min=torch.finfo(drawn.dtype).tiny)
        return length * (own - both * both.abs() / squares)

    def energy(self, x0: Tensor) -> Tensor:
        """The mean over the images: (b, n, 3) -> (b,)."""
        return self.energies(x0).mean(dim=1)

    def log_prob(self, x0: Tensor) -> Tensor:
        """log p(y | x0) with the noise sigma, (b,): of the pixels that the mask leaves, each counted by its weight.

        Where scale and offset are not given, those that fit best stand in. Raises ValueError without sigma.
        """
        sigma, drawn = self._noise().to(x0), self.images(x0)
        squares, count = self._squares(drawn, *self._fit(drawn)), total(self.mask.to(x0))
        return -(squares / (2 * sigma**2) + count * (sigma.log() + math.log(2 * math.pi) / 2)).sum(dim=1)

    def with_noise(self, variance: float) -> ProjectionImages:
        """The same images where the points are uncertain too, with this `variance` of each coordinate in the cube.

        The image that is then expected has Gaussians as much wider. To sigma^2 is added what a displacement of all
        points would leave as residual: the variance of the signal times variance / width^2, at most that of the signal
        itself, var(y) - sigma^2. So `LikelihoodScore(prior_std)` goes from coarse to fine. Raises ValueError without
        sigma.
        """
        sigma, variance = self._noise(), check_number("variance", variance, least=0.0)
        weight = self.mask / total(self.mask)[:, None, None]
        signal = (total(weight * centred(self.pixels, weight).square()) - sigma**2).clamp(min=0)
        share = min(variance / (self.width / self.frame.scale) ** 2, 1.0)
        width = math.sqrt(self.width**2 + variance * self.frame.scale**2)
        return changed(self, sigma=(sigma**2 + share * signal).sqrt(), width=width)

    def simulate(self, x0: Tensor, generator: torch.Generator) -> ProjectionImages:
        """New images of one cloud x0 (n, 3), from the same orientations and with the same noise.

        Scale and offset are those given, or else those with which x0 fits the present images best.
        """
        drawn = self.images(check_points("x0", x0)[None])
        scale, offset = (value[0, :, None, None] for value in self._fit(drawn))
        noise = self._noise()[:, None, None] * torch.randn(self.pixels.shape, generator=generator)
        return replace(self, pixels=scale * drawn[0] + offset + noise)

    def _noise(self) -> Tensor:
        if self.sigma is None:
            raise ValueError("sigma, the noise of the pixels, must be given for log_prob and simulate; got None.")
        return cast(Tensor, self.sigma)

    def _fit(self, drawn: Tensor) -> tuple[Tensor, Tensor]:
        """Scale and offset (b, k) each: those given, or those that fit best."""
        return fit(self.pixels.to(drawn), drawn, self.mask.to(drawn), self.scale, self.offset)

    def _squares(self, drawn: Tensor, scale: Tensor, offset: Tensor) -> Tensor:
        """The weighted sum of squared residuals of every image, (b, k)."""
        residual = self.pixels.to(drawn) - scale[..., None, None] * drawn - offset[..., None, None]
        return total(self.mask.to(drawn) * residual.square())


def _finite(name: str, value: Tensor, shape: str) -> Tensor:
    array = check_array(name, value, shape).float()
    if not bool(torch.isfinite(array).all()):
        raise ValueError(f"{name} must be finite, got NaN or infinity.")
    return array


def _shaped(name: str, value: Tensor | None, shape: tuple[int, ...]) -> Tensor | None:
    if value is None:
        return None
    array = _finite(name, value, str(shape))
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {tuple(array.shape)}.")
    return array


def _mask(mask: Tensor | None, pixels: Tensor) -> Tensor:
    """Weights of the shape of the pixels; one for all without a mask."""
    if mask is None:
        return torch.ones(1).expand(pixels.shape)
    weight = _finite("mask", mask, "(n, n) or (k, n, n)")
    if weight.shape not in (pixels.shape, pixels.shape[1:]):
        raise ValueError(f"mask must have shape (n, n) or (k, n, n), got {tuple(weight.shape)}.")
    weight = weight.expand(pixels.shape)
    if not bool((weight >= 0).all()) or bool((weight.sum(dim=(1, 2)) == 0).any()):
        raise ValueError("mask must be at least 0, and above 0 in some pixels of every image.")
    return weight
