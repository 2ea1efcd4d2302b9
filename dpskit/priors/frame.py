"""The principal frame of a cloud, in which a network sees it the same however it is turned."""

from __future__ import annotations

import torch
from torch import Tensor


@torch.compiler.disable
@torch.no_grad()
def principal_frame(x: Tensor) -> Tensor:
    """Rotations (b, 3, 3) to the principal axes of clouds (b, n, 3): x @ frame has them as coordinate axes.

    The frame turns with the cloud, principal_frame(x R) = R^T principal_frame(x) for every R in SO(3): a function of
    x @ frame, turned back by frame^T, is equivariant (frame averaging with one frame; Puny et al., arXiv 2110.03336).
    Axes by rising variance; each points to where the cloud has its longer tail (positive third moment), but the one
    with the least skewness, often a normal of a mirror plane, makes the frame right-handed. The frame jumps where two
    variances or a skewness cross; it counts as a constant in derivatives, which for an equivariant function is exact.
    """
    with torch.autocast(x.device.type, enabled=False):
        y = x.float() - x.float().mean(dim=1, keepdim=True)
        variance, axes = torch.linalg.eigh(torch.nan_to_num(y.mT @ y / y.shape[1], 0.0, 0.0, 0.0))
        skewness = (y @ axes).pow(3).mean(dim=1) / variance.clamp(min=1e-12).pow(1.5)
        axes = axes * torch.where(skewness < 0, -1.0, 1.0).unsqueeze(1)
        hand = torch.where(torch.linalg.det(axes) < 0, -1.0, 1.0).unsqueeze(1)
        least = skewness.abs().argmin(dim=1, keepdim=True)
        return axes * torch.ones_like(skewness).scatter(1, least, hand).unsqueeze(1)
