"""Packed clouds: one npz file with all clouds of a data set, which is what training and benchmarks read.

    points     (k, m, 3)   the clouds; of a smaller cloud the last rows repeat earlier ones
    size       (k,)        optional: how many rows of each cloud are distinct, which come first (default: all m)
    name       (k,)        optional text (also as pdb_id), as are category and split ("train", "val", "test")
    redundant  (k,)        optional: clouds with many near copies, to be drawn at most a quarter of the time
    weight     (k,)        optional: how often each is drawn, relative to the others of its kind (default: evenly)

Needs nothing but numpy and torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dpskit.arrays import open_npz
from dpskit.checks import check_array, check_integer, check_path, check_points, check_seed
from dpskit.cloud import normalise, resample
from dpskit.data.draw_weights import draw_weights
from dpskit.data.unpacked import most_rows
from dpskit.files import NPZ_ERRORS, replacing, why_unreadable

N_POINTS = 4096


@dataclass(frozen=True, eq=False)
class NamedCloud:
    """points: (m, 3) float32 in the unit of the source; category and split are "" where the source names none."""

    name: str
    points: Tensor
    category: str = ""
    split: str = ""
    redundant: bool = False


@dataclass(frozen=True, eq=False)
class Packed:
    """The arrays of a packed file, complete: points (k, m, 3) as stored, the others (k,). See the module's text."""

    points: Tensor
    size: Tensor
    name: np.ndarray
    category: np.ndarray
    split: np.ndarray
    redundant: np.ndarray
    weight: np.ndarray

    def of_split(self, split: str) -> np.ndarray:
        """Which of the clouds belong to `split`, (k,) bool: all, if none is marked so."""
        marked = self.split == split
        return marked if marked.any() else np.full(len(marked), True)

    def clouds(self) -> list[NamedCloud]:
        """The clouds one by one, each with its distinct rows."""
        rows = zip(self.points, self.size.tolist(), self.name, self.category, self.split, self.redundant, strict=True)
        return [NamedCloud(str(n), p[:k].float(), str(c), str(s), bool(r)) for p, k, n, c, s, r in rows]

    def save(self, path: str | Path) -> None:
        """Write the npz file; atomic."""
        arrays: dict[str, Any] = {field.name: np.asarray(getattr(self, field.name)) for field in fields(self)}
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, **arrays)


def read_packed(path: str | Path, argument: str = "data") -> Packed:
    """Read a packed npz file; `argument` is what errors call it. The coordinates may still hold NaN.

    Raises FileNotFoundError if there is no such file, and ValueError or TypeError if it is truncated, no npz file, or
    holds arrays of other shapes than the module's text says.
    """
    path = check_path(argument, path)
    if not path.is_file():
        raise FileNotFoundError(f"{argument} must be an existing npz file, got {str(path)!r}.")
    try:
        with open_npz(path) as file:
            arrays: dict[str, Any] = {field.name: file[field.name] for field in fields(Packed) if field.name in file}
            points = arrays["points"]
            if "name" not in arrays and "pdb_id" in file:
                arrays["name"] = file["pdb_id"]
    except NPZ_ERRORS as error:
        raise ValueError(
            f"{argument} must be an npz file with an array 'points', but {str(path)!r} {why_unreadable(error)}."
        ) from None
    points = check_array(f"points of {argument}", points, "(k, m, 3)")
    if points.ndim != 3 or points.shape[2] != 3 or points.numel() == 0:
        raise ValueError(f"points of {argument} must have shape (k, m, 3), got {tuple(points.shape)}.")
    count, m = points.shape[:2]
    if count > (most := most_rows(path.stat().st_size)):
        raise ValueError(f"{argument} must hold at most {most:,} clouds, got {count:,}.")
    blank, names = np.full(count, ""), np.array([f"{path.stem}_{k:05d}" for k in range(count)])
    parts = {"size": np.full(count, m), "name": names, "category": blank, "split": blank}
    parts |= {"redundant": np.zeros(count, dtype=bool), "weight": np.ones(count)}
    parts |= {k: v for k, v in arrays.items() if k != "points"}
    for key, value in parts.items():
        if value.shape != (count,):
            raise ValueError(f"{key} of {argument} must have shape ({count},), got {value.shape}.")
        if value.dtype.kind == "S":
            parts[key] = np.char.decode(value, "utf-8", "replace")
    if parts["redundant"].dtype.kind != "b":
        raise ValueError(f"redundant of {argument} must hold true or false, got {parts['redundant'].dtype}.")
    size = parts.pop("size")
    if size.dtype.kind not in "iu" or size.min() < 1 or size.max() > m:
        raise ValueError(f"size of {argument} must hold integers from 1 to {m}, got {size.min()} to {size.max()}.")
    weight = parts["weight"]
    if weight.dtype.kind not in "iuf" or not (np.isfinite(weight) & (weight >= 0)).all() or weight.sum() == 0:
        raise ValueError(f"weight of {argument} must hold finite numbers of at least 0, not all 0.")
    return Packed(points, torch.from_numpy(size.astype(np.int64)), **parts)


def join_packed(parts: Sequence[Packed]) -> Packed:
    """All clouds of `parts`, which have equally many points, in one."""
    joined: dict[str, Any] = {}
    for name in (field.name for field in fields(Packed)):
        columns = [getattr(part, name) for part in parts]
        joined[name] = torch.cat(columns) if isinstance(columns[0], Tensor) else np.concatenate(columns)
    return Packed(**joined)


def pack_clouds(
    clouds: Sequence[NamedCloud],
    n_points: int | None = None,
    seed: int = 0,
    *,
    balance: bool = False,
    progress: bool = True,
) -> Packed:
    """Scale each of `clouds` to the cube [-1, 1]^3 of its own frame, and bring all to one number of points.

    n_points: random points kept of each cloud (default: 4,096, or those of the largest cloud if that is fewer). A cloud
    that has fewer keeps all of them, some repeated. Half precision. balance: weigh them by `draw_weights`. Raises
    ValueError without clouds, or for one whose points all coincide.
    """
    from dpskit.progress import tqdm

    if not clouds:
        raise ValueError("clouds must hold at least one cloud, got none.")
    if n_points is None:
        n_points = min(N_POINTS, max(len(cloud.points) for cloud in clouds))
    n_points, seed = check_integer("n_points", n_points), check_seed("seed", seed)
    points = torch.empty(len(clouds), n_points, 3, dtype=torch.float16)
    for k, cloud in enumerate(tqdm(clouds, desc="packing", unit="cloud", disable=not progress)):
        points[k] = resample(normalise(check_points(cloud.name, cloud.points))[0], n_points, seed)
    return Packed(
        points,
        torch.tensor([min(len(cloud.points), n_points) for cloud in clouds]),
        np.array([cloud.name for cloud in clouds]),
        np.array([cloud.category for cloud in clouds]),
        np.array([cloud.split for cloud in clouds]),
        np.array([cloud.redundant for cloud in clouds]),
        draw_weights([cloud.points for cloud in clouds]) if balance else np.ones(len(clouds)),
    )
