"""Is guidance with a trained prior calibrated? Truths from the prior itself, or real ones, in a few projections."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from dpskit.benchmarks.prior import reference_clouds
from dpskit.checks import check_integer
from dpskit.cloud import resample
from dpskit.evaluation.alpha import AlphaCalibration, check_alphas, choose_alpha
from dpskit.evaluation.calibration import simulation_based_calibration
from dpskit.evaluation.credible import credible_coverage, expected_coverage, spread_against_error
from dpskit.evaluation.distances import chamfer_distance
from dpskit.evaluation.trials import Trials
from dpskit.experiments.cluster import run_tasks
from dpskit.experiments.prior_samples import T_MAX
from dpskit.experiments.scenarios import Scenario
from dpskit.files import replacing
from dpskit.likelihoods.projection import Projections
from dpskit.markdown import Table
from dpskit.priors.protocol import Prior
from dpskit.sampling.dps import DPS, LikelihoodScore
from dpskit.sampling.noise import InverseTime
from dpskit.sampling.protocol import Guidance
from dpskit.sampling.sample import sample
from dpskit.sampling.samples import Samples, load_samples
from dpskit.sampling.schedule import karras_schedule
from dpskit.sampling.solvers import Algorithm1
from dpskit.version import NUMBERS

if TYPE_CHECKING:
    from distributed import Client

SPARSE = Scenario("sparse", 5, 50, n_steps=20, cutoff=0.15, reflections=True)


@dataclass(frozen=True)
class Sampler:
    """A way to sample a posterior: a guidance, and whether projections sum over all orders (`marginal`)."""

    name: str
    guidance: Guidance
    marginal: bool = False

    @staticmethod
    def by_alpha(alpha: float) -> Sampler:
        """The paper's rule, whose alpha sets the spread."""
        return Sampler(f"alpha {alpha:,.10g}", DPS(alpha))


@dataclass(frozen=True)
class CalibrationSetting:
    """What is seen of which truths; by default row 1 of the paper's Table 1 with a quarter of the points, in 20 steps.

    The first n_chosen targets choose alpha; n_samples are drawn for each of these and of the others. The truths
    are unconditional samples by Heun's method in draw_steps from t = 80, or the clouds of a packed npz file. A scenario
    with noise (sigma) has the samplers KNOWN_NOISE more.
    """

    scenario: Scenario = SPARSE
    n_points: int = 256
    n_samples: int = 8
    n_chosen: int = 32
    draw_steps: int = 40
    truths: str | None = None
    seed: int = 0


PAPER_ALPHA = 10_000.0
ALPHAS = (1_000.0, 2_000.0, 4_000.0, 10_000.0, 30_000.0)
KNOWN_NOISE = (
    Sampler("known noise, best order", LikelihoodScore(prior_std=0.4)),
    Sampler("known noise, all orders", LikelihoodScore(prior_std=0.4), marginal=True),
)
"""They know the noise and have no alpha; an observed point is that of the best matching, or any of the cloud's."""


def calibration_benchmark(
    prior: Prior,
    folder: str | Path,
    n_targets: int = 64,
    setting: CalibrationSetting | None = None,
    alphas: Sequence[float] = ALPHAS,
    client: Client | None = None,
) -> tuple[AlphaCalibration | None, dict[str, Trials]]:
    """Choose alpha on a few targets, and run the paper's, that one and those of KNOWN_NOISE on n_targets others.

    Where the setting chooses on no targets, all alphas are run, and the first result is None. Every run is kept in
    `folder` as it ends, so that the command can be interrupted and continued. client: of Dask, whose workers compute
    the runs. Raises ValueError if the folder holds runs of another setting, and for noise in a scenario with other data
    than projections.
    """
    setting, folder, alphas = setting or CalibrationSetting(), Path(folder), check_alphas(alphas)
    n_targets = check_integer("n_targets", n_targets, least=2)
    noisy = setting.scenario.sigma is not None
    if noisy and setting.scenario.kind != "projections":
        raise ValueError(f"noise needs a scenario of projections alone, got {str(setting.scenario)!r}.")
    _same_setting(setting, folder)
    main = range(setting.n_chosen, setting.n_chosen + n_targets)
    truths = draw_targets(prior, setting, main.stop, folder / "targets.npz")

    def trials(samplers: Sequence[Sampler], targets: range, title: str) -> dict[str, Trials]:
        _run_all(prior, truths, list(itertools.product(targets, samplers)), setting, folder, client, title)
        return {sampler.name: _trials(truths, sampler, targets, folder) for sampler in samplers}

    calibrated = None
    if setting.n_chosen:
        tried = trials([Sampler.by_alpha(a) for a in alphas], range(setting.n_chosen), "choosing alpha")
        calibrated = choose_alpha(dict(zip(alphas, tried.values(), strict=True)), distance=chamfer_distance)
        alphas = sorted({PAPER_ALPHA, calibrated.nearest})
    return calibrated, trials([*map(Sampler.by_alpha, alphas), *(KNOWN_NOISE if noisy else ())], main, "coverage")


