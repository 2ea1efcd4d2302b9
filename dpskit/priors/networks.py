"""The networks a prior can be made of, by their settings."""

from __future__ import annotations

from typing import Any

from torch import nn

from dpskit.priors.latents import LatentConfig, LatentNetwork
from dpskit.priors.transformer import PointTransformer, TransformerConfig

NetworkConfig = LatentConfig | TransformerConfig

PRESETS: dict[str, NetworkConfig] = {
    "shapes": LatentConfig(),
    "complexes": LatentConfig(scales=(0.02, 0.04, 0.08, 0.16), aligned=True),
    "paper": TransformerConfig(512, 24),
}
"""shapes: objects that stand upright. complexes: any orientation, and packing at a few angstrom. paper: the paper's."""


def build(config: NetworkConfig) -> nn.Module:
    """A network of these settings, with random weights."""
    return LatentNetwork(config) if isinstance(config, LatentConfig) else PointTransformer(config)


def network_from_dict(settings: dict[str, Any]) -> NetworkConfig:
    """The inverse of `dataclasses.asdict` for the settings of either network."""
    return LatentConfig(**settings) if "latents" in settings else TransformerConfig(**settings)
