"""The state of a training run on disk: weights, their average, the optimizer's moments, and how far it came."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from dpskit.shards import load_tensors, save_tensors
from dpskit.training.config import TrainConfig

STATE = "state.safetensors"

Checkpoint = tuple[dict[str, Tensor], TrainConfig, dict[str, str]]
"""Tensors, settings and metadata, as `load_checkpoint` gives them."""


@dataclass(frozen=True, eq=False)
class TrainState:
    """Everything a run continues from, beside its settings; `seconds` is what it took so far."""

    network: nn.Module
    average: nn.Module
    optimizers: list[torch.optim.Optimizer]
    step: int = 0
    seen: int = 0
    seconds: float = 0.0


def save_checkpoint(folder: Path, config: TrainConfig, state: TrainState, limit: int | None = None) -> None:
    """Write `state` to `folder`/STEP, in files of at most `limit` bytes, and then remove earlier ones.

    The folder of a step gets its name when it is complete: a process killed at any moment leaves the state before.
    """
    metadata = {"settings": json.dumps(asdict(config))}
    metadata |= {"step": str(state.step), "seen": str(state.seen), "seconds": f"{state.seconds:.1f}"}
    part, done = folder / "part", folder / f"{state.step:09d}"
    shutil.rmtree(part, ignore_errors=True)
    if not done.exists():  # the same step of the same run: the same state
        save_tensors(_tensors(state), metadata, part / STATE, limit)
        part.rename(done)
    for old in _steps(folder):
        if old != done:
            shutil.rmtree(old)


def has_checkpoint(folder: Path) -> bool:
    """Whether `folder` holds a complete state; a run that was killed before its first one leaves an incomplete one."""
    return bool(_steps(folder))


def load_checkpoint(folder: Path) -> Checkpoint:
    """The last complete state of a run: (tensors, settings, metadata). Raises FileNotFoundError if there is none."""
    steps = _steps(folder)
    if not steps:
        raise FileNotFoundError(f"resume needs a checkpoint, but the folder {str(folder)!r} holds none.")
    tensors, metadata = load_tensors(steps[-1] / STATE, "checkpoint")
    return tensors, TrainConfig.from_dict(json.loads(metadata["settings"])), metadata


def restore(state: TrainState, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> TrainState:
    """`state` with the weights and moments of a checkpoint, which are copied in place, and its progress."""
    state.network.load_state_dict(dict(_under("network.", tensors)))
    state.average.load_state_dict(dict(_under("average.", tensors)))
    for k, optimizer in enumerate(state.optimizers):
        moments: dict[int, dict[str, Tensor]] = {}
        for key, value in _under(f"optimizer.{k}.", tensors):
            index, name = key.split(".")
            moments.setdefault(int(index), {})[name] = value
        optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
    progress = int(metadata["step"]), int(metadata["seen"]), float(metadata["seconds"])
    return TrainState(state.network, state.average, state.optimizers, *progress)


def _tensors(state: TrainState) -> dict[str, Tensor]:
    tensors = {f"network.{k}": v for k, v in state.network.state_dict().items()}
    tensors |= {f"average.{k}": v for k, v in state.average.state_dict().items()}
    for k, optimizer in enumerate(state.optimizers):
        for i, moments in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{k}.{i}.{name}": value for name, value in moments.items()}
    return tensors


def _steps(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("[0-9]*") if path.is_dir())


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    return ((key.removeprefix(prefix), value) for key, value in tensors.items() if key.startswith(prefix))
