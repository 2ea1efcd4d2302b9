"""Exact assignment of points to points by least total squared distance: batched, warm-started and certified."""

from __future__ import annotations

import functools
import itertools
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from dpskit.checks import check_array, check_points
from dpskit.transport import solver

TOLERANCE = 1e-9  # of the cost: the largest duality gap that a certified solve may leave
LARGEST = 1e50  # of the distances: the solver needs their sixth powers


@dataclass(frozen=True, eq=False)
class Assignment:
    """The matching of least cost for each cloud of a batch, and the dual variables that prove it.

    Attributes
    ----------
    index
        (b, n) int64, the row of y that each row of x takes; -1 for a row of x without one (only when m < n).
    cost
        (b,) float64, the sum of squared distances over the matched pairs.
    duals
        (b, m) float64, v such that |x_i - y_j|^2 - u_i - v_j >= 0 for all pairs and = 0 for matched ones, with
        u_i = min_j |x_i - y_j|^2 - v_j, or 0 if that is more and rows are left over; 0 where the multiplicity is 0.
    potential
        (b, m) float64, a Gaussian estimate of the duals, which serves to carry them over to the next problem.

    Examples
    --------
    The duals prove the cost: it is the sum of all u_i and v_j.

    >>> import dpskit, torch
    >>> x, y = torch.randn(1, 20, 3), torch.randn(20, 3)
    >>> best = dpskit.assign(x, y)
    >>> u = (torch.cdist(x[0].double(), y.double()) ** 2 - best.duals).amin(dim=1)
    >>> bool(torch.isclose(u.sum() + best.duals.sum(), best.cost[0]))
    True
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

    Parameters
    ----------
    x : Tensor
        (b, n, d).
    y : Tensor
        (m, d), or (b, m, d) with one target for each cloud.
    multiplicity : Tensor, optional
        (m,) or (b, m) integers >= 0 that sum to n: how many rows of x each row of y is matched to. Without it every row
        of y is matched to one row of x; if m < n, the n - m rows of x left over are chosen for the least cost.
    start : Assignment or Tensor, optional
        The Assignment, or its duals, of a nearby problem with the same y. It saves time, and never changes the cost; if
        m < n it is not needed, and not used.
    certify : bool
        Prove each solve by its duality gap, and solve again with SciPy (and say so once) where the proof fails.

    Returns
    -------
    Assignment
        Index, cost and duals of each cloud, on the device of x.

    Raises
    ------
    ValueError
        For a wrong shape, NaN or infinity.
    TypeError
        For what is not numeric.

    Notes
    -----
    Works in float64 on the CPU, on torch.get_num_threads() threads, with the same bits for any number of them. No
    gradient flows through the result. The first call of all compiles for some seconds, and numba's cache keeps the
    result.

    Examples
    --------
    >>> import dpskit, torch
    >>> x = torch.tensor([[[0.0, 0.0], [1.0, 0.0], [5.0, 0.0]]])
    >>> best = dpskit.assign(x, [[1.2, 0.0], [0.0, 0.1]])
    >>> best.index, best.cost
    (tensor([[ 1,  0, -1]]), tensor([0.0500], dtype=torch.float64))
    """
    return assign_each([(x, y, multiplicity, start)], certify=certify)[0]


def assign_each(calls: Sequence[tuple[Any, Any, Any, Any]], *, certify: bool = False) -> list[Assignment]:
    """`assign(x, y, multiplicity, start)` for each of `calls`, whose clouds all share the threads."""
    problems = [_check(*call) for call in calls]
    tasks = [(problem, k) for problem in problems for k in range(len(problem.x))]
    solved = iter(_map_threads(lambda task: _solve_one(*tasks[task], certify), len(tasks)))
    return [_collect(call[0], problem, solved) for call, problem in zip(calls, problems, strict=True)]


def _collect(x: Any, problem: _Problem, solved: Iterator[tuple[np.ndarray, np.ndarray]]) -> Assignment:
    """The results for all clouds of a problem, taken from `solved`."""
    index, duals = map(np.stack, zip(*itertools.islice(solved, len(problem.x)), strict=True))
    cost = np.array([_cost(problem.x[k], problem.y[k % len(problem.y)], index[k]) for k in range(len(index))])
    device = torch.as_tensor(x).device
    return Assignment(*(torch.from_numpy(part).to(device) for part in (index, cost, duals, problem.potential)))


@dataclass(frozen=True, eq=False)
class _Problem:
    """Checked input, C-contiguous. The first axis of y and capacity has length 1 if all clouds share them."""

    x: np.ndarray  # (b, n, d)
    y: np.ndarray  # (1 or b, m, d)
    capacity: np.ndarray  # (1 or b, m)
    start: np.ndarray  # (b, m)
    potential: np.ndarray  # (b, m)
    columns: list[solver.Columns]  # 1 or b

    @property
    def partial(self) -> bool:
        return int(self.capacity[0].sum()) < self.x.shape[1]


