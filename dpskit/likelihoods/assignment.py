"""Exact assignment of points to points by least total squared distance, batched, warm-started and certified."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from dpskit.checks import check_points
from dpskit.likelihoods import _transport

TOLERANCE = 1e-9  # of the cost: the largest duality gap that a certified solve may have


@dataclass(frozen=True)
class Assignment:
    """The matching of least cost for each cloud of a batch, and the dual variables that prove it.

    index: (b, n) int64, the column of y that each row of x takes; -1 for a row without one (only when m < n).
    cost: (b,) float64, the sum of squared distances over the matched pairs.
    duals: (b, m) float64, v with |x_i - y_j|^2 - u_i - v_j >= 0 for all pairs and = 0 for matched ones, where
        u_i = min_j |x_i - y_j|^2 - v_j (at most 0, and 0 for rows without a column, when m < n).
    potential: (b, m) float64, the Gaussian estimate of the duals, which moves them to the next problem.
    """

    index: Tensor
    cost: Tensor
    duals: Tensor
    potential: Tensor


def assign(
    x: Tensor,
    y: Tensor,
    multiplicity: Tensor | None = None,
    start: Assignment | Tensor | None = None,
    *,
    certify: bool = False,
) -> Assignment:
    """Match every cloud of x to y with the least sum of squared distances, exactly.

    x: (b, n, d). y: (m, d), or (b, m, d) with one target for each cloud.
    multiplicity: (m,) or (b, m) integers >= 0 that sum to n: how many rows each column takes. Without it every column
        takes one row; with m < n the other n - m rows stay without a column, chosen so that the cost is least.
    start: the Assignment (or its duals) of a nearby problem with the same y. It saves time and never changes the cost.
    certify: check each solve by its duality gap, and solve again with SciPy where the check fails.

    Works in float64 on the CPU, on as many threads as torch.get_num_threads(), and gives the same bits for any number.
    No gradient flows through the result, which lies on the device of x. Raises ValueError on bad input.
    """
    problem = _check(x, y, multiplicity, start)
    results = _map_threads(lambda k: _solve(problem, k, certify), len(problem.x))
    index, cost, duals = (np.stack(part) for part in zip(*results, strict=True))
    arrays = (index, cost, duals, problem.potential)
    return Assignment(*(torch.from_numpy(array).to(torch.as_tensor(x).device) for array in arrays))


@dataclass(frozen=True)
class _Problem:
    """Checked input as C-contiguous arrays: x (b, n, d), y (b, m, d), capacity (b, m), start and potential (b, m)."""

    x: np.ndarray
    y: np.ndarray
    capacity: np.ndarray
    start: np.ndarray
    potential: np.ndarray


def _check(x: Any, y: Any, multiplicity: Any, start: Any) -> _Problem:
    x = check_points("x", x, dim=None, batched=True).detach().to("cpu", torch.float64)
    batch, n, d = x.shape
    y = torch.as_tensor(y)
    y = check_points("y", y, dim=d, batched=y.ndim == 3).detach().to("cpu", torch.float64)
    if y.ndim == 3 and len(y) != batch:
        raise ValueError(f"y must have one target for each of the {batch} clouds in x, got {len(y)}.")
    m = y.shape[-2]
    center = y.mean(dim=-2, keepdim=True)  # near the origin less is lost when squares cancel
    x, y = x - center, (y - center).expand(batch, m, d)

    if multiplicity is None:
        if m > n:
            raise ValueError(f"y must have at most as many points as x ({n}) without a multiplicity, got {m}.")
        capacity = torch.ones(m, dtype=torch.int64)
    else:
        capacity = torch.as_tensor(multiplicity).detach().cpu()
        if capacity.dtype.is_floating_point or capacity.dtype.is_complex or capacity.dtype == torch.bool:
            raise ValueError(f"multiplicity must hold integers, got {capacity.dtype}.")
        if capacity.shape not in {(m,), (batch, m)}:
            raise ValueError(f"multiplicity must have shape ({m},) or ({batch}, {m}), got {tuple(capacity.shape)}.")
        if int(capacity.min()) < 0:
            raise ValueError(f"multiplicity must not be negative, got {int(capacity.min())}.")
        total = capacity.long().sum(dim=-1).reshape(-1)
        if bool((total != n).any()):
            raise ValueError(f"multiplicity must sum to the {n} points of x, got {int(total[total != n][0])}.")
    capacity = capacity.long().expand(batch, m)

    potential = _gaussian_potential(x, y, capacity)
    duals = potential
    if start is not None:
        duals = torch.as_tensor(start.duals if isinstance(start, Assignment) else start).detach().to("cpu").double()
        if duals.shape != (batch, m):
            raise ValueError(f"start must have duals of shape ({batch}, {m}), got {tuple(duals.shape)}.")
        if not bool(torch.isfinite(duals).all()):
            raise ValueError("start must have finite duals, got NaN or infinity.")
        if isinstance(start, Assignment):
            duals = duals + potential - start.potential.detach().cpu()
    return _Problem(*(np.ascontiguousarray(part.numpy()) for part in (x, y, capacity, duals, potential)))


def _gaussian_potential(x: Tensor, y: Tensor, capacity: Tensor) -> Tensor:
    """The duals (b, m) of the optimal transport between the Gaussians with the moments of x and of y.

    Its map from y to x is affine with the matrix A = S^-1/2 (S^1/2 C S^1/2)^1/2 S^-1/2, S and C the covariances of y and
    x; the dual is |y|^2 minus twice the convex potential whose gradient is that map (Brenier, 1991). When some rows
    stay without a column there is no such pair, and the squared distance to the nearest row is returned.
    """
    if int(capacity[0].sum()) < x.shape[1]:
        return torch.cdist(y, x).square().amin(dim=2)
    weight = (capacity / x.shape[1]).unsqueeze(2)
    mean_x, mean_y = x.mean(dim=1, keepdim=True), (weight * y).sum(dim=1, keepdim=True)
    cov_x = (x - mean_x).mT @ (x - mean_x) / x.shape[1]
    cov_y = (y - mean_y).mT @ (weight * (y - mean_y))
    values, vectors = torch.linalg.eigh(cov_y)
    root = values.clamp(min=1e-12 * float(values.max()) + 1e-30).sqrt().unsqueeze(1)
    half, inverse = vectors * root @ vectors.mT, vectors / root @ vectors.mT
    values, vectors = torch.linalg.eigh(half @ cov_x @ half)
    matrix = inverse @ (vectors * values.clamp(min=0).sqrt().unsqueeze(1)) @ vectors.mT @ inverse
    convex = (y * mean_x).sum(dim=2) + ((y - mean_y) @ matrix * (y - mean_y)).sum(dim=2) / 2
    return y.square().sum(dim=2) - 2 * convex


def _solve(problem: _Problem, k: int, certify: bool) -> tuple[np.ndarray, float, np.ndarray]:
    """Index (n,), cost and duals (m,) of problem k."""
    x, y, capacity = problem.x[k], problem.y[k], problem.capacity[k]
    (n, d), m = x.shape, len(y)
    used = np.flatnonzero(capacity)
    y, capacity = y[used], capacity[used]
    partial = int(capacity.sum()) < n

    # Optimal duals differ by no more than the largest cost, so that clipping any start to it only removes what would
    # cost digits. With rows left over, their dual is zero and fixes the level of the others.
    reach = 2 * (np.abs(x).max() + np.abs(y).max()) ** 2 * d
    start = problem.start[k][used]
    start = np.clip(start if partial else start - np.median(start), -reach, reach)
    rows, columns, offset = -2 * x, y.T, (y**2).sum(axis=1) - start
    if partial:
        # One more column takes the other rows for nothing: cost -|x|^2 beside the others, from which |x|^2 is left out.
        rows = np.hstack([rows, -(x**2).sum(axis=1, keepdims=True)])
        columns = np.block([[columns, np.zeros((d, 1))], [np.zeros((1, len(y))), np.ones((1, 1))]])
        offset, capacity = np.append(offset, 0.0), np.append(capacity, n - len(y))
    index = np.empty(n, np.int64)
    solved = _transport.solve(rows, np.ascontiguousarray(columns), offset, capacity, index)
    if partial:
        offset, capacity = offset[:-1] - offset[-1], capacity[:-1]
        index[index == len(y)] = -1
    duals = (y**2).sum(axis=1) - offset
    if not solved or (certify and not _is_optimal(x, y, capacity, duals, index)):
        _warn_once()
        index = _solve_with_scipy(x, y, capacity)
    matched = index >= 0
    cost = ((x[matched] - y[index[matched]]) ** 2).sum()
    all_duals = np.zeros(m)
    all_duals[used] = duals
    return np.where(matched, used[index], -1), cost, all_duals


def _is_optimal(x: np.ndarray, y: np.ndarray, capacity: np.ndarray, duals: np.ndarray, index: np.ndarray) -> bool:
    """Whether `index` is a matching, and the duals prove that none costs less by more than the tolerance.

    u_i = min_j |x_i - y_j|^2 - v_j makes every reduced cost non-negative, so that sum(u) + sum(capacity v) is a lower
    bound on the cost of any matching; what remains between the two is the duality gap.
    """
    matched = index[index >= 0]
    if not np.array_equal(np.bincount(matched, minlength=len(y)), capacity):
        return False
    cost, gap = _transport.duality_gap(x, y, capacity, duals, index)
    rounding = 1e-13 * len(x) * (np.abs(x).max() + np.abs(y).max()) ** 2
    return bool(gap <= TOLERANCE * cost + rounding)


def _solve_with_scipy(x: np.ndarray, y: np.ndarray, capacity: np.ndarray) -> np.ndarray:
    repeated = np.repeat(np.arange(len(y)), capacity)
    costs = ((x[:, None] - y[repeated]) ** 2).sum(axis=2)
    rows, columns = linear_sum_assignment(costs)
    index = np.full(len(x), -1)
    index[rows] = repeated[columns]
    return index


_warned = threading.Event()


def _warn_once() -> None:
    if not _warned.is_set():
        _warned.set()
        message = "An assignment failed its optimality check and was solved by SciPy, which is exact and slower."
        warnings.warn(message, RuntimeWarning, stacklevel=2)


def _map_threads(function: Callable[[int], Any], count: int) -> list[Any]:
    """[function(0), ..., function(count - 1)], on torch.get_num_threads() threads.

    Plain threads around kernels that release the GIL, rather than numba's prange, whose default threading layer aborts
    the process when two Python threads enter it at once. They end with the call: nothing is left behind for a fork.
    """
    threads = min(torch.get_num_threads(), count)
    if threads == 1:
        return [function(k) for k in range(count)]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(function, range(count)))
