"""Scale and offset between images and their models."""

from __future__ import annotations

import torch
from torch import Tensor


def centred(images: Tensor, weight: Tensor) -> Tensor:
    """`images` (..., k, n, n) less the weighted mean of each."""
    mean = (weight * images).sum(dim=(-2, -1), keepdim=True) / weight.sum(dim=(-2, -1), keepdim=True)
    return images - mean


def total(images: Tensor) -> Tensor:
    """The sum over pixels, (..., k, n, n) -> (..., k)."""
    return images.sum(dim=(-2, -1))


def without_offset(pixels: Tensor, drawn: Tensor, weight: Tensor, offset: Tensor | None) -> tuple[Tensor, Tensor]:
    """Pixels (k, n, n) and model (b, k, n, n) that differ by a scale alone: the pixels less the offset (k,), or
    each less its weighted mean."""
    if offset is None:
        return centred(pixels, weight), centred(drawn, weight)
    return pixels - offset.to(drawn)[:, None, None], drawn


def fit(
    pixels: Tensor, drawn: Tensor, weight: Tensor, scale: Tensor | None, offset: Tensor | None
) -> tuple[Tensor, Tensor]:
    """a and b (b, k) each of pixels = a drawn + b: those given, (k,), or else the weighted least squares with a >= 0.

    pixels, weight: (k, n, n). drawn: (b, k, n, n).
    """
    if scale is None:
        target, model = without_offset(pixels, drawn, weight, offset)
        squares = total(weight * model.square()).clamp(min=torch.finfo(drawn.dtype).tiny)
        scale = (total(weight * model * target) / squares).clamp(min=0)
    scale = scale.to(drawn).expand(drawn.shape[:2])
    if offset is None:
        offset = (total(weight * pixels) - scale * total(weight * drawn)) / total(weight)
    return scale, offset.to(drawn).expand(drawn.shape[:2])
