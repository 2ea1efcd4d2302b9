"""Training clouds in memory, and the draws a training step takes from them."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dpskit.checks import check_points
from dpskit.cloud import normalise, random_rotations

REDUNDANT_SHARE = 0.25


@dataclass(frozen=True)
class Clouds:
    """Clouds (k, m, 3) in [-1, 1]^3 and the probability (k,) with which each is drawn."""

    points: Tensor
    probability: Tensor

    def to(self, device: torch.device | str) -> Clouds:
        """The same clouds on `device`."""
        return Clouds(self.points.to(device), self.probability.to(device))

    def draw(self, batch: int, n_points: int, proper: bool, generator: torch.Generator) -> Tensor:
        """A batch (batch, n_points, 3): random clouds, a fresh subset of points of each, randomly rotated.

        The generator lives on the device of the clouds.
        """
        rows = torch.multinomial(self.probability, batch, replacement=True, generator=generator)
        m = self.points.shape[1]
        order = torch.rand(batch, m, generator=generator, device=generator.device)
        subset = order.topk(min(n_points, m), dim=1).indices
        clouds = self.points[rows].gather(1, subset.unsqueeze(2).expand(-1, -1, 3)).float()
        return clouds @ random_rotations(batch, generator, proper=proper)


def load_clouds(path: str | Path, held_out: int) -> tuple[Clouds, Clouds]:
    """Read a packed npz into (training, held-out) clouds, each normalised to [-1, 1]^3 on its own.

    The held-out clouds are spread evenly over those that are not `redundant`. Raises FileNotFoundError if there is no
    such file, and ValueError if it is not an npz with finite `points` (k, m, 3), or holds too few clouds.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"data must be an existing npz file, got {str(path)!r}.")
    try:
        with np.load(path, allow_pickle=False) as file:
            points = file["points"]
            redundant = file["redundant"] if "redundant" in file else np.zeros(len(points), dtype=bool)
    except (OSError, KeyError, TypeError, ValueError, EOFError, zipfile.BadZipFile, zlib.error):
        raise ValueError(
            f"data must be an npz file with an array 'points', but {str(path)!r} is truncated or another file."
        ) from None
    points = check_points("points of data", points, batched=True).float()
    if redundant.shape != (len(points),):
        raise ValueError(f"redundant of data must have shape ({len(points)},), got {redundant.shape}.")
    clouds = torch.stack([normalise(cloud)[0] for cloud in points])
    redundant = torch.from_numpy(redundant.astype(bool))
    own = (~redundant).nonzero().squeeze(1)
    if len(own) < 2 * held_out:
        raise ValueError(f"data must hold at least {2 * held_out} clouds to hold out {held_out}, got {len(own)}.")
    test = torch.zeros(len(clouds), dtype=torch.bool)
    test[own[torch.linspace(0, len(own) - 1, held_out).long()]] = True

    def pick(mask: Tensor) -> Clouds:
        extra = redundant[mask]
        share = min(REDUNDANT_SHARE, float(extra.float().mean()))
        probability = torch.where(extra, share / max(1, int(extra.sum())), (1 - share) / int((~extra).sum()))
        return Clouds(clouds[mask].half(), probability)

    return pick(~test), pick(test)
