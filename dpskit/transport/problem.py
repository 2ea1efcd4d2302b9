"""An assignment problem, checked, with the duals that its solution starts from; and its solution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dpskit.checks import check_array, check_points
from dpskit.transport import solver

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


@dataclass(frozen=True, eq=False)
class Problem:
    """Checked input, C-contiguous. The first axis of y and capacity has length 1 if all clouds share them."""

    x: np.ndarray  # (b, n, d)
    y: np.ndarray  # (1 or b, m, d)
    capacity: np.ndarray  # (1 or b, m)
    start: np.ndarray  # (b, m)
    potential: np.ndarray  # (b, m)
    columns: list[solver.Columns]  # 1 or b

    @staticmethod
    def of(x: Any, y: Any, multiplicity: Any, start: Any) -> Problem:
        """Check the arguments of `assign`."""
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
            return Problem(x, y, capacity, zeros, zeros, [])
        potential = _gaussian_potential(x, y, capacity)
        duals = _check_start(start, potential)
        # Optimal duals differ by no more than the largest squared distance: a start is clipped to what can be of use,
        # since larger numbers would only cost digits.
        reach = (high - low) ** 2 * d
        duals = np.clip(duals - duals[:, :1], -reach, reach)
        shared = max(len(y), len(capacity))
        columns = [solver.arrange(y[k % len(y)], capacity[k % len(capacity)]) for k in range(shared)]
        return Problem(x, y, capacity, duals, potential, columns)

    @property
    def partial(self) -> bool:
        return int(self.capacity[0].sum()) < self.x.shape[1]


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
