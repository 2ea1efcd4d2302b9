"""Priors on disk: safetensors with the configuration in the metadata, and the weights that ship with the package."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor

from dpskit.files import replacing
from dpskit.priors.edm import DiffusionPrior
from dpskit.priors.transformer import NetworkConfig, PointTransformer

SHIPPED = Path(__file__).parent / "weights"
FORMAT = "dpskit-prior-1"


def list_priors() -> list[str]:
    """Names of the priors that ship with the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.safetensors"))


def load_prior(source: str | Path) -> DiffusionPrior:
    """Load a prior by its shipped name (see `list_priors`) or from a .safetensors file.

    Raises ValueError for an unknown name, a truncated file, or a file that holds no dpskit prior, and
    FileNotFoundError for a path that does not exist.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(source)
    if path.suffix != ".safetensors":
        path = SHIPPED / f"{source}.safetensors"
        if not path.is_file():
            known = ", ".join(list_priors()) or "(none are shipped)"
            raise ValueError(f"source must be a path to a .safetensors file or one of {known}; got {str(source)!r}.")
    if not path.is_file():
        raise FileNotFoundError(f"source must be an existing .safetensors file, got {str(path)!r}.")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            weights = {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(
            f"source must be a complete safetensors file, but {str(path)!r} cannot be read: {error}."
        ) from None
    if metadata.get("format") != FORMAT:
        raise ValueError(f"source must be a prior saved by dpskit, but {str(path)!r} has no {FORMAT} header.")
    network = PointTransformer(NetworkConfig(**json.loads(metadata["network"])))
    network.load_state_dict(weights)
    network.eval().requires_grad_(False)
    return DiffusionPrior(network, path.stem, json.loads(metadata["card"]))


def save_prior(weights: Mapping[str, Tensor], network: NetworkConfig, card: dict[str, Any], path: str | Path) -> None:
    """Write network weights with their configuration and model card; atomic (a temporary name, then a rename)."""
    from safetensors.torch import save_file

    metadata = {"format": FORMAT, "network": json.dumps(asdict(network)), "card": json.dumps(card)}
    with replacing(path) as temporary:
        save_file({key: value.contiguous() for key, value in weights.items()}, temporary, metadata)
