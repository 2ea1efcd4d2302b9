"""How well a set of clouds stands for another: 1-NNA, coverage and minimum matching distance (Yang et al., PointFlow).

A set is a tensor (k, n, 3), or a list of k clouds (n_i, 3). Yang et al., arXiv 1906.12320; paper: Table 3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from dpskit.checks import check_array, check_points
from dpskit.evaluation.distances import chamfer_distance

Distance = Callable[[Tensor, Tensor], Tensor]
"""distance(a, b): (k, n, 3), (k, m, 3) -> (k,), as `chamfer_distance` and `earth_movers_distance` are."""

CHUNK = 8  # clouds that one is measured against together: 34 MB of point distances for clouds of 1,024 points
TIE = 1e-6  # distances that differ by less, relatively, are equal


@dataclass(frozen=True)
class SetMetrics:
    """one_nna and coverage in [0, 1]; mmd in the unit of the distance, times 100 in the paper's table."""

    one_nna: float
    coverage: float
    mmd: float


def one_nna(samples: Tensor, reference: Tensor, distance: Distance = chamfer_distance) -> float:
    """Accuracy of telling samples from references by the nearest other cloud of the two sets together.

    Parameters
    ----------
    samples, reference
        Sets of clouds, (k, n, 3) or lists of (n_i, 3).
    distance
        distance(a, b): (k, n, 3), (k, m, 3) -> (k,).

    Returns
    -------
    float
        In [0, 1]; 0.5 is the best: the sets cannot be told apart. Below it, samples sit on references: they were
        copied.

    Raises
    ------
    ValueError
        For empty sets, wrong shapes and NaN.

    Notes
    -----
    Exactly (k - 1) / (2k - 1) is expected for k clouds each of one distribution. Of several nearest clouds at the same
    distance (to a relative 1e-6) each counts for its share. For sets of different sizes it is the mean of the
    accuracies on either set, which for sets of the same size is PointFlow's single one.

    Examples
    --------
    >>> import dpskit, torch
    >>> samples, reference = torch.randn(10, 5, 3), torch.randn(10, 5, 3)
    >>> dpskit.one_nna(samples + 100, reference)
    1.0
    """
    return one_nna_from(*_three(samples, reference, distance))


def coverage(samples: Tensor, reference: Tensor, distance: Distance = chamfer_distance) -> float:
    """Share of the reference clouds that are nearest, among all references, to some sample.

    Parameters
    ----------
    samples, reference, distance
        As for `one_nna`.

    Returns
    -------
    float
        In [0, 1]; high is good. Samples that are all alike cover few references.

    Raises
    ------
    ValueError
        For empty sets, wrong shapes and NaN.

    Notes
    -----
    If several references are equally near (to a relative 1e-6), all of them are covered.

    Examples
    --------
    >>> import dpskit, torch
    >>> reference = torch.randn(10, 5, 3)
    >>> dpskit.coverage(reference[:3] + 0.001, reference)
    0.3
    """
    return coverage_from(distance_matrix(samples, check_clouds("reference", reference), distance))


def minimum_matching_distance(samples: Tensor, reference: Tensor, distance: Distance = chamfer_distance) -> float:
    """Mean over the reference clouds of the distance to the nearest sample.

    Parameters
    ----------
    samples, reference, distance
        As for `one_nna`.

    Returns
    -------
    float
        In the unit of the distance; low is good.

    Raises
    ------
    ValueError
        For empty sets, wrong shapes and NaN.

    Examples
    --------
    >>> import dpskit, torch
    >>> reference = torch.randn(10, 5, 3)
    >>> dpskit.minimum_matching_distance(reference, reference)
    0.0
    """
    return mmd_from(distance_matrix(samples, check_clouds("reference", reference), distance))


def set_metrics(
    samples: Tensor, reference: Tensor, distance: Distance = chamfer_distance, within: Tensor | None = None
) -> SetMetrics:
    """All three at once; within: the `distance_matrix` of the reference with itself, if it is known already."""
    a, b, across = _three(samples, reference, distance, within)
    return SetMetrics(one_nna_from(a, b, across), coverage_from(across), mmd_from(across))


