"""How sharp the surfaces of a cloud are: how far its points lie off the plane of their neighbours."""

from __future__ import annotations

import torch
from scipy.spatial import cKDTree
from torch import Tensor

from dpskit.checks import check_integer, check_points


def thickness(clouds: Tensor, n_neighbours: int = 12) -> Tensor:
    """Median standard deviation of points about the plane of their neighbours.

    A surface that is drawn sharply is thin; blur makes it thick, which one-nearest-neighbour tests hardly see.

    Parameters
    ----------
    clouds
        (b, n, 3).
    n_neighbours
        Points that define the plane at every point, itself among them.

    Returns
    -------
    Tensor
        (b,) in the unit of the clouds: the median over the points of the square root of the least eigenvalue of the
        covariance of the neighbours; 0 for a plane.

    Raises
    ------
    ValueError
        If a cloud has fewer points than `n_neighbours`, which must be at least 4.
    """
    clouds = check_points("clouds", clouds, batched=True)
    n_neighbours = check_integer("n_neighbours", n_neighbours, least=4)
    if clouds.shape[1] < n_neighbours:
        raise ValueError(f"clouds must have at least n_neighbours = {n_neighbours} points, got {clouds.shape[1]}.")
    return torch.stack([_thickness(cloud, n_neighbours) for cloud in clouds.double()]).to(clouds)


def _thickness(cloud: Tensor, k: int) -> Tensor:
    near = cloud[torch.from_numpy(cKDTree(cloud.numpy()).query(cloud.numpy(), k)[1])]
    offset = near - near.mean(dim=1, keepdim=True)
    return torch.linalg.eigvalsh(offset.mT @ offset / k)[:, 0].clamp_min(0).sqrt().median()
