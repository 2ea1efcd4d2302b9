"""An exponential moving average of the weights, whose half-life grows with the run."""

from __future__ import annotations

import torch
from torch import nn


@torch.no_grad()
def update_ema(average: nn.Module, network: nn.Module, batch: int, seen: int, share: float) -> None:
    """Move `average` towards the network's weights, in place, with a half-life of `share` of the clouds `seen` so far.

    A half-life in proportion to the run forgets the first weights at any length (Karras et al., arXiv 2206.00364, C.2).
    """
    keep = 0.5 ** (batch / max(batch, share * seen))
    torch._foreach_lerp_(list(average.parameters()), list(network.parameters()), 1 - keep)
