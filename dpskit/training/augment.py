"""Changes of a training cloud that leave it an object of its kind: orientation, proportions, smooth deformations."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dpskit.rotations import random_rotations, rotations_by

ORIENTATIONS = ("upright", "rotated", "reflected")


def orient(x: Tensor, orientation: str, generator: torch.Generator) -> Tensor:
    """Clouds (b, n, 3) in random orientations.

    "upright": as they are, or mirrored, x -> -x, with probability 1/2; "rotated": by random rotations, SO(3);
    "reflected": by random rotations and reflections, O(3), as the paper does for shapes.
    """
    if orientation == "upright":
        sign = torch.ones(len(x), 1, 3, device=x.device)
        sign[:, 0, 0] = torch.rand(len(x), generator=generator, device=x.device).sub(0.5).sign()
        return x * sign
    return x @ random_rotations(len(x), generator, reflections=orientation != "rotated")


def deform(x: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Clouds (b, n, 3) in [-1, 1]^3 of other proportions: each axis stretched and warped, the whole tilted a little.

    Along each axis u -> s (u + a sin(pi u) / pi + e (1 - u^2)) with random s, a, e of standard deviations 0.1, 0.1 and
    0.12 times `strength`: monotone, so that what stands on four legs still does. Along x the even term e is left out,
    so that a symmetric object stays symmetric. Then a random rotation of 2 degrees times `strength` about each axis,
    and the box is moved and scaled back to what it was: the longest side and the centre stay. A third of the clouds,
    chosen at random, stay as they are; with strength 0 all do.
    """
    if strength == 0:
        return x
    b, device = len(x), x.device
    normal = torch.randn(4, b, 1, 3, generator=generator, device=device)
    keep = torch.rand(b, 1, 1, generator=generator, device=device) < 1 / 3
    odd, even = ((amount * strength * z).clamp(-0.3, 0.3) for amount, z in ((0.1, normal[0]), (0.12, normal[1])))
    even = even * torch.tensor([0.0, 1.0, 1.0], device=device)
    stretch = (0.1 * strength * normal[2]).exp()
    y = (x + odd * torch.sin(math.pi * x) / math.pi + even * (1 - x.square()).clamp_min(0)) * stretch
    y = y @ rotations_by(math.radians(2.0) * strength * normal[3].squeeze(1))
    return torch.where(keep, x, _into_box(y, x))


def _into_box(y: Tensor, x: Tensor) -> Tensor:
    """y moved and scaled so that its box has the centre and the longest side of that of x."""
    low, high, x_low, x_high = y.amin(1, True), y.amax(1, True), x.amin(1, True), x.amax(1, True)
    scale = (x_high - x_low).amax(2, True) / (high - low).amax(2, True)
    return (y - (low + high) / 2) * scale + (x_low + x_high) / 2