def one_nna_from(samples: Tensor, reference: Tensor, across: Tensor) -> float:
    """`one_nna` from the distances within samples (k, k), within references (l, l) and across (k, l)."""

    def accuracy(own: Tensor, other: Tensor) -> float:
        own = own.clone().fill_diagonal_(torch.inf)
        least = torch.minimum(own.amin(dim=1), other.amin(dim=1)).unsqueeze(1) * (1 + TIE)
        mine, others = (own <= least).sum(dim=1), (other <= least).sum(dim=1)
        return float((mine.double() / (mine + others)).mean())

    return (accuracy(samples, across) + accuracy(reference, across.mT)) / 2


def coverage_from(across: Tensor) -> float:
    """`coverage` from the distances (k, l) of samples and references."""
    return float((across <= across.amin(dim=1, keepdim=True) * (1 + TIE)).any(dim=0).double().mean())


def mmd_from(across: Tensor) -> float:
    """`minimum_matching_distance` from the distances (k, l) of samples and references."""
    return float(across.amin(dim=0).mean())


def _three(
    samples: Tensor, reference: Tensor, distance: Distance, within: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    samples, reference = check_clouds("samples", samples), check_clouds("reference", reference)
    own = distance_matrix(samples, None, distance)
    within = distance_matrix(reference, None, distance) if within is None else within
    return own, within, distance_matrix(samples, reference, distance)


def distance_matrix(
    a: Tensor | Sequence[Tensor],
    b: Tensor | Sequence[Tensor] | None = None,
    distance: Distance = chamfer_distance,
    *,
    progress: bool = True,
) -> Tensor:
    """Distances (k, l) of every cloud of `a` from every cloud of `b`, float64; b None: of `a` from itself.

    The second case takes half the time, and relies on the distance being symmetric. Of the tables of point distances
    only a few exist at a time, so that memory is that of the clouds and the result. On the CPU the Chamfer distance is
    measured with k-d trees instead: the same numbers, some four times as fast, on `torch.get_num_threads()` threads.
    """
    from dpskit.progress import tqdm

    a = check_clouds("a", a)
    b_given, b = b is not None, a if b is None else check_clouds("b", b)
    first = [0 if b_given else i + 1 for i in range(len(a))]
    result = torch.zeros(len(a), len(b), dtype=torch.float64)
    on_trees = distance is chamfer_distance and a[0].device.type == "cpu"
    rows = _tree_rows(a, b, first) if on_trees else _rows(a, b, first, distance)
    pairs = sum(len(b) - start for start in first)
    with tqdm(total=pairs, desc="distances", unit="pair", unit_scale=True, delay=1, disable=not progress) as bar:
        for i, row in enumerate(rows):
            result[i, first[i] :] = row
            bar.update(len(row))
    return result if b_given else result + result.mT


def _rows(a: list[Tensor], b: list[Tensor], first: list[int], distance: Distance) -> Iterator[Tensor]:
    """The distances of each cloud of a from those of b from the number `first` on; equal sizes go together."""
    for cloud, start in zip(a, first, strict=True):
        parts, k = [torch.zeros(0, dtype=torch.float64)], start
        while k < len(b):
            end = k + 1
            while end < min(len(b), k + CHUNK) and b[end].shape == b[k].shape:
                end += 1
            parts.append(distance(cloud.unsqueeze(0), torch.stack(b[k:end])).double().cpu())
            k = end
        yield torch.cat(parts)


def _tree_rows(a: list[Tensor], b: list[Tensor], first: list[int]) -> Iterator[Tensor]:
    """`_rows` for the Chamfer distance."""
    points_a, points_b = ([cloud.double().numpy() for cloud in clouds] for clouds in (a, b))
    trees_a, trees_b = ([cKDTree(cloud) for cloud in clouds] for clouds in (points_a, points_b))

    def row(i: int) -> Tensor:
        to = [trees_b[j].query(points_a[i])[0].mean() for j in range(first[i], len(b))]
        fro = [trees_a[i].query(points_b[j])[0].mean() for j in range(first[i], len(b))]
        return torch.from_numpy(np.array(to) + np.array(fro))

    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        yield from pool.map(row, range(len(a)))


def check_clouds(name: str, clouds: Tensor | Sequence[Tensor]) -> list[Tensor]:
    """The clouds (n_i, 3) of a tensor (k, n, 3) or of a list, checked to be finite and not empty."""
    if not isinstance(clouds, list | tuple):
        return list(check_points(name, check_array(name, clouds, "(k, n, 3)"), batched=True).detach())
    if len(clouds) == 0:
        raise ValueError(f"{name} must hold at least one cloud, got none.")
    return [check_points(f"{name}[{k}]", cloud).detach() for k, cloud in enumerate(clouds)]
