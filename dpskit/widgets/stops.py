"""What the sliders of the panel may be set to."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

DIGITS = (1, 1.5, 2, 3, 4, 5, 6, 8)
ALPHAS = (0, *(round(digit * 10**k) for k, digit in itertools.product(range(1, 6), DIGITS)), 1_000_000)
"""Stops of the slider, nearly even in their logarithms."""
POINTS = (256, 512, 1024)
VIEW_POINTS = (50, 100, 150, 200, 300, 400, 500, 600, 800, 900, 1024)
SHARES = {1 / 16: "1/16", 1 / 8: "1/8", 1 / 4: "1/4", 3 / 8: "3/8", 1 / 2: "1/2", 3 / 4: "3/4"}

COUNTS = {  # label, least, most, step
    "n_views": ("projections", 1, 10, 1),
    "coarse_points": ("coarse points", 5, 100, 5),
    "n_steps": ("steps", 5, 100, 5),
    "n_samples": ("samples", 1, 10, 1),
    "seed": ("seed", 0, 50, 1),
}


@dataclass(frozen=True)
class Stops:
    """What a slider may be set to that has no even steps, and how a value is written."""

    label: str
    values: Sequence[float]
    text: Callable[[float], str]

    def options(self, values: Iterable[float]) -> list[tuple[str, float]]:
        """The values in order, each with its text."""
        return [(self.text(value), value) for value in sorted(values)]


STOPS = {
    "alpha": Stops("pull α", [float(alpha) for alpha in ALPHAS], "{:,.0f}".format),
    "view_points": Stops("points in each", VIEW_POINTS, "{:,}".format),
    "share": Stops("known part of the points", tuple(SHARES), lambda share: SHARES.get(share, f"{share:.0%}")),
    "n_points": Stops("model points", POINTS, "{:,}".format),
}
