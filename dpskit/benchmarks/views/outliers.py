"""Views in which some points are no projections of the structure: what they cost, and what trimming saves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch

from dpskit.cloud import resample
from dpskit.evaluation.alignment import rmsd_to_points
from dpskit.experiments.targets import Target
from dpskit.likelihoods.projection import Projections
from dpskit.markdown import markdown_table
from dpskit.priors.analytic import GaussianPrior
from dpskit.sampling.dps import DPS
from dpskit.sampling.sample import sample
from dpskit.sampling.schedule import karras_schedule

N_VIEWS, VIEW_POINTS = 4, 400
STD, ALPHA = 0.4, 60_000
SHARE = 0.1  # of the points of a view, anywhere in the square or in one spot of it
KINDS = ("none", "anywhere", "one spot")
SPOT = 0.05


def plant(views: Projections, kind: str, seed: int) -> Projections:
    """The views with a tenth of their points moved: "anywhere" in the square, or to "one spot" of each view."""
    generator = torch.Generator().manual_seed(seed)
    points = []
    for y in views.points:
        count = 0 if kind == "none" else round(SHARE * len(y))
        places = 2 * torch.rand(count, 2, generator=generator) - 1
        if kind == "one spot":
            places = places[:1] + SPOT * torch.randn(count, 2, generator=generator)
        points.append(torch.cat([y[count:], places]))
    return replace(views, points=points)


def outlier_benchmark(
    targets: Sequence[Target], n_samples: int = 2, n_points: int = 384, n_steps: int = 25
) -> Iterator[dict[str, Any]]:
    """Every target with each kind of outliers, not trimmed and trimmed."""
    for target in targets:
        truth, other = resample(target.points, 2 * n_points, 0).split(n_points)
        floor = float(rmsd_to_points(other, truth)) * target.scale
        views = Projections.observe(target.points, N_VIEWS, VIEW_POINTS, target.seed)
        for kind in KINDS:
            record = {"structure": target.name, "outliers": kind, "floor": floor}
            for trimmed in (0.0, SHARE):
                samples = sample(
                    GaussianPrior(0.0, STD),
                    replace(plant(views, kind, target.seed), trimmed=trimmed),
                    n_samples=n_samples,
                    n_points=n_points,
                    schedule=karras_schedule(n_steps),
                    guidance=DPS(ALPHA),
                    progress=False,
                )
                found = [float(rmsd_to_points(points, truth)) for points in samples.points]
                record[f"trimmed {trimmed:g}"] = target.scale * sum(found) / len(found)
            yield record


def outlier_table(results: Sequence[dict[str, Any]]) -> str:
    """A line per structure and kind of outliers."""
    columns = ("trimmed 0", f"trimmed {SHARE:g}", "floor")
    rows = [[r["structure"], r["outliers"], *(f"{r[name]:.2f}" for name in columns)] for r in results]
    head = ["structure", f"{SHARE:.0%} outliers", "RMSD (Å)", f"trimmed={SHARE:g}", "floor (Å)"]
    return markdown_table(head, rows)
