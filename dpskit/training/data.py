"""Training clouds in memory, and the draws a training step takes from them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dpskit.checks import check_points
from dpskit.cloud import normalise
from dpskit.data.packed import read_packed

REDUNDANT_SHARE = 0.25


@dataclass(frozen=True, eq=False)
class Clouds:
    """Clouds (k, m, 3) in [-1, 1]^3 and the probability (k,) with which each is drawn.

    size: (k,) how many rows of each are distinct, the first ones; None: all of them.
    """

    points: Tensor
    probability: Tensor
    size: Tensor | None = None

    def to(self, device: torch.device | str) -> Clouds:
        """The same clouds on `device`."""
        size = None if self.size is None else self.size.to(device)
        return Clouds(self.points.to(device), self.probability.to(device), size)

    def spread(self, count: int) -> Clouds:
        """`count` clouds, or all if there are not so many, spread evenly over these, each as likely as another."""
        rows = evenly(len(self.points), min(count, len(self.points)))
        size = None if self.size is None else self.size[rows]
        return Clouds(self.points[rows], torch.full((len(rows),), 1 / len(rows)), size)

    def draw(self, batch: int, n_points: int, generator: torch.Generator) -> Tensor:
        """A batch (batch, n_points, 3): random clouds, a fresh subset of points of each.

        The generator lives on the device of the clouds.
        """
        rows = torch.multinomial(self.probability, batch, replacement=True, generator=generator)
        m = self.points.shape[1]
        order = torch.rand(batch, m, generator=generator, device=generator.device)
        if self.size is not None:  # rows that repeat others only when no other is left
            order -= (torch.arange(m, device=order.device) >= self.size[rows].unsqueeze(1)).float()
        subset = order.topk(min(n_points, m), dim=1).indices
        return self.points[rows].gather(1, subset.unsqueeze(2).expand(-1, -1, 3)).float()


def load_clouds(path: str | Path, held_out: int, n_points: int = 1) -> tuple[Clouds, Clouds]:
    """Read a packed npz (see `dpskit.data.packed`) into (training, held-out) clouds, each normalised to [-1, 1]^3.

    If some of its clouds are marked as the split "train", only these are used. The held-out clouds are spread evenly
    over those that are not `redundant`; clouds of the same category and name are of one object, which is in training
    with all of them or with none. n_points: that a run draws of a cloud at the most. Raises FileNotFoundError if
    there is no such file, and ValueError if it is not an npz with finite `points` (k, m, 3), or holds too few clouds,
    or clouds of too few points.
    """
    data = read_packed(path)
    own_split = torch.from_numpy(data.of_split("train"))
    points = check_points("points of data", data.points[own_split], batched=True).float()
    redundant, size = torch.from_numpy(data.redundant.astype(bool))[own_split], data.size[own_split]
    weight = torch.from_numpy(data.weight.astype(np.float32))[own_split]
    if points.shape[1] < n_points:
        got = f"got clouds of {points.shape[1]}: give stages of fewer points (--stage)"
        raise ValueError(f"data must hold clouds of at least the {n_points} points that a stage draws, {got}.")
    clouds = torch.stack([normalise(cloud)[0] for cloud in points])
    first, which = _objects(data.category[own_split], data.name[own_split])
    own = first[~redundant[first]]
    if len(own) < 2 * held_out:
        raise ValueError(f"data must hold at least {2 * held_out} objects to hold out {held_out}, got {len(own)}.")
    test = own[evenly(len(own), held_out)]
    train = ~torch.isin(which, which[test])

    def pick(rows: Tensor) -> Clouds:
        repeated = bool((size < points.shape[1]).any())
        return Clouds(
            clouds[rows].half(), draw_probability(redundant[rows], weight[rows]), size[rows] if repeated else None
        )

    return pick(train), pick(test)


def _objects(category: np.ndarray, name: np.ndarray) -> tuple[Tensor, Tensor]:
    """The first cloud of each object, rising, and of which object each cloud is."""
    keys = [f"{c}/{n}" for c, n in zip(category, name, strict=True)]
    _, first, which = np.unique(keys, return_index=True, return_inverse=True)
    return torch.from_numpy(np.sort(first)), torch.from_numpy(which)


def evenly(total: int, count: int) -> Tensor:
    """`count` of the indices 0 to total - 1, evenly spread: of data in order, some of every kind."""
    return torch.linspace(0, total - 1, count).long()


@dataclass(frozen=True)
class DataRecord:
    """Which clouds a run was trained on: their names, the held-out ones among them, and a hash of names and points."""

    names: tuple[str, ...]
    sha256: str


def record_data(path: str | Path) -> DataRecord:
    """The record of a packed npz, of its split "train" if it marks one."""
    data = read_packed(path)
    chosen = data.of_split("train")
    names = tuple(str(name) for name in data.name[chosen])
    digest = hashlib.sha256("\n".join(names).encode())
    digest.update(data.points.numpy()[chosen].tobytes())
    return DataRecord(names, digest.hexdigest())


def draw_probability(redundant: Tensor, weight: Tensor) -> Tensor:
    """The probability (k,) of each cloud: by `weight`, but the `redundant` ones have at most a quarter in all."""
    own, extra = weight * ~redundant, weight * redundant
    share = min(REDUNDANT_SHARE, float(extra.sum() / weight.sum()))
    return (1 - share) * own / own.sum().clamp_min(1e-12) + share * extra / extra.sum().clamp_min(1e-12)
