"""A network of latents: what is common to all points is worked out in a few wide latents, not between the points.

Given the object, the points of a cloud are independent, so nothing but the object has to travel between them. A narrow
stream of points is read into a wide stream of latents and written back (Jaegle et al., Perceiver IO, arXiv 2107.14795;
Huang et al., PointInfinity, arXiv 2404.03566). The cost is linear in the number of points but for the local features.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dpskit.priors.local_features import PER_SCALE, local_features
from dpskit.rotations import principal_axes

WAVES = 32
"""Frequencies of ln t in the embedding of the noise level, from 0.25 to 8."""


@dataclass(frozen=True)
class LatentConfig:
    """Size of a latent network.

    Parameters
    ----------
    latents, width
        Number and features of the latents.
    point_width
        Features of a point.
    rounds, blocks
        How often the points are read into the latents and these are written back, and the number of transformer blocks
        of the latents in between.
    cross_width, head_width
        Features of the attention between points and latents, and of one of its heads.
    latent_head_width
        Features of a head of the attention between latents.
    octaves
        Fourier features of each coordinate, of wavelengths 4, 2, 1, ... in scaled units.
    scales
        Of the local features, see `local_features`.
    aligned
        Let the network see each cloud along its principal axes, which makes it equivariant under rotations (Puny et
        al., arXiv 2110.03336); derivatives take the axes as constants.
    """

    latents: int = 64
    width: int = 256
    point_width: int = 96
    rounds: int = 3
    blocks: int = 2
    cross_width: int = 128
    head_width: int = 32
    latent_head_width: int = 64
    octaves: int = 5
    scales: tuple[float, ...] = (0.05, 0.11)
    aligned: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "scales", tuple(self.scales))
        if self.cross_width % self.head_width or self.width % self.latent_head_width:
            raise ValueError(
                "cross_width must be a multiple of head_width, and width of latent_head_width; got "
                f"{self.cross_width}, {self.head_width}, {self.width} and {self.latent_head_width}."
            )
        if min(self.latents, self.width, self.point_width, self.rounds, self.blocks, self.octaves) < 1:
            raise ValueError(f"latents, width, point_width, rounds, blocks and octaves must be at least 1, got {self}.")


class LatentNetwork(nn.Module):
    """F_theta: scaled clouds (b, n, 3) and noise levels t (b,) to (b, n, 3), for any number of points.

    The points enter with their coordinates, Fourier features and local features; every layer norm is scaled and shifted
    by the noise level (Peebles and Xie, arXiv 2212.09748); the output layer starts at zero.
    """

    frequencies: Tensor
    waves: Tensor

    dim = 3

    def __init__(self, config: LatentConfig) -> None:
        super().__init__()
        self.config = c = config
        frequencies = torch.tensor([math.pi / 2 * 2.0**k for k in range(c.octaves)])
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.register_buffer("waves", torch.logspace(-2, 3, WAVES, base=2.0), persistent=False)
        self.input = nn.Linear(3 + 6 * c.octaves + PER_SCALE * len(c.scales), c.point_width)
        self.time = nn.Sequential(nn.Linear(2 * WAVES, c.width), nn.SiLU(), nn.Linear(c.width, c.width), nn.SiLU())
        self.latents = nn.Parameter(torch.randn(c.latents, c.width))
        self.rounds = nn.ModuleList(Round(c) for _ in range(c.rounds))
        self.norm_out = AdaptiveNorm(c.point_width, c.width)
        self.output = nn.Linear(c.point_width, 3)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def grow_from(self, given: LatentNetwork) -> None:
        """Begin as the function that `given` is; the rounds that this network has in addition write nothing yet."""
        self.load_state_dict({**self.state_dict(), **given.state_dict()})
        for part in list(self.rounds)[given.config.rounds :]:
            assert isinstance(part, Round)
            for last in (part.write.project, part.mlp[-1]):
                assert isinstance(last, nn.Linear)
                nn.init.zeros_(last.weight)
                nn.init.zeros_(last.bias)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        if not self.config.aligned:
            return self.in_place(x, t)
        axes = principal_axes(x)
        with torch.autocast(x.device.type, enabled=False):  # eight bits are too few for a coordinate
            turned = x.float() @ axes
        out = self.in_place(turned, t)
        with torch.autocast(x.device.type, enabled=False):
            return out @ axes.mT

    def in_place(self, x: Tensor, t: Tensor) -> Tensor:
        """The network itself, as if the cloud's axes were its own."""
        with torch.autocast(x.device.type, enabled=False):  # coordinates and their features need all their digits
            h = self.input(self._features(x.float(), t.float()))
            angles = t.float().log().unsqueeze(1) * self.waves
            waves = torch.cat([angles.sin(), angles.cos()], dim=1)
        time = self.time(waves).unsqueeze(1)
        z = self.latents.expand(len(x), -1, -1)
        for part in self.rounds:
            h, z = part(h, z, time)
        out = self.norm_out(h, time)
        with torch.autocast(x.device.type, enabled=False):
            return self.output(out.float())

    def _features(self, x: Tensor, t: Tensor) -> Tensor:
        angles = (x.unsqueeze(-1) * self.frequencies).flatten(2)
        features = [x, angles.sin(), angles.cos()]
        if self.config.scales:
            scale = (t.square() + 0.25).sqrt()[:, None, None]  # undoes c_in: kernels are defined in the cube
            features.append(local_features(x * scale, t, self.config.scales))
        return torch.cat(features, dim=2)


