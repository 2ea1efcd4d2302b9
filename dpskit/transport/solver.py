"""Shortest augmenting paths between points: the capacitated assignment problem with squared Euclidean costs.

Every row (a point x_i) takes one unit of a column (a point y_j with a capacity) so that the sum of |x_i - y_j|^2 is
least. Each column has a price, the negative of its dual variable, and each row first takes the column that is cheapest
for it, price included, while there is room. A row that finds none looks for the shortest path (Dijkstra) to a column
with room: it displaces a row of a full column, which moves to another column, and so on. Then the prices of the columns
passed rise until the path costs nothing more, and every row on it moves by one column (Jonker & Volgenant, Computing
38, 1987, for capacities of one). Any prices are valid at the start, and if they are nearly right few rows need a path.

What makes it fast: costs are never stored, but computed from the coordinates in loops that LLVM vectorises. Columns lie
in blocks of neighbours; nearest[i, b], the least cost of row i in block b, is found once, and stays a lower bound
because prices only rise, so that a search passes over every block that cannot shorten its path. Equal columns are
merged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numba
import numpy as np
from llvmlite import ir
from numba.core import event
from numba.extending import intrinsic

WIDTH = 64  # columns in a block: few enough to pass over many, enough to fill vector registers
FAR = 1e300  # instead of infinity, which the fast-math flags rule out; callers refuse NaN, infinity and larger numbers
OPTIONS = {"error_model": "numpy", "fastmath": {"nnan", "ninf", "nsz", "arcp", "contract", "reassoc"}}


class FirstCompilation(event.Listener):
    """Says, once in a process, that the functions below are being compiled; those in the cache on disk are not."""

    said = False

    def on_start(self, started: event.Event) -> None:
        if not self.said and started.data["dispatcher"].py_func.__module__ == __name__:
            from dpskit.progress import write

            self.said = True
            message = "dpskit compiles its assignment engine: this takes up to a minute, and only the first time."
            write(message, error=True)  # not into the middle of a bar

    def on_end(self, ended: event.Event) -> None:
        pass


event.register("numba:compile", FirstCompilation())


def compiled(function: Callable) -> Callable:
    """Compile `function` on its first call, and keep the result on disk wherever a cache folder can be written."""
    try:
        return numba.njit(cache=True, nogil=True, **OPTIONS)(function)
    except RuntimeError:  # neither NUMBA_CACHE_DIR, nor the package's folder, nor the user's own can be written
        return numba.njit(nogil=True, **OPTIONS)(function)


def inlined(function: Callable) -> Callable:
    """Compile `function` into its callers: a call would hide from LLVM that the arrays do not overlap."""
    return numba.njit(forceinline=True, **OPTIONS)(function)


@intrinsic
def smaller(typing_context, a, b):
    """The smaller of two floats, in the one form that LLVM vectorises when it is a loop's running minimum."""

    def generate(context, builder, signature, args):
        kind = ir.FunctionType(ir.DoubleType(), [ir.DoubleType()] * 2)
        return builder.call(builder.module.declare_intrinsic("llvm.minnum.f64", fnty=kind), args, fastmath=["fast"])

    return numba.float64(numba.float64, numba.float64), generate


@inlined
def minimum(values):
    least = FAR
    for k in range(len(values)):
        least = smaller(least, values[k])
    return least


@inlined
def copy(values, target):
    """target[:] = values, for which numba would compile for seconds, most of them spent on an error message."""
    for b in range(values.shape[0]):
        for k in range(values.shape[1]):
            target[b, k] = values[b, k]


@inlined
def find(values, wanted):
    """The first k with values[k] == wanted, or len(values). Without an early exit, so that it vectorises."""
    found = len(values)
    for k in range(len(values)):
        found = min(found, k if values[k] == wanted else len(values))
    return found


@inlined
def cost(point, price, x, b, k):
    """|x - y|^2 + price for column k of block b."""
    total = price[b, k] + (x[0] - point[b, 0, k]) ** 2 + (x[1] - point[b, 1, k]) ** 2
    if len(x) > 2:  # spelled out for 2-D and 3-D: an inner loop over the axes would not vectorise
        total += (x[2] - point[b, 2, k]) ** 2
    for axis in range(3, len(x)):
        total += (x[axis] - point[b, axis, k]) ** 2
    return total


@inlined
def all_costs(point, price, x, costs, nearest):
    """Write the cost of every column for x to `costs`, and the least of each block to `nearest`."""
    for b in range(len(nearest)):
        least = FAR
        for k in range(price.shape[1]):
            costs[b, k] = cost(point, price, x, b, k)
            least = smaller(least, costs[b, k])
        nearest[b] = least


@inlined
def relax(point, price, full, distance, via, x, length, i, b):
    """Continue a path of `length` through row i, at x, to the columns of block b: shorten distance[b] and set via[b].

    Returns the least distance in the block, and the least to a column with room.
    """
    least, least_with_room = FAR, FAR
    for k in range(price.shape[1]):
        new, old = length + cost(point, price, x, b, k), distance[b, k]
        via[b, k] = i if new < old else via[b, k]
        shorter = smaller(new, old)
        distance[b, k] = shorter
        least = smaller(least, shorter)
        least_with_room = smaller(least_with_room, shorter + full[b, k])
    return least, least_with_room


