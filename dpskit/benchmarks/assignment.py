"""Speed of the assignment engine, SciPy and POT on the assignment problems of sampling runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from dpskit.checks import check_integer, check_points
from dpskit.cloud import resample
from dpskit.likelihoods.coarse import CoarseGrained
from dpskit.likelihoods.projection import Projections, project
from dpskit.likelihoods.protocol import Likelihood
from dpskit.likelihoods.subunit import Subunit
from dpskit.markdown import markdown_table
from dpskit.priors.protocol import Prior
from dpskit.sampling.sample import iterate
from dpskit.sampling.schedule import karras_schedule
from dpskit.transport.assignment import assign


@dataclass(frozen=True, eq=False)
class Trajectory:
    """The assignment problems of one observation in one run: a batch x (b, n, d) per score evaluation, y (m, d)."""

    name: str
    x: Sequence[Tensor]
    y: Tensor
    multiplicity: Tensor | None = None


@dataclass(frozen=True)
class Timing:
    """CPU milliseconds per problem: the medians of the first, second and last third of a run, and the mean."""

    early: float
    middle: float
    late: float
    mean: float


@dataclass(frozen=True)
class Row:
    """Measurements of one trajectory.

    pot: None where POT is not installed or does not apply. ratio: SciPy's mean time to the engine's. difference: the
    largest of the costs, relative to SciPy's.
    """

    name: str
    engine: Timing
    scipy: Timing
    pot: Timing | None
    ratio: float
    difference: float


class _Recorder:
    """A prior that keeps what it has denoised."""

    def __init__(self, prior: Prior) -> None:
        self.prior = prior
        self.denoised: list[Tensor] = []

    def denoise(self, x: Tensor, t: Tensor) -> Tensor:
        denoised = self.prior.denoise(x, t)
        self.denoised.append(denoised.detach())
        return denoised


def record_trajectories(
    prior: Prior,
    points: Tensor,
    *,
    sizes: Sequence[int] = (200, 400, 800, 1024),
    n_samples: int = 10,
    n_points: int = 1024,
    n_steps: int = 40,
    seed: int = 0,
) -> list[Trajectory]:
    """Reconstruct `points` (n, 3) with the default guidance, and keep every assignment problem of one observation.

    One run for each of the `sizes`, numbers of observed points, from five projections; one from a coarse structure of
    30 points, and one from a subunit of about a quarter of the points. A run of n_steps has 2 n_steps - 1 score
    evaluations.
    """
    points = check_points("points", points)

    def record(likelihood: Likelihood) -> list[Tensor]:
        recorder, schedule = _Recorder(prior), karras_schedule(n_steps)
        run = iterate(
            recorder,
            likelihood,
            n_samples=n_samples,
            n_points=n_points,
            schedule=schedule,
            seed=seed,
            progress=False,
        )
        recorder.denoised.clear()  # of the trial before the run
        for _ in run:
            pass
        return recorder.denoised

    trajectories = []
    for m in sizes:
        data = Projections.observe(points, 5, m, seed)
        view, rotation = data.views[0], data.rotations[0]
        x = [project(cloud, rotation) for cloud in record(data)]
        trajectories.append(Trajectory(f"{m} -> {n_points}, 2-D", x, view.points, view.multiplicity(n_points)))
    coarse = CoarseGrained.observe(points, min(30, len(points)), seed)
    multiplicity = coarse.observation.multiplicity(n_points)
    name = f"{len(coarse.points)} -> {n_points}, 3-D"
    trajectories.append(Trajectory(name, record(coarse), coarse.points, multiplicity))
    part = Subunit.observe(resample(points, n_points, seed), max(1, n_points // 4), seed)
    trajectories.append(Trajectory(f"{len(part.points)} of {n_points}, 3-D", record(part), part.points))
    return trajectories


def assignment_benchmark(trajectories: Sequence[Trajectory], *, every: int = 1) -> list[Row]:
    """Time the engine, SciPy and POT in turn on the same problems, in CPU time of this process with one thread.

    The engine solves every evaluation of a trajectory as a batch, starting from the last one as a run does; the others
    solve every `every`-th, from which all figures are taken; an odd number takes the first and the second evaluations
    of the steps alike, which differ. The others are given the matrix of costs, which is not timed: SciPy with upsampled
    columns, and POT (`pip install pot`) with unique columns and masses. Compilation is not timed.
    """
    every = check_integer("every", every)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return [_benchmark(trajectory, every) for trajectory in trajectories]
    finally:
        torch.set_num_threads(threads)


def _benchmark(trajectory: Trajectory, every: int) -> Row:
    try:
        import ot
    except ImportError:
        ot = None
    y, multiplicity, warm = trajectory.y, trajectory.multiplicity, None
    capacity = np.ones(len(y), int) if multiplicity is None else multiplicity.numpy()
    whole = capacity.sum() == trajectory.x[0].shape[1]
    assign(trajectory.x[0], y, multiplicity)  # compiles
    engine, scipy, pot, difference = [], [], [], 0.0
    for k, x in enumerate(trajectory.x):
        warm, elapsed = _timed(lambda x=x, warm=warm: assign(x, y, multiplicity, warm))
        if k % every:
            continue
        engine.append(elapsed / len(x))
        scipy_elapsed, pot_elapsed = 0.0, 0.0
        for cloud, cost in zip(x.double(), warm.cost.tolist(), strict=True):
            costs = (cloud[:, None] - y.double()).square().sum(dim=2).numpy()
            upsampled = np.repeat(costs, capacity, axis=1)
            pairs, elapsed = _timed(lambda c=upsampled: linear_sum_assignment(c))
            scipy_elapsed += elapsed
            least = upsampled[pairs].sum()
            difference = max(difference, abs(cost - least) / least) if least > 0 else difference
            if ot is not None and whole:
                masses = np.ones(len(cloud)), capacity.astype(float)
                pot_elapsed += _timed(lambda c=costs, m=masses: ot.emd(*m, c, numItermax=10_000_000))[1]
        scipy.append(scipy_elapsed / len(x))
        pot.append(pot_elapsed / len(x))
    return Row(
        trajectory.name,
        _summary(engine),
        _summary(scipy),
        _summary(pot) if ot is not None and whole else None,
        float(np.mean(scipy) / np.mean(engine)),
        difference,
    )


def _timed(function: Callable[[], Any]) -> tuple[Any, float]:
    """The result, and the CPU time of this process in milliseconds."""
    start = time.process_time()
    result = function()
    return result, 1e3 * (time.process_time() - start)


def _summary(milliseconds: list[float]) -> Timing:
    a, b, c = (float(np.median(part)) if len(part) else float("nan") for part in np.array_split(milliseconds, 3))
    return Timing(a, b, c, float(np.mean(milliseconds)))


def assignment_table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table."""

    def cell(timing: Timing | None) -> str:
        return "-" if timing is None else f"{timing.early:.2f} / {timing.middle:.2f} / {timing.late:.2f}"

    columns = ["problem", "dpskit, ms early / middle / late", "SciPy", "POT", "SciPy / dpskit"]
    return markdown_table(
        [*columns, "largest relative difference"],
        [[r.name, cell(r.engine), cell(r.scipy), cell(r.pot), f"{r.ratio:.0f}", f"{r.difference:.1e}"] for r in rows],
    )
