"""How well a prior samples: the row of the paper's Table 3, and how far the samples are from the training clouds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dpskit.cloud import normalise, resample
from dpskit.data.packed import read_packed
from dpskit.evaluation.distances import chamfer_distance, earth_movers_distance
from dpskit.evaluation.nearest import describe_nearest, nearest_distances, pose_distance
from dpskit.evaluation.sets import SetMetrics, distance_matrix, set_metrics
from dpskit.evaluation.thickness import thickness
from dpskit.experiments.prior_samples import T_MAX, SampleSettings, draw_samples, weights_digest
from dpskit.priors.edm import DiffusionPrior
from dpskit.training.augment import orient
from dpskit.training.data import draw_probability

TABLE_3 = {
    "chairs": ("ShapeNet-Chair", SetMetrics(0.7834, 0.4489, 0.2711), SetMetrics(0.4780, 0.6023, 0.2297)),
    "shapes": ("ShapeNet-Mixed", SetMetrics(0.6676, 0.4459, 0.2483), SetMetrics(0.4591, 0.5541, 0.2063)),
    "complexes": ("CryoStruct", SetMetrics(0.5429, 0.4238, 0.1868), SetMetrics(0.4494, 0.5305, 0.1813)),
}
"""The paper's Table 3, Chamfer distance: data set, diffusion prior, training set; by how the name of a prior begins."""

BLUR = 0.05
"""Of the control: real training clouds, made unsharp."""


@dataclass(frozen=True)
class PriorResult:
    """What was measured against the test clouds: metrics by distance ("CD", "EMD") of samples and of a training subset.

    nearest: Chamfer distances from the nearest training cloud in the best pose, of the samples, of the test clouds, and
    of training clouds drawn again ("redrawn"), which is what copies would have. thickness: of samples, test clouds and
    blurred clouds, the mean over the clouds.
    """

    prior: str
    digest: str
    orientation: str
    settings: SampleSettings
    n_test: int
    samples: dict[str, SetMetrics]
    training: dict[str, SetMetrics]
    blurred: dict[str, SetMetrics]
    thickness: dict[str, float]
    nearest: dict[str, list[float]]


def reference_clouds(path: str | Path, argument: str, split: str) -> tuple[list[Tensor], Tensor]:
    """The clouds of a packed npz file, each scaled to the cube, and the probability with which each is drawn.

    Only those of the `split`, if any is marked so. As in training, redundant ones have at most a quarter of the draws.
    """
    packed = read_packed(path, argument)
    chosen = packed.of_split(split)
    rows = zip(packed.clouds(), chosen, strict=True)
    clouds = [normalise(cloud.points)[0] for cloud, keep in rows if keep]
    redundant = torch.from_numpy(packed.redundant.astype(bool)[chosen])
    return clouds, draw_probability(redundant, torch.from_numpy(packed.weight[chosen]))


def random_set(
    clouds: list[Tensor], weight: Tensor, count: int, n_points: int, orientation: str, generator: torch.Generator
) -> Tensor:
    """`count` different clouds of `n_points` random points each, (count, n_points, 3), oriented as in training."""
    rows = torch.multinomial(weight, count, generator=generator).tolist()
    chosen = torch.stack([resample(clouds[k], n_points, generator) for k in rows])
    return orient(chosen, orientation, generator)


def benchmark_prior(
    prior: DiffusionPrior, train: str | Path, test: str | Path, settings: SampleSettings, folder: str | Path
) -> tuple[PriorResult, Tensor]:
    """Sample the prior, and compare with the clouds of two packed npz files; returns the samples too.

    As many test clouds and training clouds as samples are drawn at random (fewer of everything if there are fewer test
    clouds), `n_points` points of each, oriented as the prior's training clouds were, by its card. Poses matter: upright
    references are told from samples in random poses at once, and between turned clouds the measures are nearly blind.
    `blurred`, training clouds with normal noise of standard deviation 0.05 on every point, shows what the measures see.
    """
    orientation = prior.orientation
    known, weight = reference_clouds(train, "train", "train")
    held_out, even = reference_clouds(test, "test", "test")
    count = min(settings.n_samples, len(held_out), len(known))
    samples, _ = draw_samples(prior, replace(settings, n_samples=count), folder)
    generator = torch.Generator().manual_seed(settings.seed)
    draw = partial(random_set, count=count, n_points=settings.n_points, orientation=orientation, generator=generator)
    reference, training = draw(held_out, even), draw(known, weight)
    blurred = draw(known, weight)
    blurred = blurred + BLUR * torch.randn(blurred.shape, generator=generator)
    metrics: dict[str, list[SetMetrics]] = {}
    for name, distance, k in (("CD", chamfer_distance, count), ("EMD", earth_movers_distance, settings.emd_clouds)):
        within = distance_matrix(reference[:k], None, distance)
        metrics[name] = [set_metrics(x[:k], reference[:k], distance, within) for x in (samples, training, blurred)]
    parts = [resample(cloud, settings.n_points, generator) for cloud in known]
    near, _ = nearest_distances(torch.cat([samples, reference]), parts, orientation=orientation)
    nearest = {"samples": near[:count].tolist(), "test": near[count:].tolist()}
    nearest["redrawn"] = _redrawn(known, parts, settings, orientation, generator)
    result = PriorResult(
        prior.name,
        weights_digest(prior),
        orientation,
        settings,
        count,
        {name: rows[0] for name, rows in metrics.items()},
        {name: rows[1] for name, rows in metrics.items()},
        {name: rows[2] for name, rows in metrics.items()},
        {
            name: float(thickness(x).mean())
            for name, x in [("samples", samples), ("test", reference), ("blurred", blurred)]
        },
        nearest,
    )
    return result, samples


