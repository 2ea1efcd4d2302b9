"""The point transformer of Point-E (Nichol et al., arXiv 2212.08751): permutation-equivariant, any number of points."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class TransformerConfig:
    """Size of a point transformer.

    Parameters
    ----------
    width
        Features of a point.
    layers
        Number of blocks.
    head_width
        Features of one attention head.
    """

    width: int
    layers: int
    head_width: int = 64

    def __post_init__(self) -> None:
        if self.width % self.head_width or self.width % 2 or self.layers < 1:
            raise ValueError(f"width must be even and a multiple of head_width, layers at least 1; got {self}.")


class PointTransformer(nn.Module):
    """F_theta: scaled clouds (b, n, 3) and noise levels t (b,) to (b, n, 3).

    Pre-LN blocks of self-attention over the points and a perceptron, no positional encoding, the noise condition
    c_noise = 1000 t (paper: A.2) embedded and added to every point, and an output layer that starts at zero.
    """

    dim = 3

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.input = nn.Linear(3, width)
        self.time = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.norm_in = nn.LayerNorm(width)
        self.blocks = nn.ModuleList(Block(width, width // config.head_width) for _ in range(config.layers))
        self.norm_out = nn.LayerNorm(width)
        self.output = nn.Linear(width, 3)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        precision = self.input.weight.dtype
        with torch.autocast(x.device.type, enabled=False):
            h = self.input(x.to(precision))
        h = h + self.time(sinusoids(1000 * t, self.config.width).to(precision)).unsqueeze(1)
        h = self.norm_in(h)
        for block in self.blocks:
            h = block(h)
        return self.output(self.norm_out(h))


class Block(nn.Module):
    """One pre-LN transformer block."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)
        self.norm_mlp = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, h: Tensor) -> Tensor:
        q, k, v = (
            part.unflatten(2, (self.heads, -1)).transpose(1, 2)
            for part in self.qkv(self.norm_attention(h)).chunk(3, dim=2)
        )
        attended = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        h = h + self.project(attended)
        return h + self.mlp(self.norm_mlp(h))


def sinusoids(c: Tensor, width: int) -> Tensor:
    """Sinusoidal features (b, width) of the noise conditions c (b,), with angular frequencies from 1 to 1/10,000."""
    frequencies = torch.exp(torch.linspace(0, -math.log(10_000), width // 2, dtype=c.dtype, device=c.device))
    angles = c.unsqueeze(1) * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=1)