def draw_targets(prior: Prior, setting: CalibrationSetting, count: int, path: Path) -> Tensor:
    """The first `count` of the truths (., n_points, 3): unconditional samples, kept in `path`, or those of a file."""
    if setting.truths is not None:
        return _read_targets(setting.truths, count, setting.n_points)
    known = load_samples(path).points if path.exists() else torch.empty(0)
    if len(known) < count:
        drawn = sample(
            prior,
            None,
            n_samples=count,
            n_points=setting.n_points,
            schedule=karras_schedule(setting.draw_steps, t_max=T_MAX),
            seed=setting.seed + 1_000_000,
            batch_size=16,
        )
        drawn.save(path)
        known = drawn.points
    return known[:count]


def _read_targets(path: str, count: int, n_points: int) -> Tensor:
    clouds, _ = reference_clouds(path, "truths", "test")
    if len(clouds) < count:
        raise ValueError(f"truths must hold at least {count} clouds, but {path!r} has {len(clouds)}.")
    return torch.stack([resample(cloud, n_points) for cloud in clouds[:count]])


def calibration_table(trials: dict[str, Trials]) -> Table:
    """The coverage of every sampler."""
    columns = ["sampler", "targets", "regions of 50 % hold", "of 90 %", "p", "TARP error", "p", "SBC p"]
    rows = []
    for name, part in trials.items():
        coverage, tarp = credible_coverage(part, chamfer_distance), expected_coverage(part, chamfer_distance)
        spread, error = spread_against_error(part, chamfer_distance)
        cells = [name, f"{len(part.truths)}", f"{coverage.at(0.5):.0%}", f"{coverage.at(0.9):.0%}"]
        cells += [f"{coverage.p_value:.1g}", f"{tarp.error:.2f}", f"{tarp.p_value:.1g}"]
        cells += [f"{simulation_based_calibration(part).p_value:.1g}"]
        rows.append([*cells, f"{100 * float(spread.mean()):.2f}", f"{100 * float(error.mean()):.2f}"])
    note = "Regions by mean Chamfer distance to the samples; CD x 10^2."
    return Table([*columns, "CD between samples", "CD to truth"], rows, note)


def choice_table(calibrated: AlphaCalibration) -> Table:
    """The alphas that were tried, and what is said of the best."""
    columns = ["alpha", "regions of 50 % hold", "of 90 %", "mean error of coverage", "spread / error"]
    rows = [
        [f"{alpha:,.0f}", f"{held.at(0.5):.0%}", f"{held.at(0.9):.0%}", f"{held.error:.2f}", f"{ratio:.2f}"]
        for alpha, held, ratio in zip(calibrated.alphas, calibrated.coverages, calibrated.ratios, strict=True)
    ]
    return Table(columns, rows, calibrated.message)


def _run_all(
    prior: Prior,
    truths: Tensor,
    pairs: Sequence[tuple[int, Sampler]],
    setting: CalibrationSetting,
    folder: Path,
    client: Client | None,
    title: str,
) -> None:
    """Run the pairs (target, sampler) that have no file yet, and write each to one."""
    from dpskit.progress import tqdm

    missing = [(k, sampler) for k, sampler in pairs if not _path(folder, sampler, k).exists()]
    tasks = [(prior, truths[k], sampler, setting.seed + k, setting) for k, sampler in missing]
    for number, samples in tqdm(run_tasks(_run, tasks, client), desc=title, total=len(tasks), unit="run"):
        k, sampler = missing[number]
        samples.save(_path(folder, sampler, k))


def _run(prior: Prior, truth: Tensor, sampler: Sampler, seed: int, setting: CalibrationSetting) -> Samples:
    scenario = setting.scenario
    data = scenario.observe(truth, seed)
    if sampler.marginal:
        data = replace(cast(Projections, data), marginal=True)
    return sample(
        prior,
        data,
        n_samples=setting.n_samples,
        n_points=setting.n_points,
        guidance=sampler.guidance,
        schedule=karras_schedule(scenario.n_steps),
        solver=Algorithm1(InverseTime(scenario.cutoff)),
        seed=seed,
        progress=False,
    )


def _trials(truths: Tensor, sampler: Sampler, targets: range, folder: Path) -> Trials:
    samples = [load_samples(_path(folder, sampler, k)).points for k in targets]
    return Trials(truths[targets.start : targets.stop], torch.stack(samples))


def _path(folder: Path, sampler: Sampler, k: int) -> Path:
    return folder / re.sub(r"\W+", "_", sampler.name) / f"target_{k:03d}.npz"


def _same_setting(setting: CalibrationSetting, folder: Path) -> None:
    path, wanted = folder / "setting.json", json.dumps({"numbers": NUMBERS} | asdict(setting), indent=1)
    if not path.exists():
        with replacing(path) as temporary:
            temporary.write_text(wanted)
    elif path.read_text() != wanted:
        raise ValueError(
            f"folder must be new or hold runs of the same setting by this version, but {str(path)!r} says another."
        )