def _check(x: Any, y: Any, multiplicity: Any, start: Any) -> _Problem:
    x = check_points("x", x, dim=None, batched=True).detach().to("cpu", torch.float64).numpy()
    batch, n, d = x.shape
    y = check_array("y", y, "(m, d) or (b, m, d)")
    y = check_points("y", y, dim=d, batched=y.ndim == 3).detach().to("cpu", torch.float64).numpy()
    if y.ndim == 3 and len(y) != batch:
        raise ValueError(f"y must have one target for each of the {batch} clouds in x, got {len(y)}.")
    y = y.reshape(-1, *y.shape[-2:])
    m = y.shape[1]
    low, high = np.minimum(x.min(), y.min()), np.maximum(x.max(), y.max())
    if not high - low < LARGEST:
        raise ValueError(f"x and y must lie less than {LARGEST:g} apart, got coordinates from {low:g} to {high:g}.")
    if d == 1:  # the solver takes two axes or more
        x, y = (np.concatenate([part, np.zeros_like(part)], axis=2) for part in (x, y))
    x, y = np.ascontiguousarray(x), np.ascontiguousarray(y)
    capacity = _check_multiplicity(multiplicity, batch, n, m)
    if capacity[0].sum() < n:
        zeros = np.zeros((batch, m))
        _check_start(start, zeros)
        return _Problem(x, y, capacity, zeros, zeros, [])
    potential = _gaussian_potential(x, y, capacity)
    duals = _check_start(start, potential)
    # Optimal duals differ by no more than the largest squared distance: a start is clipped to what can be of use, since
    # larger numbers would only cost digits.
    reach = (high - low) ** 2 * d
    duals = np.clip(duals - duals[:, :1], -reach, reach)
    shared = max(len(y), len(capacity))
    columns = [solver.arrange(y[k % len(y)], capacity[k % len(capacity)]) for k in range(shared)]
    return _Problem(x, y, capacity, duals, potential, columns)


def _check_multiplicity(multiplicity: Any, batch: int, n: int, m: int) -> np.ndarray:
    """(1 or b, m) int64."""
    if multiplicity is None:
        if m > n:
            raise ValueError(f"y must not have more points than x ({n}) without a multiplicity, got {m}.")
        return np.ones((1, m), np.int64)
    multiplicity = check_array("multiplicity", multiplicity, "(m,) or (b, m)")
    if multiplicity.is_floating_point() or multiplicity.dtype == torch.bool:
        raise ValueError(f"multiplicity must hold integers, got {multiplicity.dtype}.")
    if multiplicity.shape not in {(m,), (batch, m)}:
        raise ValueError(f"multiplicity must have shape ({m},) or ({batch}, {m}), got {tuple(multiplicity.shape)}.")
    capacity = multiplicity.detach().cpu().long().reshape(-1, m).numpy()
    if capacity.min() < 0:
        raise ValueError(f"multiplicity must not be negative, got {capacity.min()}.")
    wrong = capacity.sum(axis=1) != n
    if wrong.any():
        raise ValueError(f"multiplicity must sum to the {n} points of x, got {capacity[wrong][0].sum()}.")
    return capacity


def _check_start(start: Any, potential: np.ndarray) -> np.ndarray:
    """The duals (b, m) to start from: those of `start` plus the change of the potential."""
    if start is None:
        return potential
    duals = start.duals if isinstance(start, Assignment) else check_array("start", start, "(b, m)")
    if duals.shape != potential.shape:
        raise ValueError(f"start must hold duals of shape {potential.shape}, got {tuple(duals.shape)}.")
    duals = duals.detach().to("cpu", torch.float64).numpy()
    if not np.isfinite(duals).all():
        raise ValueError("start must hold finite duals, got NaN or infinity.")
    if isinstance(start, Assignment):
        duals = duals + potential - start.potential.cpu().numpy()
    return duals


def _gaussian_potential(x: np.ndarray, y: np.ndarray, capacity: np.ndarray) -> np.ndarray:
    """The duals (b, m) of the optimal transport between the Gaussians with the moments of x and of y.

    Brenier's map from y to x is then affine, with the matrix A = S^-1/2 (S^1/2 C S^1/2)^1/2 S^-1/2 of the covariances S
    of y and C of x, and the dual is |y|^2 less twice the convex function whose gradient is that map.
    """
    weight = capacity[:, None] / x.shape[1]
    x, y = x.mT.copy(), y.mT.copy()  # (b, d, n): sums over the last axis are fast
    mean_x, mean_y = x.mean(axis=2, keepdims=True), (weight * y).sum(axis=2, keepdims=True)
    x, y = x - mean_x, y - mean_y
    values, vectors = np.linalg.eigh((weight * y) @ y.mT)
    root = np.sqrt(np.maximum(values, 1e-12 * values.max() + 1e-100))[:, None]
    half, inverse = vectors * root @ vectors.mT, vectors / root @ vectors.mT
    values, vectors = np.linalg.eigh(half @ (x @ x.mT / x.shape[2]) @ half)
    matrix = inverse @ (vectors * np.sqrt(np.maximum(values, 0))[:, None] @ vectors.mT) @ inverse
    return ((y - matrix @ y + 2 * (mean_y - mean_x)) * y).sum(axis=1)


