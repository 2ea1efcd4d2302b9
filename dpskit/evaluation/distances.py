"""Distances between point clouds, with the conventions of the paper's tables."""

from __future__ import annotations

import torch
from torch import Tensor

from dpskit.checks import check_array, check_points
from dpskit.transport.assignment import assign


def chamfer_distance(a: Tensor, b: Tensor) -> Tensor:
    """Mean distance to the nearest point, both directions added, not squared.

    Parameters
    ----------
    a, b
        Clouds (k, n, 3) and (k, m, 3), or one cloud, (n, 3), for all of the other's.

    Returns
    -------
    Tensor
        (k,), in the unit of the clouds. The paper's tables print it times 100.

    Examples
    --------
    >>> import dpskit, torch
    >>> dpskit.chamfer_distance(torch.zeros(1, 1, 3), torch.tensor([[[0.0, 0.0, 1.0], [0.0, 0.0, 3.0]]]))
    tensor([3.])
    """
    a, b = _pair(a, b)
    distance = torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")
    return distance.amin(dim=2).mean(dim=1) + distance.amin(dim=1).mean(dim=1)


def earth_movers_distance(a: Tensor, b: Tensor) -> Tensor:
    """Mean distance between matched points, not squared; the matching is the one of least sum of squared distances.

    Parameters
    ----------
    a, b
        Clouds (k, n, 3), or one cloud, (n, 3), for all of the other's.

    Returns
    -------
    Tensor
        (k,), in the unit of the clouds. The paper's tables print it times 100.

    Raises
    ------
    ValueError
        For clouds of different sizes.

    Examples
    --------
    >>> import dpskit, torch
    >>> a = torch.tensor([[[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]])
    >>> dpskit.earth_movers_distance(a, a.flip(1) + torch.tensor([0.0, 0.0, 0.5]))
    tensor([0.5000])
    """
    a, b = _pair(a, b)
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"a and b must have equally many points, got {a.shape[1]} and {b.shape[1]}.")
    index = assign(a, b).index
    return (a - b.gather(1, index.unsqueeze(2).expand_as(b))).norm(dim=2).mean(dim=1)


def _pair(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    a, b = _batch("a", a), _batch("b", b)
    if len(a) != len(b) and 1 not in (len(a), len(b)):
        raise ValueError(
            f"a and b must hold equally many clouds, or one of them a single one, got {len(a)} and {len(b)}."
        )
    count, dtype = max(len(a), len(b)), torch.promote_types(a.dtype, b.dtype)
    a, b = a.to(dtype), b.to(dtype)
    return a.expand(count, -1, -1), b.expand(count, -1, -1)


def _batch(name: str, cloud: Tensor) -> Tensor:
    cloud = check_array(name, cloud, "(k, n, 3)")
    return check_points(name, cloud.unsqueeze(0) if cloud.ndim == 2 else cloud, batched=True)