def _redrawn(
    known: list[Tensor], parts: list[Tensor], settings: SampleSettings, orientation: str, generator: torch.Generator
) -> list[float]:
    """The distance of ten training clouds from other points of the same clouds in another pose."""
    rows = torch.randperm(len(known), generator=generator)[:10].tolist()
    again = torch.stack([resample(known[k], settings.n_points, generator) for k in rows])
    again = orient(again, orientation, generator)
    return [pose_distance(cloud, parts[k], orientation=orientation) for cloud, k in zip(again, rows, strict=True)]


def result_of(record: dict[str, Any]) -> PriorResult:
    """The inverse of `dataclasses.asdict` for a result that was kept as JSON."""
    metrics = ("samples", "training", "blurred")
    parts = {name: {key: SetMetrics(**row) for key, row in record[name].items()} for name in metrics}
    return PriorResult(**(record | parts | {"settings": SampleSettings(**record["settings"])}))


def prior_table(result: PriorResult) -> str:
    """The row of Table 3 as Markdown, beside the training set's and the paper's, and the nearest training clouds."""
    settings = result.settings
    emd = min(settings.emd_clouds, result.n_test)
    title = f"{result.n_test} test clouds, {settings.n_points} points" + f", EMD: {emd}" * (emd < result.n_test)
    columns = ["1-NNA (%)", "COV (%)", "MMD x 10^2"]
    header = [f"{column}, {name}" for column in columns for name in result.samples]
    lines = [f"| {title} | {' | '.join(header)} |", "|---" * (1 + len(header)) + "|"]
    lines.append(_row(f"prior {result.prior}, {settings.solver}", result.samples))
    lines.append(_row("training set", result.training))
    lines.append(_row(f"training set, blurred by {BLUR:g}", result.blurred))
    paper = next((row for name, row in TABLE_3.items() if result.prior.startswith(name)), None)
    if paper:
        lines.append(_row(f"paper: prior, {paper[0]}", {"CD": paper[1]}))
        lines.append(_row("paper: training set", {"CD": paper[2]}))
    mine, theirs = result.samples["CD"], result.training["CD"]
    error = 100 * (0.25 / (2 * result.n_test)) ** 0.5
    lines += [
        "",
        f"With CD, COV is {mine.coverage / theirs.coverage:.2f} and MMD {mine.mmd / theirs.mmd:.2f} of the training "
        f"set's; a 1-NNA near 50 % has a standard error of about {error:.0f} %. Test and training clouds are "
        f"{result.orientation}, by seed {settings.seed}; samples took {settings.n_steps} steps from t = {T_MAX:g}.",
        "",
        "Thickness of the surfaces x 10^2 (median distance from the plane of 12 neighbours): "
        + ", ".join(f"{name} {100 * value:.2f}" for name, value in result.thickness.items())
        + ".",
        "",
        describe_nearest(result.nearest["samples"], result.nearest["test"], result.nearest["redrawn"]),
    ]
    return "\n".join(lines)


def _row(label: str, metrics: dict[str, SetMetrics]) -> str:
    cells = []
    for field, digits in (("one_nna", 0), ("coverage", 0), ("mmd", 1)):
        for name in ("CD", "EMD"):
            cells.append(f"{100 * getattr(metrics[name], field):.{digits}f}" if name in metrics else "")
    return f"| {label} | {' | '.join(cells)} |"
