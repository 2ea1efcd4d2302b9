"""The network and templates that a file of weights describes, checked before anything of their size is made."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dpskit.checks import check_levels, check_number, shown
from dpskit.pose.templates import Templates
from dpskit.priors.networks import NetworkConfig, build, network_from_dict

DEPTHS = ("layers", "rounds", "blocks")  # settings of which each counts modules with weights of their own
MAX_SETTING = 1 << 20
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
TEMPLATES = {f"templates.{field.name}": field.name for field in fields(Templates)}
"""Under which keys the fields of the templates are stored beside the weights."""


def read_network(weights: Mapping[str, Tensor], metadata: Mapping[str, str], path: Path) -> tuple[nn.Module, Any]:
    """The network with its `weights`, and the model card, of the file `path`.

    Raises ValueError that names the file: for a header without them or that is no JSON, for settings of no network,
    for a card that says nonsense of how to use it, and for a tensor that is missing, too many, of another shape or kind
    of numbers, or not finite.
    """
    settings, card = (_content(metadata, key, path) for key in ("network", "card"))
    _check_card(card, path)
    config, expected = _described(settings, len(weights), path)
    for name, shape in expected.items():
        if name not in weights:
            raise _error(path, f"lacks the tensor {name!r}")
        if tuple(weights[name].shape) != shape:
            raise _error(path, f"has the tensor {name!r} of shape {tuple(weights[name].shape)} instead of {shape}")
    for name, tensor in weights.items():
        if name not in expected:
            raise _error(path, f"has a tensor {name!r} that is none of its network")
        if tensor.dtype not in FLOATS:
            raise _error(path, f"has {str(tensor.dtype).removeprefix('torch.')} in the tensor {name!r}, not weights")
        if not bool(torch.isfinite(tensor).all()):
            raise _error(path, f"has NaN or infinity in the tensor {name!r}")
    network = build(config).float()  # whatever torch's default is
    network.load_state_dict({name: weight.float() for name, weight in weights.items()})
    return network, card


def read_templates(tensors: Mapping[str, Tensor], path: Path) -> Templates | None:
    """The templates among the `tensors` of the file `path`; None if it has none. Raises ValueError for broken ones."""
    known = {field: tensors[key] for key, field in TEMPLATES.items() if key in tensors}
    if not known:
        return None
    for key, field in TEMPLATES.items():
        if field not in known:
            raise _error(path, f"lacks the tensor {key!r}")
    try:
        return Templates(**known)
    except (TypeError, ValueError) as error:
        raise _error(path, f"has broken templates ({str(error).rstrip('.')})") from None


def _content(metadata: Mapping[str, str], key: str, path: Path) -> dict[str, Any]:
    if key not in metadata:
        raise _error(path, f"has no {key} in its header")
    try:
        content = json.loads(metadata[key])
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise _error(path, f"has a {key} in its header that is no JSON object")
    return content


def _check_card(card: dict[str, Any], path: Path) -> None:
    """Raise ValueError for what `DiffusionPrior` could not use: it reads these of the card when it runs."""
    defaults, settings = card.get("defaults", {}), card.get("settings", {})
    if not isinstance(defaults, dict) or not isinstance(settings, dict):
        raise _error(path, "has a card whose defaults or settings are no JSON object")
    try:
        for name in ("cutoff", "blur"):
            check_number(name, defaults.get(name, 0.0), least=0.0)
        check_levels("jacobian", defaults.get("jacobian", (0.0, math.inf)))
    except ValueError as error:
        raise _error(path, f"has a card with wrong defaults ({str(error).rstrip('.')})") from None
    if settings.get("orientation", "upright") not in ("upright", "rotated", "reflected"):
        raise _error(path, f"has a card with the orientation {shown(settings['orientation'])}")


def _described(settings: dict[str, Any], count: int, path: Path) -> tuple[NetworkConfig, dict[str, tuple[int, ...]]]:
    """The settings of a network, and the shapes of its tensors, of which there are about `count`."""
    numbers = {key: value for key, value in settings.items() if isinstance(value, int)}
    depth = math.prod(max(1, min(numbers.get(key, 1), MAX_SETTING)) for key in DEPTHS)
    if depth > count or any(abs(value) > MAX_SETTING for value in numbers.values()):
        raise _error(path, "describes a network larger than its weights")
    try:
        config = network_from_dict(settings)
        with torch.device("meta"):  # takes no memory
            return config, {name: tuple(tensor.shape) for name, tensor in build(config).state_dict().items()}
    except (TypeError, ValueError, RuntimeError, ArithmeticError) as error:
        reason = (str(error).splitlines() or [""])[0].rstrip(".")
        raise _error(path, f"describes no network of this version ({reason})") from None


def _error(path: Path, fault: str) -> ValueError:
    return ValueError(f"prior must be a complete one saved by dpskit, but {str(path)!r} {fault}.")
