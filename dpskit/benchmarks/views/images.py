"""Images of a structure with noise, beside points of the same views: how near the samples come."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from dpskit.cloud import Frame, resample
from dpskit.evaluation.alignment import rmsd_to_points
from dpskit.experiments.targets import Target
from dpskit.likelihoods.image import ProjectionImages
from dpskit.likelihoods.projection import Projections
from dpskit.likelihoods.protocol import Likelihood
from dpskit.markdown import markdown_table
from dpskit.priors.analytic import GaussianPrior
from dpskit.records import append_result, read_results
from dpskit.sampling.dps import DPS, LikelihoodScore
from dpskit.sampling.protocol import Guidance
from dpskit.sampling.sample import sample
from dpskit.sampling.schedule import karras_schedule

N_VIEWS, SIZE, VIEW_POINTS = 4, 64, 400
RATIOS = (1.0, 0.1)
POINTS = f"{VIEW_POINTS} points"
STD = 0.4  # of the Gaussian prior


def observe(target: Target, what: str) -> tuple[Likelihood, Guidance]:
    """Points of four views, or images of 64 x 64 pixels from the same orientations, and the guidance."""
    if what == POINTS:
        return Projections.observe(target.points, N_VIEWS, VIEW_POINTS, target.seed), DPS(60_000)
    snr = float(what.rpartition(" ")[2])
    frame = Frame((0.0, 0.0, 0.0), target.scale)  # the structure in the middle of its images
    images = ProjectionImages.observe(target.points, frame, N_VIEWS, SIZE, target.seed, snr=snr)
    return images, LikelihoodScore(STD)


def image_benchmark(
    targets: Sequence[Target], path: str | Path, n_points: int = 384, n_steps: int = 25
) -> Iterator[dict[str, Any]]:
    """Every target from points and from images; what the file at `path` holds is not computed again."""
    known = {(r["structure"], r["data"]): r for r in read_results(path)}
    for target in targets:
        truth, other = resample(target.points, 2 * n_points, 0).split(n_points)
        floor = float(rmsd_to_points(other, truth)) * target.scale
        for what in (POINTS, *(f"images, signal-to-noise {ratio:g}" for ratio in RATIOS)):
            if (target.name, what) not in known:
                data, guidance = observe(target, what)
                start = time.process_time()
                samples = sample(
                    GaussianPrior(0.0, STD),
                    data,
                    n_samples=1,
                    n_points=n_points,
                    schedule=karras_schedule(n_steps),
                    guidance=guidance,
                    progress=False,
                )
                seconds = time.process_time() - start
                rmsd = float(rmsd_to_points(samples.points[0], truth)) * target.scale
                record = {"structure": target.name, "data": what, "rmsd": rmsd, "floor": floor, "seconds": seconds}
                append_result(path, record)
                known[target.name, what] = record
            yield known[target.name, what]


def image_table(results: Sequence[dict[str, Any]]) -> str:
    """A line per structure and kind of data."""
    rows = [
        [r["structure"], r["data"], f"{r['rmsd']:.2f}", f"{r['floor']:.2f}", f"{r['seconds']:.1f}"] for r in results
    ]
    return markdown_table(["structure", "four views as", "RMSD (Å)", "floor (Å)", "CPU s"], rows)