@inlined
def move(i, j, column_of, unit_of, row_of, first, count):
    """Move row i to column j, which has room; returns the column that it leaves, or -1."""
    old = column_of[i]
    if old >= 0:  # the last row of the old column takes the unit that becomes free
        count[old] -= 1
        last = row_of[first[old] + count[old]]
        unit_of[last] = unit_of[i]
        row_of[unit_of[last]] = last
    column_of[i], unit_of[i] = j, first[j] + count[j]
    row_of[unit_of[i]] = i
    count[j] += 1
    return old


@compiled
def least_costs(x, point, price):
    """The least |x_i - y_j|^2 + price_j for each row of x (n, d), with y in point (1, d, m) and price (1, m)."""
    found = np.empty(len(x))
    for i in range(len(x)):
        least = FAR
        for k in range(price.shape[1]):
            least = smaller(least, cost(point, price, x[i], 0, k))
        found[i] = least
    return found


@compiled
def match(x, y, price, first, patience):
    """Give every row of x (n, d) one unit of a column at the least cost.

    y (m, d) and price (m,) describe the columns, d at least 2, neighbours near one another; the prices rise to optimal
    ones. Column j has the units first[j] to first[j + 1] - 1, at least one, and those that are taken come first. If
    there are more than n units in all, the prices must be equal on entry.
    Returns the unit of each row (n,); or -1 for every row, and the prices as they were, if more than `patience` rows do
    not find room in their cheapest column.
    """
    (n, d), m = x.shape, len(y)
    blocks = -(-m // WIDTH)
    # Columns by block, with FAR in the places left over. They are laid out here, not by the caller, so that LLVM knows
    # the width of a block.
    point, price_of = np.empty((blocks, d, WIDTH)), np.empty((blocks, WIDTH))
    full = np.empty((blocks, WIDTH))  # FAR where there is no room, else 0
    distance = np.empty((blocks, WIDTH))  # of the shortest path found to the column; FAR once it is scanned
    open_price = np.empty((blocks, WIDTH))  # the price; FAR once it is scanned
    via = np.empty((blocks, WIDTH), np.int64)  # the last row on that path
    nearest, block_least = np.empty((n, blocks)), np.empty(blocks)
    column_of, unit_of, count = np.empty(n, np.int64), np.empty(n, np.int64), np.zeros(m, np.int64)
    row_of = np.empty(first[m], np.int64)  # by unit
    scanned, scanned_at = np.empty(m, np.int64), np.empty(m)
    waiting, n_waiting = np.empty(n, np.int64), 0

    for b in range(blocks):
        for k in range(WIDTH):
            j = b * WIDTH + k
            price_of[b, k] = price[j] if j < m else FAR
            full[b, k] = 0.0 if j < m else FAR
            for axis in range(d):
                point[b, axis, k] = y[j, axis] if j < m else 0.0
    for i in range(n):
        all_costs(point, price_of, x[i], distance, nearest[i])
        least = minimum(nearest[i])
        b = find(nearest[i], least)
        k = find(distance[b], least)
        j = b * WIDTH + k
        column_of[i] = -1
        if count[j] < first[j + 1] - first[j]:
            move(i, j, column_of, unit_of, row_of, first, count)
            full[b, k] = 0.0 if count[j] < first[j + 1] - first[j] else FAR
        else:
            waiting[n_waiting] = i
            n_waiting += 1
            if n_waiting > patience:
                return np.full(n, -1)

    for q in range(n_waiting):
        copy(price_of, open_price)
        distance[:] = FAR
        block_least[:] = FAR
        n_scanned = 0
        limit, sink_block = FAR, -1  # the shortest path so far to a column with room
        rows, length, b, k = waiting[q : q + 1], 0.0, 0, 0
        while True:
            for i in rows:
                start = length - (cost(point, price_of, x[i], b, k) if column_of[i] >= 0 else 0.0)
                for c in range(blocks):
                    if start + nearest[i, c] < limit:
                        block_least[c], with_room = relax(point, open_price, full, distance, via, x[i], start, i, c)
                        if with_room < limit:
                            limit, sink_block = with_room, c
            length = minimum(block_least)
            if length >= limit:
                break
            b = find(block_least, length)
            k = find(distance[b], length)
            j = b * WIDTH + k
            scanned[n_scanned], scanned_at[n_scanned] = j, length
            n_scanned += 1
            distance[b, k] = open_price[b, k] = FAR
            block_least[b] = minimum(distance[b])
            rows = row_of[first[j] : first[j + 1]]
        for s in range(n_scanned):
            price_of[scanned[s] // WIDTH, scanned[s] % WIDTH] += limit - scanned_at[s]
        b, k = sink_block, 0
        while full[b, k] > 0.0 or distance[b, k] != limit:
            k += 1
        j = b * WIDTH + k
        full[b, k] = 0.0 if count[j] + 1 < first[j + 1] - first[j] else FAR
        while j >= 0:  # back along the path: each row moves on by one column, and the first row had none
            j = move(via[j // WIDTH, j % WIDTH], j, column_of, unit_of, row_of, first, count)
    for j in range(m):
        price[j] = price_of[j // WIDTH, j % WIDTH]
    return unit_of


@compiled
def spatial_order(points):
    """An order of the points (m, d) in which neighbours are near in space, and equal points adjoin.

    It follows a Morton curve of 12 bits per axis, on at most three axes.
    """
    axes = min(points.shape[1], 3)
    code = np.zeros(len(points), np.int64)
    for axis in range(axes):
        low, high = points[:, axis].min(), points[:, axis].max()
        scale = 4095 / (high - low) if high > low else 0.0
        for j in range(len(points)):
            cell = np.int64((points[j, axis] - low) * scale)
            for bit in range(12):
                code[j] |= ((cell >> bit) & 1) << (axes * bit + axis)
    return np.argsort(code, kind="mergesort")  # stable


@compiled
def thinned(order, column_of, step):
    """Every `step`-th row, in their `order`, and every `step`-th unit, in that of their columns: the rows, the columns
    that are left, and the first unit of each."""
    rows, units = order[step // 2 :: step], column_of[step // 2 :: step]
    columns, first = np.empty(len(units), np.int64), np.empty(len(units) + 1, np.int64)
    count = 0
    for k in range(len(units)):
        if k == 0 or units[k] != units[k - 1]:
            columns[count], first[count] = units[k], k
            count += 1
    first[count] = len(units)
    return rows, columns[:count], first[: count + 1]


@inlined
def patience(n, m):
    """How many of n rows may wait for one of m columns before it pays to look for better prices."""
    return int(np.sqrt(n * m) / 2) if n >= 128 else n


@compiled
def match_from_coarse_to_fine(x, y, price, first):
    """`match`, from better prices if those at hand are poor: the prices of a problem of half the size.

    Even prices that are right for the densities of x and y leave about sqrt(n m) / 2 rows waiting, because the number
    of rows near a column fluctuates; more are left if mass has to move further, and then paths are long.
    """
    n, m = len(x), len(y)
    unit = match(x, y, price, first, patience(n, m) if first[m] == n else n)
    if unit[0] >= 0:
        return unit
    order, column_of = spatial_order(x), np.empty(n, np.int64)
    for j in range(m):
        column_of[first[j] : first[j + 1]] = j
    step = 1
    while unit[0] < 0:  # coarser, until the prices at hand are good enough
        step *= 2
        rows, columns, first_unit = thinned(order, column_of, step)
        known = price[columns]
        unit = match(x[rows], y[columns], known, first_unit, patience(len(rows), len(columns)))
    while step > 1:  # finer: each column costs what the rows of the coarser problem would pay for it at most
        coarse = x[rows]
        paid = least_costs(coarse, in_one_block(y[columns]), np.expand_dims(known, 0))
        step //= 2
        rows, columns, first_unit = thinned(order, column_of, step)
        known = -least_costs(y[columns], in_one_block(coarse), np.expand_dims(-paid, 0))
        unit = match(x[rows], y[columns], known, first_unit, len(rows))
    for j in range(m):
        price[j] = known[j]
    found = np.empty(n, np.int64)
    for k in range(n):
        found[rows[k]] = unit[k]
    return found


@inlined
def in_one_block(points):
    """(m, d) -> (1, d, m), as `least_costs` takes them."""
    return np.expand_dims(points.T.copy(), 0)


class Columns(NamedTuple):
    """The distinct columns of y that have a capacity, in spatial order."""

    point: np.ndarray  # (g, d)
    head: np.ndarray  # (g,), one row of y that is this column
    first: np.ndarray  # (g + 1,), the units of column j are first[j] to first[j + 1] - 1
    unit: np.ndarray  # (units,), the row of y that each unit belongs to
    group: np.ndarray  # (m,), the column that each row of y is, -1 for none


def arrange(y: np.ndarray, capacity: np.ndarray) -> Columns:
    """Sort y (m, d), leave out what has no capacity (m,) and merge what is equal."""
    used = np.flatnonzero(capacity)
    order = used[spatial_order(y[used])]
    new = np.append(True, (y[order[1:]] != y[order[:-1]]).any(axis=1))
    start = np.flatnonzero(new)
    group = np.full(len(y), -1)
    group[order] = np.cumsum(new) - 1
    first = np.append(0, np.cumsum(np.add.reduceat(capacity[order], start)))
    return Columns(y[order[start]], order[start], first, np.repeat(order, capacity[order]), group)


def solve(x: np.ndarray, columns: Columns, duals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The row of y (n,) that each row of x (n, d) takes, and the optimal duals (m,).

    duals: (m,) finite numbers to start from, all equal where there are more than n units. Arrays are C-contiguous.
    """
    price = -duals[columns.head]
    unit = match_from_coarse_to_fine(x, columns.point, price, columns.first)
    return columns.unit[unit], np.where(columns.group >= 0, -price[columns.group], 0.0)
