"""Compiled loops of `placement`: how likely the views make placements of a part."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dpskit.transport.solver import compiled, inlined

Array = Any  # NumPy's, whose types the compiler takes from each call
N_KEPT = 8  # shifts of each rotation
PLACES = 16  # of a point in a cell, along each axis
ZERO, THIRD, FIFTH, HALF, ONE, SIXTEEN = np.array(
    [0, 1 / 3, 1 / 5, 1 / 2, 1, 16], np.float32
)  # the loops stay in float32
SMALLEST = np.float32(0.02)  # that the density at an observed point can become, where it is 1 without the part


@inlined
def logarithm(x: float) -> float:
    """To 1e-4 for x in [0.02, 50], in operations that LLVM vectorises: 8 log x^(1/8)."""
    root = math.sqrt(math.sqrt(math.sqrt(x)))
    t = (root - ONE) / (root + ONE)
    return SIXTEEN * t * (ONE + t * t * (THIRD + t * t * FIFTH))


@inlined
def project(part: Array, rotation: Array, matrix: Array, seen: Array) -> None:
    """What a view shows of the part in this rotation, into `seen` (l, 2)."""
    for a in range(2):
        for i in range(len(part)):
            seen[i, a] = ZERO
            for c in range(3):
                turned = rotation[c, 0] * matrix[0, a] + rotation[c, 1] * matrix[1, a] + rotation[c, 2] * matrix[2, a]
                seen[i, a] += part[i, c] * turned


@compiled
def spread(seen: Array, x: float, y: float, low: float, cell: float, width: float, grid: Array) -> None:
    """The density of points (l, 2), moved by (x, y), as Gaussians of this width, into `grid`."""
    reach = int(2.5 * width / cell) + 1
    size = 2 * reach + 1
    table = np.empty((PLACES, size), np.float32)
    for s in range(PLACES):
        for a in range(size):
            away = cell * (a - reach - (s + 0.5) / PLACES + 0.5) / width
            table[s, a] = math.exp(-away * away / 2) / (math.sqrt(2 * math.pi) * width)
    grid[:] = ZERO
    for p in range(len(seen)):
        u, v = (seen[p, 0] + x - low) / cell + HALF, (seen[p, 1] + y - low) / cell + HALF
        i, j = int(u), int(v)
        across, along = table[int((u - i) * PLACES)], table[int((v - j) * PLACES)]
        i, j = i - reach, j - reach
        if i >= 0 and j >= 0 and i + size <= len(grid) and j + size <= len(grid):
            for a in range(size):
                for b in range(size):
                    grid[i + a, j + b] += across[a] * along[b]


@compiled
def log_ratios(
    part: Array,
    placements: Array,
    matrices: Array,
    points: Array,
    begins: Array,
    densities: Array,
    n: float,
    low: float,
    cell: float,
    narrow: float,
    wide: float,
) -> Array:
    """The log likelihood ratios (h,) of placements (h, 4, 3)."""
    g, small = densities.shape[1], HALF * narrow
    own = np.empty((int(g * cell / small) + 1, int(g * cell / small) + 1), np.float32)
    taken, rest = np.empty((g, g), np.float32), np.empty((g, g), np.float32)
    seen, found = np.empty((len(part), 2), np.float32), np.zeros(len(placements), np.float32)
    for h in range(len(placements)):
        for k in range(len(matrices)):
            project(part, placements[h], matrices[k], seen)
            x = y = ZERO
            for c in range(3):
                x += placements[h, 3, c] * matrices[k, c, 0]
                y += placements[h, 3, c] * matrices[k, c, 1]
            spread(seen, x, y, low, small, narrow, own)
            spread(seen, x, y, low, cell, wide, taken)
            left = ZERO
            for i in range(g):
                for j in range(g):
                    rest[i, j] = max(densities[k, i, j] - taken[i, j], ZERO)
                    left += rest[i, j]
            scale = (n - len(part)) / max(left * cell * cell, 1e-6)
            for p in range(begins[k], begins[k + 1]):
                u, v = (points[p, 0] - low) / cell, (points[p, 1] - low) / cell
                i, j = int(u), int(v)
                u, v = u - i, v - j
                before = after = 0.0
                for a in range(2):
                    for b in range(2):
                        share = (u if a else 1 - u) * (v if b else 1 - v)
                        before += share * densities[k, i + a, j + b]
                        after += share * rest[i + a, j + b]
                i, j = int((points[p, 0] - low) / small + HALF), int((points[p, 1] - low) / small + HALF)
                found[h] += math.log((own[i, j] + scale * after) / before + SMALLEST)
    return found


@compiled
def scan(
    part: Array,
    rotations: Array,
    shifts: Array,
    matrices: Array,
    counts: Array,
    densities: Array,
    inside: Array,
    n: float,
    low: float,
    cell: float,
    narrow: float,
    wide: float,
) -> tuple[Array, Array]:
    """Of each rotation the `N_KEPT` best of the shifts: rough ratios (r, N_KEPT) and indices (r, N_KEPT).

    Every view is compared with the part at every cell, and a shift has the sum over the views.
    """
    g, half = densities.shape[1], int(math.sqrt((part * part).sum(axis=1).max()) / cell) + int(2.5 * wide / cell) + 2
    size = 2 * half + 1
    own, taken = np.empty((size, size), np.float32), np.empty((size, size), np.float32)
    seen, ratios = np.empty((len(part), 2), np.float32), np.empty((len(matrices), g, g), np.float32)
    scores = np.full((len(rotations), N_KEPT), np.float32(-1e9))
    best = np.zeros((len(rotations), N_KEPT), np.int64)
    for r in range(len(rotations)):
        for k in range(len(matrices)):
            project(part, rotations[r], matrices[k], seen)
            spread(seen, ZERO, ZERO, -half * cell, cell, narrow, own)
            spread(seen, ZERO, ZERO, -half * cell, cell, wide, taken)
            every = counts[k].sum()
            for x in range(half, g - half):
                for y in range(half, g - half):
                    if inside[k, x, y]:
                        beyond = ratio = within = ZERO
                        for a in range(size):
                            for b in range(size):
                                beyond += max(taken[a, b] - densities[k, x - half + a, y - half + b], ZERO)
                        scale = np.float32((n - len(part)) / (n - len(part) + beyond * cell * cell))
                        for a in range(size):
                            for b in range(size):
                                density = densities[k, x - half + a, y - half + b]
                                count = counts[k, x - half + a, y - half + b]
                                after = own[a, b] + scale * max(density - taken[a, b], ZERO)
                                ratio += count * logarithm(after / max(density, SMALLEST) + SMALLEST)
                                within += count
                        ratios[k, x, y] = ratio + (every - within) * math.log(scale)
        for s in range(len(shifts)):
            total = ZERO
            for k in range(len(matrices)):
                x = y = -low
                for c in range(3):
                    x += shifts[s, c] * matrices[k, c, 0]
                    y += shifts[s, c] * matrices[k, c, 1]
                total += ratios[k, int(x / cell + HALF), int(y / cell + HALF)]
            worst = scores[r].argmin()
            if total > scores[r, worst]:
                scores[r, worst], best[r, worst] = total, s
    return scores, best
