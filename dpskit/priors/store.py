"""Priors on disk: safetensors with the configuration in the metadata, and the weights that ship with the package."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor

from dpskit.checks import check_path
from dpskit.pose.templates import Templates
from dpskit.priors.edm import DiffusionPrior
from dpskit.priors.networks import NetworkConfig
from dpskit.priors.stored_network import TEMPLATES, read_network, read_templates
from dpskit.shards import load_tensors, save_tensors

SHIPPED = Path(__file__).parent / "weights"
FORMAT = "dpskit-prior-1"


def list_priors() -> list[str]:
    """Names of the priors that ship with the package.

    Returns
    -------
    list of str
        In alphabetical order.

    Examples
    --------
    >>> import dpskit
    >>> "chairs" in dpskit.list_priors()
    True
    """
    return sorted(path.stem for path in SHIPPED.glob("*.safetensors"))


def load_prior(prior: str | Path) -> DiffusionPrior:
    """Load a trained prior.

    Parameters
    ----------
    prior : str or Path
        Its shipped name (see `list_priors`), or a .safetensors file.

    Returns
    -------
    DiffusionPrior
        On the CPU.

    Raises
    ------
    TypeError
        For what is neither.
    ValueError
        For an unknown name, a truncated file, or a file that holds no complete dpskit prior.
    FileNotFoundError
        For a path that does not exist.

    Examples
    --------
    >>> import dpskit, torch
    >>> prior = dpskit.load_prior("chairs")
    >>> prior.denoise(torch.randn(1, 256, 3), torch.ones(1)).shape
    torch.Size([1, 256, 3])
    """
    if not isinstance(prior, str | Path):
        raise TypeError(f"prior must be a shipped name or a path, got {type(prior).__name__}.")
    path = check_path("prior", prior)
    if path.suffix != ".safetensors":
        path = SHIPPED / f"{prior}.safetensors"
        if len(path.name) > 255 or not path.is_file():
            known = ", ".join(list_priors()) or "(none are shipped)"
            raise ValueError(f"prior must be one of {known}, or a path to a .safetensors file; got {str(prior)!r}.")
    weights, metadata = load_tensors(path, "prior")
    if metadata.get("format") != FORMAT:
        raise ValueError(f"prior must be one saved by dpskit, but {str(path)!r} has no {FORMAT} header.")
    templates = read_templates(weights, path)
    own = {name: weight for name, weight in weights.items() if name not in TEMPLATES}
    network, card = read_network(own, metadata, path)
    network.eval().requires_grad_(False)
    return DiffusionPrior(network, path.stem, card, templates)


def save_prior(
    weights: Mapping[str, Tensor],
    network: NetworkConfig,
    card: dict[str, Any],
    path: str | Path,
    shard_size: int | None = None,
    *,
    templates: Templates | None = None,
) -> None:
    """Write network weights with their configuration, card and templates: one file, or several of `shard_size` bytes.

    In half precision: rounding to eleven bits moves the held-out loss by less than 0.0001, and halves the file.
    """
    metadata = {"format": FORMAT, "network": json.dumps(asdict(network)), "card": json.dumps(card)}
    tensors = {name: weight.half() for name, weight in weights.items()}
    if templates is not None:
        tensors |= {key: getattr(templates, field) for key, field in TEMPLATES.items()}
    save_tensors(tensors, metadata, path, shard_size)
