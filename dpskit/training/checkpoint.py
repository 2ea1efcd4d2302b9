"""The state of a training run on disk: weights, their average, the optimizer's moments, and how far it came."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor, nn

from dpskit.files import replacing
from dpskit.training.config import TrainConfig


def save_checkpoint(
    path: Path,
    config: TrainConfig,
    network: nn.Module,
    average: dict[str, Tensor],
    optimizer: torch.optim.Optimizer,
    step: int,
    seen: int,
    spent: float,
) -> None:
    """Write everything that `restore_checkpoint` needs; atomic."""
    from safetensors.torch import save_file

    moments = optimizer.state_dict()["state"]
    tensors = {f"network.{k}": v for k, v in network.state_dict().items()} | {
        f"average.{k}": v for k, v in average.items()
    }
    tensors |= {f"optimizer.{i}.{k}": v for i, state in moments.items() for k, v in state.items()}
    metadata = {"settings": json.dumps(asdict(config)), "step": str(step), "seen": str(seen), "spent": str(spent)}
    with replacing(path) as temporary:
        save_file({k: v.contiguous() for k, v in tensors.items()}, temporary, metadata)


def restore_checkpoint(
    path: Path, config: TrainConfig, network: nn.Module, average: dict[str, Tensor], optimizer: torch.optim.Optimizer
) -> tuple[int, int, float]:
    """Load a checkpoint of the same settings (the budget may differ) in place; returns (step, seen, spent)."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise FileNotFoundError(f"resume needs the checkpoint {str(path)!r}, which does not exist.")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"resume needs a complete checkpoint, but {str(path)!r} cannot be read: {error}.") from None
    size = json.loads(metadata.get("settings", "{}")).get("network")
    if size != asdict(config.network):
        raise ValueError(f"resume needs a checkpoint of {config.network}, but {str(path)!r} holds {size}.")
    network.load_state_dict(_under("network.", tensors))
    average.update({k: v.to(average[k].device) for k, v in _under("average.", tensors).items()})
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in _under("optimizer.", tensors).items():
        index, name = key.split(".")
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return int(metadata["step"]), int(metadata["seen"]), float(metadata["spent"])


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
