"""How often unknown orientations of complexes are found, and what not knowing them costs."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dpskit.cloud import resample
from dpskit.evaluation.alignment import rmsd_to_points
from dpskit.evaluation.superposition import superpose
from dpskit.experiments.targets import Target
from dpskit.likelihoods.projection import Projections
from dpskit.markdown import markdown_table
from dpskit.priors.analytic import GaussianPrior
from dpskit.records import append_result, read_results
from dpskit.rotations import angles_between, fitted_rotation, rotations_by
from dpskit.sampling.dps import DPS
from dpskit.sampling.sample import sample
from dpskit.sampling.schedule import karras_schedule
from dpskit.transport.assignment import assign

NEAR = 10.0  # degrees
KNOWN, ONE, ROUGH, NONE = "all known", "one unknown", "known to 10 degrees", "none known"
CASES = {
    f"{known}, {word} views": count
    for word, count in (("four", 4), ("eight", 8))
    for known in (KNOWN, ONE, ROUGH, NONE)
}
"""What is known of the orientations, and the number of views."""

MIRROR = torch.diag(torch.tensor([-1.0, -1.0, 1.0]))
SYMMETRIC = 1.5  # times the RMSD of a second fit, up to which a turned structure counts as itself


@dataclass(frozen=True)
class OrientationSettings:
    """n_points: of a sample; view_points: of a view; n_steps, alpha and std: of DPS with a Gaussian prior."""

    n_points: int = 512
    view_points: int = 400
    n_steps: int = 25
    alpha: float = 200_000.0
    std: float = 0.4


def hide(data: Projections, case: str, seed: int) -> Projections:
    """The views with what the case leaves known of their orientations."""
    rotations = data.rotations.clone()
    if case.startswith(KNOWN):
        return data
    if case.startswith(ONE):
        rotations[-1] = torch.nan
        return Projections(data.points, rotations)
    if case.startswith(ROUGH):
        generator = torch.Generator().manual_seed(seed)
        axis = torch.nn.functional.normalize(torch.randn(len(rotations), 3, generator=generator), dim=1)
        angle = math.radians(NEAR) * torch.rand(len(rotations), 1, generator=generator)
        angle[0] = 0.0
        return Projections(data.points, rotations @ rotations_by(angle * axis), tolerance=NEAR)
    return Projections(data.points)


def orientation_errors(points: Tensor, found: Tensor, truth: Tensor, floor: float) -> Tensor:
    """Degrees between orientations (k, 3, 3) found and true, up to the symmetries of the object `points` (n, 3).

    The rotation that leads from one to the other is turned to where the object is nearest to itself. If its RMSD from
    itself is there at most 1.5 times the `floor`, that of another fit of the object, it is a symmetry, and the error is
    counted from it.
    """
    errors = []
    for one, other in zip(found, truth, strict=True):
        turn = one @ other.T
        nearest = _nearest_symmetry(points, turn)
        same = float(rmsd_to_points(points @ nearest, points)) <= SYMMETRIC * floor
        errors.append(
            torch.minimum(angles_between(turn, nearest if same else torch.eye(3)), angles_between(one, other))
        )
    return torch.stack(errors)


def free_errors(points: Tensor, found: Tensor, truth: Tensor, floor: float) -> Tensor:
    """The errors (k - 1,) of all orientations but one, where none was known: up to the hand and a common rotation.

    The common rotation is that which brings one of the views to its true orientation, and the hand and this view are
    those with which the others are least wrong.
    """
    errors = []
    for hand in (found, MIRROR @ found @ MIRROR):
        for k in range(len(truth)):
            rest = [j for j in range(len(truth)) if j != k]
            one, other = (rotations[k].T @ rotations[rest] for rotations in (hand, truth))
            errors.append(orientation_errors(points @ truth[k], one, other, floor))
    return min(errors, key=lambda e: float(e.sum()))


def _nearest_symmetry(points: Tensor, turn: Tensor) -> Tensor:
    """The rotation (3, 3) near `turn` that brings `points` nearest to themselves: iterated closest points."""
    for _ in range(10):
        index = assign((points @ turn).unsqueeze(0), points).index[0]
        turn = fitted_rotation(points, points[index])
    return turn


def try_orientations(target: Target, case: str, settings: OrientationSettings, seed: int = 0) -> dict[str, Any]:
    """One structure, in one case: degrees of the searched views, RMSD in angstrom, CPU seconds of the sample."""
    data = Projections.observe(target.points, CASES[case], settings.view_points, target.seed)
    start = time.process_time()
    samples = sample(
        GaussianPrior(0.0, settings.std),
        hide(data, case, target.seed),
        n_samples=1,
        n_points=settings.n_points,
        schedule=karras_schedule(settings.n_steps),
        guidance=DPS(settings.alpha),
        seed=seed,
        progress=False,
    )
    seconds = time.process_time() - start
    truth, other = resample(target.points, 2 * settings.n_points, 0).split(settings.n_points)
    model, floor = samples.points[0], float(rmsd_to_points(other, truth))
    result = {"structure": target.name, "case": case, "seconds": seconds, "floor": floor * target.scale}
    if case.startswith(NONE) and samples.rotations is not None:
        result["degrees"] = free_errors(truth, samples.rotations[0], data.rotations, floor).tolist()
        rmsd = min(float(rmsd_to_points(superpose(one, truth), truth)) for one in (model, -model))
    else:
        rmsd = float(rmsd_to_points(model, truth))
        last = len(data.points) - 1
        searched = [] if case.startswith(KNOWN) else [last] if case.startswith(ONE) else list(range(1, last + 1))
        found = data.rotations if samples.rotations is None else samples.rotations[0]
        result["degrees"] = (
            orientation_errors(truth, found[searched], data.rotations[searched], floor).tolist() if searched else []
        )
        result["from_symmetry"] = bool(searched) and bool(
            (angles_between(found[searched], data.rotations[searched]).mean() - torch.tensor(result["degrees"]).mean())
            > 1
        )
    return result | {"rmsd": rmsd * target.scale}


def orientation_benchmark(
    targets: Sequence[Target], settings: OrientationSettings, path: str | Path, cases: Sequence[str] = tuple(CASES)
) -> Iterator[dict[str, Any]]:
    """All structures in all cases; what the file of JSON lines at `path` holds is not computed again."""
    known = {(r["structure"], r["case"]): r for r in read_results(path)}
    for case in cases:
        for target in targets:
            key = (target.name, case)
            if key not in known:
                known[key] = try_orientations(target, case, settings)
                append_result(path, known[key])
            yield known[key]


def orientation_table(results: Sequence[dict[str, Any]]) -> str:
    """A line per case: how many structures within 10 degrees, the errors in order, RMSD, seconds."""
    rows = []
    for case in CASES:
        some = [r for r in results if r["case"] == case]
        if not some:
            continue
        means = sorted(sum(r["degrees"]) / len(r["degrees"]) for r in some if r["degrees"])
        near = f"{sum(e <= NEAR for e in means)} of {len(means)}" if means else "–"
        median = f"{means[len(means) // 2]:.1f}" if means else "–"
        rmsd, floor, seconds = (sum(r[k] for r in some) / len(some) for k in ("rmsd", "floor", "seconds"))
        values = [near, median, ", ".join(f"{e:.0f}" for e in means), f"{rmsd:.2f}", f"{floor:.2f}", f"{seconds:.1f}"]
        rows.append([case, *values])
    head = ["orientations", "within 10°", "median °", "all, °", "RMSD (Å)", "floor (Å)", "CPU s per sample"]
    return markdown_table(head, rows)
