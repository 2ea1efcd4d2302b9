"""A penalty on rough clouds: a prior that knows surfaces, but no shapes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from dpskit.likelihoods.protocol import Likelihood, start

NEIGHBOURS = 8
"""Points whose centre a point is drawn to."""


def roughness(x: Tensor, n_neighbours: int = NEIGHBOURS) -> Tensor:
    """Half the mean squared distance of points from the centre of their nearest neighbours, (b, n, d) -> (b,).

    The graph Laplacian of the cloud, in the normalisation of the energy: it draws points onto smooth surfaces.
    """
    with torch.no_grad():
        nearest = torch.cdist(x, x).topk(n_neighbours + 1, largest=False).indices[:, :, 1:]
    neighbours = torch.stack([cloud[index] for cloud, index in zip(x, nearest, strict=True)])
    return (x - neighbours.mean(dim=2)).square().sum(dim=2).mean(dim=1) / 2


@dataclass(frozen=True, eq=False)
class Smoothed:
    """E + weight R of a likelihood: R is the `roughness` of the cloud."""

    likelihood: Likelihood
    weight: float

    def energy(self, x0: Tensor) -> Tensor:
        return self.likelihood.energy(x0) + self.weight * roughness(x0)

    def start(self) -> Smoothed:
        return replace(self, likelihood=start(self.likelihood))
