"""How often `check_views` names a mistake that was planted, and how often it warns of none."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from dpskit.data.check_views import check_views
from dpskit.experiments.scenarios import Scenario
from dpskit.experiments.targets import Target
from dpskit.likelihoods.coarse import CoarseGrained
from dpskit.likelihoods.joint import Joint
from dpskit.likelihoods.projection import Projections
from dpskit.markdown import markdown_table
from dpskit.records import append_result, read_results
from dpskit.rotations import random_rotations

N_VIEWS, N_POINTS = 4, 800
SHIFT = 25.0  # angstrom
NOISE = 2.0  # angstrom
COARSE = 40  # points of a coarse structure

Plant = Callable[[Projections, int, Target, Target], Projections | Joint]
"""plant(views, k, target, another target) -> the views with a mistake, in view k if it concerns one, or beside them a
coarse structure with one."""


def _with_view(views: Projections, k: int, points: Tensor) -> Projections:
    return Projections([*views.points[:k], points, *views.points[k + 1 :]], views.rotations)


def _mirrored(views: Projections, k: int, target: Target, other: Target) -> Projections:
    return Projections([y * torch.tensor([1.0, -1.0]) for y in views.points], views.rotations)


def _transposed(views: Projections, k: int, target: Target, other: Target) -> Projections:
    return Projections(views.points, views.rotations.mT)


def _shifted(views: Projections, k: int, target: Target, other: Target) -> Projections:
    angle = 0.7 * target.seed
    direction = torch.tensor([math.cos(angle), math.sin(angle)])
    return _with_view(views, k, views.points[k] + SHIFT / target.scale * direction)


def _one_mirrored(views: Projections, k: int, target: Target, other: Target) -> Projections:
    return _with_view(views, k, views.points[k] * torch.tensor([1.0, -1.0]))


def _magnified(factor: float) -> Plant:
    return lambda views, k, target, other: _with_view(views, k, factor * views.points[k])


def _foreign(views: Projections, k: int, target: Target, other: Target) -> Projections:
    """View k of the other structure, in angstrom as large as it is."""
    seen = Projections.observe(other.points, 1, len(views.points[k]), other.seed).points[0]
    return _with_view(views, k, seen * (other.scale / target.scale))


def _beside_coarse(change: Callable[[Tensor, int], Tensor]) -> Plant:
    """The right views, and a coarse structure of `COARSE` points that was changed by change(points, seed), about their
    mean."""

    def plant(views: Projections, k: int, target: Target, other: Target) -> Joint:
        coarse = CoarseGrained.observe(target.points, COARSE, target.seed).points
        mean = coarse.mean(dim=0)
        return Joint([views, CoarseGrained(change(coarse - mean, target.seed) + mean)])

    return plant


MISTAKES: dict[str, tuple[Plant | None, str, bool]] = {
    "nothing wrong": (None, "", False),
    "all transposed": (_transposed, "transposed", False),
    "all mirrored": (_mirrored, "mirrored", False),
    "one shifted by 25 Å": (_shifted, "shift", True),
    "one 1.25 times as large": (_magnified(1.25), "pixel size", True),
    "one 1.15 times as large": (_magnified(1.15), "pixel size", True),
    "one 1.1 times as large": (_magnified(1.1), "pixel size", True),
    "one of another structure": (_foreign, "structure", True),
    "one mirrored": (_one_mirrored, "mirrored", True),
    "nothing wrong, a coarse structure": (_beside_coarse(lambda x, seed: x), "", False),
    "a coarse structure from a corner": (_beside_coarse(lambda x, seed: x + 1), "shift", False),
    "a coarse structure 1.3 times as large": (_beside_coarse(lambda x, seed: 1.3 * x), "pixel size", False),
    "a coarse structure turned": (
        _beside_coarse(lambda x, seed: x @ random_rotations(1, seed)[0]),
        "orientation",
        False,
    ),
    "a coarse structure mirrored": (_beside_coarse(lambda x, seed: -x), "mirrored", False),
}
"""What is planted, the kind of its warning, and whether it concerns one view."""


def observe(target: Target, trial: int, noise: float | None) -> Projections:
    """Four views of 800 points. noise: in angstrom, and each view shows points of another fit of the structure; None:
    all show the same points, without noise."""
    scenario = Scenario("views", N_VIEWS, N_POINTS, sigma=noise, anew=noise is not None)
    return cast(Projections, scenario.observe(target.points, trial, scale=target.scale, draw=target.draw))


def mistake_benchmark(
    targets: Sequence[Target], path: str | Path, n_trials: int = 20, seed: int = 0
) -> Iterator[dict[str, Any]]:
    """Every mistake in every trial; what the file of JSON lines at `path` holds is not computed again.

    Trial j takes the structures j and j + 1, in turn, and orientations of its own. A record says whether the warnings
    are right: that of the mistake, of the right view, and no other.
    """
    keys = ("structure", "other", "trial", "seed", "noise", "planted")
    known = {tuple(r[key] for key in keys): r for r in read_results(path)}
    for noise in (None, NOISE):
        for trial in range(n_trials):
            target, other = targets[trial % len(targets)], targets[(trial + 1) % len(targets)]
            views, k = None, trial % N_VIEWS
            for name, (plant, kind, single) in MISTAKES.items():
                key = (target.name, other.name, trial, seed, noise, name)
                if key not in known:
                    views = observe(target, seed + trial, noise) if views is None else views
                    found = check_views(views if plant is None else plant(views, k, target, other), target.frame)
                    named = [[warning.kind, warning.view] for warning in found]
                    wanted = [[kind, k if single else None]] if kind else []
                    known[key] = dict(zip(keys, key, strict=True)) | {"named": named, "right": named == wanted}
                    append_result(path, known[key])
                yield known[key]


def mistake_table(results: Sequence[dict[str, Any]]) -> str:
    """A line per mistake: in how many trials the warning is right."""

    def count(name: str, noise: float | None) -> str:
        some = [r["right"] for r in results if r["planted"] == name and r["noise"] == noise]
        return f"{sum(some)} of {len(some)}"

    rows = [[name, count(name, None), count(name, NOISE)] for name in MISTAKES]
    head = ["planted", "named, as the paper projects", f"named, points drawn anew and noise of {NOISE:g} Å"]
    return markdown_table(head, rows)
