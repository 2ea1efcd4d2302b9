"""A small network of each kind."""

import torch

from dpskit.priors.latents import LatentConfig
from dpskit.priors.networks import build
from dpskit.priors.transformer import TransformerConfig

LATENTS = LatentConfig(latents=5, width=32, point_width=16, rounds=2, blocks=1, cross_width=32, head_width=16,
                       latent_head_width=16, octaves=3)  # fmt: skip
SMALL = {"latents": LATENTS, "transformer": TransformerConfig(64, 2, 32)}


def filled(config, std=0.2):
    """A network none of whose layers is zero."""
    torch.manual_seed(0)
    network = build(config)
    for name, weight in network.named_parameters():
        if "affine" in name or "output" in name:
            torch.nn.init.normal_(weight, std=std)
    return network.eval().requires_grad_(False)
