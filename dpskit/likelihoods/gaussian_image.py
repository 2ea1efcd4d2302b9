"""The image of a cloud whose points are Gaussians."""

from __future__ import annotations

import math

import torch
from torch import Tensor

FAR = 40.0  # larger exponents would give denormal numbers, which are very slow


def gaussian_image(points: Tensor, size: int, pixel_size: float, width: float) -> Tensor:
    """The density (..., size, size) of points (..., m, 2), each a normalised Gaussian of standard deviation `width`.

    Rows lie along y and columns along x; pixel [size // 2, size // 2] is the origin. A Gaussian of two coordinates is a
    product of two of one, so an image is the product of two matrices (points x pixels).
    """
    axis = pixel_size * (torch.arange(size, device=points.device) - size // 2).to(points)
    scaled = (points.unsqueeze(-1) - axis) * (1 / (math.sqrt(2) * width))  # (..., m, 2, size)
    exponent = scaled.square().clamp(max=FAR)
    profile = torch.exp(-exponent) * (1 / (math.sqrt(2 * math.pi) * width))
    return profile[..., 1, :].mT @ profile[..., 0, :]
