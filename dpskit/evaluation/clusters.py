"""Samples that tell different stories: the clusters of an ensemble."""

from __future__ import annotations

import numpy as np
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from dpskit.checks import check_number
from dpskit.evaluation.spread import squared_distances


def clusters(points: Tensor, apart: float = 2.0) -> list[list[int]]:
    """Samples that are alike, where an ensemble falls into parts: each part explains the data in its own way.

    Parameters
    ----------
    points : Tensor
        (s, n, 3).
    apart : float
        Samples are alike up to so many times the distance at which a sample usually (in the median) finds the nearest
        other one. A cluster is all that a chain of such steps reaches.

    Returns
    -------
    list of list of int
        The numbers of the samples of each cluster, the largest first. One cluster of all of them is the usual case; two
        samples are always one.

    Raises
    ------
    ValueError
        For a wrong shape, NaN and a number that is not above 0.

    Notes
    -----
    Distances are root mean square distances of nearest points, both ways: those of `medoid`. Single linkage, cut at a
    multiple of the median distance to the nearest neighbour.

    Examples
    --------
    >>> import dpskit, torch
    >>> places = torch.tensor([0.0, 0.1, 5.0, 0.2, 5.1])  # of five samples of one point
    >>> dpskit.clusters(places[:, None, None] * torch.ones(3))
    [[0, 1, 3], [2, 4]]
    """
    apart = check_number("apart", apart, above=0.0)
    distances = np.sqrt(squared_distances(points))
    others = distances + np.diag(np.full(len(distances), np.inf))
    usual = np.median(others.min(axis=1)) if len(distances) > 1 else 0.0
    count, label = connected_components(distances <= apart * usual)
    found = [np.flatnonzero(label == k).tolist() for k in range(count)]
    return sorted(found, key=lambda members: (-len(members), members[0]))


def cluster_warning(points: Tensor) -> str:
    """A sentence about the `clusters` of samples (s, n, 3); empty if there is one alone."""
    found = clusters(points)
    if len(found) == 1:
        return ""
    members = "; ".join(", ".join(map(str, numbers)) for numbers in found)
    return (
        f"The samples fall into {len(found)} clusters, each of which explains the data in its own way (numbers from 0: "
        f"{members}). Look at each by itself: their common spread and medoid describe none of them."
    )
