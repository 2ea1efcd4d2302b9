"""The strength of guidance that suits a prior, found on targets that are not those of the table."""

from __future__ import annotations

import math
from collections.abc import Callable

from dpskit.checks import check_number

FACTOR = 1.5
COARSE = 3
FARTHEST = 18


def best_alpha(error: Callable[[float], float], start: float) -> float:
    """The alpha with the least error on the grid start x 1.5^k.

    Walks from `start` in strides of 1.5^3, to where the error rises on both sides, then in single strides; at most
    1.5^18 (1,500) away. error: taken to have one minimum; each alpha is asked for once. Raises ValueError for a start
    that is not above 0.
    """
    start = check_number("start", start, above=0.0)
    known: dict[int, float] = {}

    def at(k: int) -> float:
        if abs(k) > FARTHEST:
            return math.inf
        if k not in known:
            found = error(start * FACTOR**k)
            known[k] = found if math.isfinite(found) else math.inf
        return known[k]

    k = 0
    for stride in (COARSE, 1):
        better = min((k, k + stride, k - stride), key=at)
        while better != k:
            step, k = better - k, better
            better = min((k, k + step), key=at)
    return start * FACTOR**k