def _solve_one(problem: _Problem, k: int, certify: bool) -> tuple[np.ndarray, np.ndarray]:
    """Index (n,) and duals (m,) of cloud k."""
    x, y = problem.x[k], problem.y[k % len(problem.y)]
    if problem.partial:
        return _solve_partial(x, y, certify)
    capacity, columns = problem.capacity[k % len(problem.capacity)], problem.columns[k % len(problem.columns)]
    return _solve(x, y, capacity, columns, problem.start[k], certify)


def _solve_partial(x: np.ndarray, y: np.ndarray, certify: bool) -> tuple[np.ndarray, np.ndarray]:
    """The same when rows are left over: each row of y looks for its row of x, of which enough are free to be near."""
    ones = np.ones(len(x), np.int64)
    row_of, duals = _solve(y, x, ones, solver.arrange(x, ones), np.zeros(len(x)), certify)
    index = np.full(len(x), -1)
    index[row_of] = np.arange(len(y))
    return index, ((y - x[row_of]) ** 2).sum(axis=1) - duals[row_of]


def _solve(
    x: np.ndarray, y: np.ndarray, capacity: np.ndarray, columns: solver.Columns, start: np.ndarray, certify: bool
) -> tuple[np.ndarray, np.ndarray]:
    index, duals = solver.solve(x, columns, start)
    if certify and not is_optimal(x, y, capacity, index, duals):
        _warn_once()
        column = np.repeat(np.arange(len(y)), capacity)
        index = column[linear_sum_assignment(((x[:, None] - y[column]) ** 2).sum(axis=2))[1]]
    return index, duals


def _cost(x: np.ndarray, y: np.ndarray, index: np.ndarray) -> float:
    residual = x - y.take(index, axis=0) if index.min() >= 0 else (x - y[index])[index >= 0]
    return float(np.vdot(residual, residual))


def is_optimal(x: np.ndarray, y: np.ndarray, capacity: np.ndarray, index: np.ndarray, duals: np.ndarray) -> bool:
    """Whether `index` (n,) gives all of x (n, d) a row of y within capacity (m,), and the duals (m,) prove it the best.

    u_i = min_j |x_i - y_j|^2 - v_j makes every reduced cost |x_i - y_j|^2 - u_i - v_j >= 0, so that no assignment costs
    less than sum_i u_i + sum_j capacity_j v_j, with v <= 0 if capacity is left over. What the cost is above it, the
    duality gap, may be TOLERANCE of the cost, beside the rounding of the duals.
    """
    left = capacity - np.bincount(index[index >= 0], minlength=len(y))
    if index.min() < 0 or left.min() < 0 or (left.any() and duals.max() > 0):
        return False
    used = capacity > 0
    least = solver.least_costs(x, y[used].T[None].copy(), -duals[used][None])
    costs = ((x - y[index]) ** 2).sum(axis=1)
    gap = (costs - duals[index] - least).sum() - (left * duals).sum()
    return bool(gap <= TOLERANCE * costs.sum() + 1e-15 * len(x) * np.abs(duals).max())


@functools.cache
def _warn_once() -> None:
    message = "An assignment failed its proof of optimality and was solved by SciPy: exact as well, but slower."
    warnings.warn(message, RuntimeWarning, stacklevel=2)


def _map_threads(function: Callable[[int], Any], count: int) -> list[Any]:
    """[function(0), ..., function(count - 1)], on torch.get_num_threads() threads.

    Plain threads around kernels that release the GIL, rather than numba's prange, whose default threading layer aborts
    the process when two Python threads enter it at once. They end with the call: nothing is left behind for a fork.
    """
    numbers = iter(range(count))  # shared: each thread takes the next one when it is done

    def work(_: int) -> list[tuple[int, Any]]:
        return [(k, function(k)) for k in numbers]

    threads = min(torch.get_num_threads(), count)
    if threads == 1:
        return [result for _, result in work(0)]
    with ThreadPoolExecutor(threads) as pool:
        results = dict(itertools.chain.from_iterable(pool.map(work, range(threads))))
    return [results[k] for k in range(count)]
