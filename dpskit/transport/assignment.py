"""Exact assignment of points to points by least total squared distance: batched, warm-started and certified."""

from __future__ import annotations

import functools
import itertools
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from dpskit.transport import solver
from dpskit.transport.problem import Assignment, Problem

TOLERANCE = 1e-9  # of the cost: the largest duality gap that a certified solve may leave


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
    problems = [Problem.of(*call) for call in calls]
    tasks = [(problem, k) for problem in problems for k in range(len(problem.x))]
    solved = iter(_map_threads(lambda task: _solve_one(*tasks[task], certify), len(tasks)))
    return [_collect(call[0], problem, solved) for call, problem in zip(calls, problems, strict=True)]


def compile_engine() -> None:
    """What the first call of `assign` does beside its work, for some seconds on a machine that has no cache of it."""
    assign(torch.zeros(1, 2, 2), torch.zeros(2, 2))


def _collect(x: Any, problem: Problem, solved: Iterator[tuple[np.ndarray, np.ndarray]]) -> Assignment:
    """The results for all clouds of a problem, taken from `solved`."""
    index, duals = map(np.stack, zip(*itertools.islice(solved, len(problem.x)), strict=True))
    cost = np.array([_cost(problem.x[k], problem.y[k % len(problem.y)], index[k]) for k in range(len(index))])
    device = torch.as_tensor(x).device
    return Assignment(*(torch.from_numpy(part).to(device) for part in (index, cost, duals, problem.potential)))


def _solve_one(problem: Problem, k: int, certify: bool) -> tuple[np.ndarray, np.ndarray]:
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
