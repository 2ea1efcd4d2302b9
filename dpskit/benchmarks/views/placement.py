"""How often a part whose place is not known is found in views of the whole structure, with noise."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from dpskit.benchmarks.views.orientations import SYMMETRIC
from dpskit.evaluation.alignment import rmsd_to_points
from dpskit.experiments.scenarios import Scenario
from dpskit.experiments.targets import Target
from dpskit.likelihoods.placement import place, placement_ratios
from dpskit.likelihoods.projection import Projections
from dpskit.likelihoods.subunit import Subunit
from dpskit.markdown import markdown_table
from dpskit.records import append_result, read_results
from dpskit.rotations import angles_between, fitted_rotation, random_rotations
from dpskit.sampling.placements import find_placements
from dpskit.transport.assignment import assign

VIEWS, VIEW_POINTS, PART_POINTS = (5, 3), 400, 256
NOISE = 2.0  # angstrom
NEAR = (10.0, 10.0)  # degrees and angstrom


def placement_errors(points: Tensor, part: Tensor, found: Tensor, truth: Tensor, floor: float) -> tuple[float, float]:
    """Degrees, and the distance of the centres, between placements (4, 3) of a part (l, 3) in an object (n, 3).

    The motion that leads from the true place to the one found is changed to where it brings the object nearest to
    itself. If its RMSD from itself is there at most 1.5 times the `floor`, that of another fit of the object, it is a
    symmetry, and the errors are counted from where it brings the part, if they are less.
    """
    turn = truth[:3].T @ found[:3]
    motion = torch.cat([turn, found[3:] - truth[3:] @ turn])
    for _ in range(10):  # iterated closest points
        index = assign(place(points, motion)[None], points).index[0]
        motion = _superposition(points, points[index])
    places = [truth]
    if float(rmsd_to_points(place(points, motion), points)) <= SYMMETRIC * floor:
        places.append(torch.cat([truth[:3] @ motion[:3], place(truth[3:], motion)]))
    away = [float((place(part, found).mean(dim=0) - place(part, one).mean(dim=0)).norm()) for one in places]
    degrees = [float(angles_between(found[:3], one[:3])) for one in places]
    return min(zip(degrees, away, strict=True))


def _superposition(x: Tensor, y: Tensor) -> Tensor:
    """The motion (4, 3) that brings points x (n, 3) nearest to their partners y (n, 3)."""
    turn = fitted_rotation(x - x.mean(dim=0), y - y.mean(dim=0))
    return torch.cat([turn, (y.mean(dim=0) - x.mean(dim=0) @ turn)[None]])


def try_placement(target: Target, n_views: int, noise: float = NOISE) -> dict[str, Any]:
    """One structure: errors of the hypotheses, how much more likely the first is than the truth, CPU seconds.

    The part is a cluster of the points, moved at random; every view shows another fit of the structure, with noise.
    """
    scenario = Scenario("views", n_views, VIEW_POINTS, sigma=noise, anew=True)
    views = cast(Projections, scenario.observe(target.points, target.seed, scale=target.scale, draw=target.draw))
    known = Subunit.observe(target.points, PART_POINTS, target.seed).points
    turn = random_rotations(1, target.seed)[0]
    part, truth = (known - known.mean(dim=0)) @ turn.T, torch.cat([turn, known.mean(dim=0)[None]])
    start = time.process_time()
    found = find_placements(views, Subunit(part, placed=False), len(target.points))
    seconds = time.process_time() - start
    floor = float(rmsd_to_points(target.draw(0), target.points))
    errors = [placement_errors(target.points, part, one, truth, floor) for one in found.rotations]
    both = torch.stack([found.rotations[0], truth])
    ratios = placement_ratios(views.points, views.rotations, part, len(target.points), both)
    return {
        "structure": target.name,
        "views": n_views,
        "noise": noise,
        "points": len(part),
        "errors": [[degrees, away * target.scale] for degrees, away in errors],
        "weights": [] if found.weights is None else found.weights.tolist(),
        "gain": float(ratios[0] - ratios[1]),
        "seconds": seconds,
    }


def placement_benchmark(targets: Sequence[Target], path: str | Path) -> Iterator[dict[str, Any]]:
    """All structures with five and with three views; what the file of JSON lines at `path` holds is not computed
    again."""
    known = {(r["structure"], r["views"]): r for r in read_results(path)}
    for n_views in VIEWS:
        for target in targets:
            if (target.name, n_views) not in known:
                known[target.name, n_views] = try_placement(target, n_views)
                append_result(path, known[target.name, n_views])
            yield known[target.name, n_views]


def placement_table(results: Sequence[dict[str, Any]]) -> str:
    """A line per structure and number of views, and a count of the right ones for each number."""
    rows, counts = [], []
    for r in results:
        right = [degrees <= NEAR[0] and away <= NEAR[1] for degrees, away in r["errors"]]
        number = str(right.index(True) + 1) if any(right) else "none"
        degrees, away = r["errors"][right.index(True) if any(right) else 0]
        cells = [f"{r['weights'][0]:.2f}", f"{degrees:.1f}°, {away:.1f} Å", f"{r['gain']:+.1f}", f"{r['seconds']:.1f}"]
        rows.append([r["structure"], str(r["views"]), str(r["points"]), number, *cells])
        counts.append((r["views"], right[0], any(right)))
    head = ["structure", "views", "points of the part", "right hypothesis", "weight of the first", "off by"]
    table = markdown_table([*head, "log ratio of the first to the truth", "CPU s"], rows)
    for n_views in dict.fromkeys(views for views, _, _ in counts):
        some = [(first, one) for views, first, one in counts if views == n_views]
        first, one = (sum(column) for column in zip(*some, strict=True))
        table += f"\n\n{n_views} views: the first is right in {first} of {len(some)}, one of all in {one}."
    return table