class AdaptiveNorm(nn.Module):
    """A layer norm whose scale and shift follow the noise level; the identity on them at the start."""

    def __init__(self, width: int, condition: int) -> None:
        super().__init__()
        self.width = width
        self.affine = nn.Linear(condition, 2 * width)
        nn.init.zeros_(self.affine.weight)
        nn.init.zeros_(self.affine.bias)

    def forward(self, h: Tensor, time: Tensor) -> Tensor:
        scale, shift = self.affine(time).chunk(2, dim=2)
        return F.layer_norm(h, (self.width,)) * (1 + scale) + shift


class Attention(nn.Module):
    """Attention of one stream to another, with queries and keys of unit length (Henry et al., arXiv 2010.04245)."""

    def __init__(self, to: int, source: int, width: int, head_width: int) -> None:
        super().__init__()
        self.head_width = head_width
        self.q = nn.Linear(to, width)
        self.kv = nn.Linear(source, 2 * width)
        self.project = nn.Linear(width, to)
        self.sharpness = nn.Parameter(torch.full((width // head_width, 1, 1), 4.0))

    def forward(self, to: Tensor, source: Tensor) -> Tensor:
        q, (k, v) = self.q(to), self.kv(source).chunk(2, dim=2)
        q, k, v = (y.unflatten(2, (-1, self.head_width)).transpose(1, 2) for y in (q, k, v))
        q = _unit(q) * self.sharpness.to(q.dtype)
        read = F.scaled_dot_product_attention(q, _unit(k), v, scale=1.0)
        return self.project(read.transpose(1, 2).flatten(2))


def _unit(y: Tensor) -> Tensor:
    """Vectors of root mean square 1, times the fourth root of 1 / width, so that logits are of order 1."""
    return y * y.float().square().mean(dim=-1, keepdim=True).add(1e-6).rsqrt().mul(y.shape[-1] ** -0.25).to(y.dtype)


class Round(nn.Module):
    """Read the points into the latents, think there, write back, and a perceptron of each point."""

    def __init__(self, c: LatentConfig) -> None:
        super().__init__()
        self.point_read, self.latent_read = AdaptiveNorm(c.point_width, c.width), AdaptiveNorm(c.width, c.width)
        self.read = Attention(c.width, c.point_width, c.cross_width, c.head_width)
        self.blocks = nn.ModuleList(Block(c.width, c.latent_head_width) for _ in range(c.blocks))
        self.latent_write, self.point_write = AdaptiveNorm(c.width, c.width), AdaptiveNorm(c.point_width, c.width)
        self.write = Attention(c.point_width, c.width, c.cross_width, c.head_width)
        self.norm = AdaptiveNorm(c.point_width, c.width)
        self.mlp = _perceptron(c.point_width, 2)

    def forward(self, h: Tensor, z: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
        z = z + self.read(self.latent_read(z, time), self.point_read(h, time))
        for block in self.blocks:
            z = block(z, time)
        h = h + self.write(self.point_write(h, time), self.latent_write(z, time))
        return h + self.mlp(self.norm(h, time)), z


class Block(nn.Module):
    """A transformer block of the latents."""

    def __init__(self, width: int, head_width: int) -> None:
        super().__init__()
        self.norm_attention, self.norm_mlp = AdaptiveNorm(width, width), AdaptiveNorm(width, width)
        self.attention = Attention(width, width, width, head_width)
        self.mlp = _perceptron(width, 4)

    def forward(self, z: Tensor, time: Tensor) -> Tensor:
        y = self.norm_attention(z, time)
        z = z + self.attention(y, y)
        return z + self.mlp(self.norm_mlp(z, time))


def _perceptron(width: int, ratio: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, ratio * width), nn.GELU(approximate="tanh"), nn.Linear(ratio * width, width))
