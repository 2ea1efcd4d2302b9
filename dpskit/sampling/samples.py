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

OPTIONAL = ("energy", "rotations", "pose", "placement")
"""Arrays of `Samples` that may be None, in the order of its fields."""


@dataclass(frozen=True, eq=False)
class Samples:
    """The clouds of a run, and how they came to be.

    Parameters
    ----------
    points : Tensor
        (s, n, d) in the cube.
    energy : Tensor or None
        (s,), of the likelihood; None without one.
    settings : dict
        Prior, likelihood, guidance, solver and schedule, as JSON can hold them.
    seed : int
        Of the run.
    version : str
        Of dpskit.
    rotations : Tensor, optional
        (s, k, 3, 3), from where each sample was seen in each view, if some orientations were unknown.
    pose : Tensor, optional
        (s, 3, 3), how each sample stands, points = upright @ pose, if the run had poses.
    placement : Tensor, optional
        (s, 4, 3), where each sample has the subunit that was not placed: its points y at y @ placement[:3] +
        placement[3].

    Examples
    --------
    >>> import dpskit
    >>> samples = dpskit.sample(dpskit.GaussianPrior(0.0, 0.5), None, n_samples=2, n_points=5, progress=False)
    >>> samples.points.shape, samples.energy, samples.settings["prior"]["type"], samples.seed
    (torch.Size([2, 5, 3]), None, 'GaussianPrior', 0)
    """

    points: Tensor
    energy: Tensor | None
    settings: dict[str, Any] = field(repr=False)
    seed: int
    version: str
    rotations: Tensor | None = None
    pose: Tensor | None = None
    placement: Tensor | None = None

    def save(self, path: str | Path) -> None:
        """Write an npz file: the arrays, and settings, seed and version as JSON text.

        Parameters
        ----------
        path : str or Path
            The file, which appears only when it is complete.
        """
        arrays: dict[str, Any] = {"points": self.points.cpu().numpy()}
        optional = {name: getattr(self, name) for name in OPTIONAL}
        arrays |= {name: value.cpu().numpy() for name, value in optional.items() if value is not None}
        about = json.dumps({"settings": self.settings, "seed": self.seed, "version": self.version})
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, about=np.array(about), **arrays)


def load_samples(path: str | Path) -> Samples:
    """Read what `Samples.save` wrote.

    Parameters
    ----------
    path : str or Path
        The npz file.

    Returns
    -------
    Samples
        With all that was saved.

    Raises
    ------
    FileNotFoundError
        Without such a file.
    ValueError
        For a truncated or foreign file.

    Examples
    --------
    >>> import dpskit
    >>> samples = dpskit.sample(dpskit.GaussianPrior(0.0, 0.5), None, n_samples=2, n_points=5, progress=False)
    >>> samples.save("run.npz")
    >>> bool((dpskit.load_samples("run.npz").points == samples.points).all())
    True
    """
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
