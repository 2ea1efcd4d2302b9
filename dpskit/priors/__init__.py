"""Priors: the networks that they can be made of, and the loss that trains them."""

from dpskit.priors.edm import edm_loss
from dpskit.priors.latents import LatentConfig
from dpskit.priors.networks import PRESETS
from dpskit.priors.transformer import TransformerConfig

__all__ = ["LatentConfig", "PRESETS", "TransformerConfig", "edm_loss"]
