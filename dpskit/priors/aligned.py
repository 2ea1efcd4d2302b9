"""A network that sees every cloud along its principal axes: frame averaging with one frame."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from dpskit.cloud import principal_axes


def along_principal_axes(x: Tensor, network: Callable[[Tensor], Tensor]) -> Tensor:
    """`network` of clouds x (b, n, 3) turned to their principal axes, and turned back: equivariant under SO(3).

    The axes count as constants in derivatives. Puny et al., arXiv 2110.03336.
    """
    axes = principal_axes(x)
    with torch.autocast(x.device.type, enabled=False):  # eight bits are too few for a coordinate
        turned = x.float() @ axes
    out = network(turned)
    with torch.autocast(x.device.type, enabled=False):
        return out.float() @ axes.mT
