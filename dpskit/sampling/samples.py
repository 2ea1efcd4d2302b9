"""The result of a run: clouds, their energies, and how they came to be."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dpskit.arrays import open_npz
from dpskit.checks import check_path
from dpskit.files import NPZ_ERRORS, replacing, why_unreadable

OPTIONAL = ("energy", "rotations", "pose")
"""Arrays of `Samples` that may be None, in the order of its fields."""


@dataclass(frozen=True, eq=False)
class Samples:
    """points (s, n, d) in the cube; energy (s,) of the likelihood, None without one; settings, seed and version.

    rotations: (s, k, 3, 3), from where each sample was seen in each view, if some orientations were unknown. pose:
    (s, 3, 3), how each sample stands, points = upright @ pose, if the run had poses.
    """

    points: Tensor
    energy: Tensor | None
    settings: dict[str, Any] = field(repr=False)
    seed: int
    version: str
    rotations: Tensor | None = None
    pose: Tensor | None = None

    def save(self, path: str | Path) -> None:
        """Write an npz file: the arrays, and settings, seed and version as JSON text. Atomic."""
        arrays: dict[str, Any] = {"points": self.points.cpu().numpy()}
        optional = {name: getattr(self, name) for name in OPTIONAL}
        arrays |= {name: value.cpu().numpy() for name, value in optional.items() if value is not None}
        about = json.dumps({"settings": self.settings, "seed": self.seed, "version": self.version})
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, about=np.array(about), **arrays)


def load_samples(path: str | Path) -> Samples:
    """Read what `Samples.save` wrote. Raises FileNotFoundError, or ValueError for a truncated or foreign file."""
    path = check_path("path", path)
    if not path.is_file():
        raise FileNotFoundError(f"path must be an existing npz file, got {str(path)!r}.")
    try:
        with open_npz(path) as file:
            about = json.loads(str(file["about"]))
            points = torch.from_numpy(file["points"])
            energy, *others = (torch.from_numpy(file[name]) if name in file else None for name in OPTIONAL)
        return Samples(points, energy, about["settings"], about["seed"], about["version"], *others)
    except NPZ_ERRORS as error:
        raise ValueError(
            f"path must be a file saved by Samples.save, but {str(path)!r} {why_unreadable(error)}."
        ) from None


def describe(part: Any) -> Any:
    """Settings as JSON: dataclasses by name and fields, tensors by value when small and by shape when not."""
    if is_dataclass(part) and not isinstance(part, type):
        return {"type": type(part).__name__} | {f.name: describe(getattr(part, f.name)) for f in fields(part) if f.repr}
    if isinstance(part, np.ndarray | np.number):
        part = torch.as_tensor(part)
    if isinstance(part, Tensor):
        return part.tolist() if part.numel() <= 200 else f"tensor of shape {tuple(part.shape)}"
    if isinstance(part, list | tuple):
        return [describe(item) for item in part]
    if isinstance(part, torch.nn.Module):
        return describe(getattr(part, "config", type(part).__name__))
    return part if isinstance(part, str | int | float | bool | None) else type(part).__name__
