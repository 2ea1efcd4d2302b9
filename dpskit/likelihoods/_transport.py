"""Shortest augmenting paths for the capacitated assignment problem with bilinear costs.

N rows each take one unit of one of M columns; column j holds capacity[j] units and the capacities sum to N. A pair costs
offset[j] + row_i . column_j, which is a squared Euclidean distance up to a constant of the row: nothing of size N x M is
ever stored, a row of costs is recomputed where it is needed.

The dual variables turn costs into reduced costs that are never negative, and the rows that hold a column sit at reduced
cost zero. A row without a column then looks for the shortest path (Dijkstra) to a column with room, alternately taking a
column and displacing one of its rows; the duals are moved so that the path has reduced cost zero, and every row on it
moves by one column. Jonker & Volgenant (Computing 38, 1987) describe the method for capacities of one.
"""

from __future__ import annotations

from collections.abc import Callable

import numba
import numpy as np

INFINITE = 1e300  # a finite stand-in, because the fast-math flags below promise that no infinity or NaN occurs
_FAST = {"nnan", "ninf", "nsz", "arcp", "contract", "reassoc"}


def _compiled(function: Callable) -> Callable:
    """Compile `function` with numba on its first call and keep the result on disk where a cache folder is writable."""
    options = {"nogil": True, "fastmath": _FAST, "error_model": "numpy"}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:  # neither NUMBA_CACHE_DIR, the package's folder nor the user's cache can be written
        return numba.njit(**options)(function)


@_compiled
def _costs(out, offset, columns, row):
    """Write offset[j] + row . column_j to out[j]; return the least."""
    least = INFINITE
    d = len(columns)
    for j in range(len(out)):
        cost = offset[j] + row[0] * columns[0, j]
        if d > 1:
            cost += row[1] * columns[1, j]
        if d > 2:
            cost += row[2] * columns[2, j]
        if d > 3:
            cost += row[3] * columns[3, j]
        for k in range(4, d):
            cost += row[k] * columns[k, j]
        out[j] = cost
        least = min(least, cost)
    return least


@_compiled
def _relax(distance, via, offset, columns, row, shift, i):
    """Lower distance[j] to shift + offset[j] + row . column_j where that is less, with via[j] = i; return the least."""
    least = INFINITE
    d = len(columns)
    for j in range(len(distance)):
        cost = shift + offset[j] + row[0] * columns[0, j]
        if d > 1:
            cost += row[1] * columns[1, j]
        if d > 2:
            cost += row[2] * columns[2, j]
        if d > 3:
            cost += row[3] * columns[3, j]
        for k in range(4, d):
            cost += row[k] * columns[k, j]
        closer = cost < distance[j]
        distance[j] = cost if closer else distance[j]
        via[j] = i if closer else via[j]
        least = min(least, distance[j])
    return least


@_compiled
def _cost(offset, columns, row, j):
    cost = offset[j]
    for k in range(len(columns)):
        cost += row[k] * columns[k, j]
    return cost


@_compiled
def _find(values, wanted, count, capacity):
    """The first j with values[j] == wanted that has room, or else the first without."""
    first = -1
    for j in range(len(values)):
        if values[j] == wanted:
            if count[j] < capacity[j]:
                return j
            if first < 0:
                first = j
    return first


@_compiled
def solve(rows, columns, offset, capacity, column_of):
    """Find the assignment of least cost; `offset` holds costs minus duals on entry and on return.

    rows (N, d) and columns (d, M), C-contiguous float64; offset (M,); capacity (M,) positive int64 that sum
    to N; column_of (N,) int64 receives the column of each row. Returns False if rounding stopped the search.
    """
    n, m = len(rows), len(offset)
    first = np.zeros(m + 1, np.int64)  # the rows of column j are members[first[j] : first[j] + count[j]]
    first[1:] = np.cumsum(capacity)
    members, slot = np.empty(n, np.int64), np.empty(n, np.int64)
    count = np.zeros(m, np.int64)
    distance, open_offset, reached_at = np.empty(m), np.empty(m), np.empty(m)
    via, scanned = np.empty(m, np.int64), np.empty(m, np.int64)
    waiting, n_waiting = np.empty(n, np.int64), 0

    for i in range(n):
        least = _costs(distance, offset, columns, rows[i])
        j = _find(distance, least, count, capacity)
        column_of[i] = -1
        if count[j] < capacity[j]:
            column_of[i], slot[i] = j, count[j]
            members[first[j] + count[j]] = i
            count[j] += 1
        else:
            waiting[n_waiting] = i
            n_waiting += 1

    for q in range(n_waiting):
        root = waiting[q]
        open_offset[:] = offset
        via[:] = root
        least = _costs(distance, offset, columns, rows[root])
        n_scanned = 0
        while True:
            j = _find(distance, least, count, capacity)
            if j < 0 or n_scanned == m:
                return False
            if count[j] < capacity[j]:
                break
            base = least
            reached_at[j] = base
            distance[j] = open_offset[j] = INFINITE
            scanned[n_scanned] = j
            n_scanned += 1
            for s in range(first[j], first[j + 1]):
                i = members[s]
                shift = base - _cost(offset, columns, rows[i], j)
                least = _relax(distance, via, open_offset, columns, rows[i], shift, i)
        for s in range(n_scanned):
            offset[scanned[s]] += least - reached_at[scanned[s]]
        while True:
            i = via[j]
            old = column_of[i]
            if old >= 0:  # its last row fills the hole that row i leaves
                count[old] -= 1
                last = members[first[old] + count[old]]
                members[first[old] + slot[i]], slot[last] = last, slot[i]
            column_of[i], slot[i] = j, count[j]
            members[first[j] + count[j]] = i
            count[j] += 1
            if old < 0:
                break
            j = old
    return True


@_compiled
def duality_gap(x, y, capacity, duals, column_of):
    """Cost of the assignment `column_of` and its distance from the lower bound that `duals` prove.

    x (n, d) and y (m, d); column -1 costs nothing and may be chosen by any row where the capacities sum to less than n.
    """
    n, m, d = len(x), len(y), x.shape[1]
    partial = capacity.sum() < n
    cost, gap = 0.0, 0.0
    for i in range(n):
        least = 0.0 if partial else INFINITE
        for j in range(m):
            value = -duals[j]
            for k in range(d):
                value += (x[i, k] - y[j, k]) ** 2
            if capacity[j] > 0:
                least = min(least, value)
        j = column_of[i]
        value = 0.0
        if j >= 0:
            for k in range(d):
                value += (x[i, k] - y[j, k]) ** 2
            cost += value
            value -= duals[j]
        gap += value - least
    return cost, gap
