"""Is guidance with a trained prior calibrated? Truths from the prior itself, seen in a few projections."""

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

from dpskit.checks import check_integer
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
from dpskit.markdown import markdown_table
from dpskit.priors.protocol import Prior
from dpskit.sampling.dps import DPS, LikelihoodScore
from dpskit.sampling.noise import InverseTime
from dpskit.sampling.protocol import Guidance
from dpskit.sampling.sample import sample
from dpskit.sampling.samples import Samples, load_samples
from dpskit.sampling.schedule import karras_schedule
from dpskit.sampling.solvers import Algorithm1

if TYPE_CHECKING:
    from distributed import Client

SPARSE = Scenario("sparse", 5, 50, n_steps=20, cutoff=0.15, reflections=True)
Sampler = float | str
"""The alpha of `DPS`, or a name in KNOWN_NOISE."""


@dataclass(frozen=True)
class CalibrationSetting:
    """Row 1 of the paper's Table 1 with a quarter of the points and half the steps.

    The first n_chosen targets choose alpha; n_samples are drawn for each of these and of the others. The truths
    are unconditional samples by Heun's method in draw_steps from t = 80. A scenario with noise (sigma) has two samplers
    more, `LikelihoodScore`, which knows the noise and has no alpha to choose; prior_std is its argument.
    """

    scenario: Scenario = SPARSE
    n_points: int = 256
    n_samples: int = 8
    n_chosen: int = 32
    draw_steps: int = 40
    prior_std: float | None = 0.4
    seed: int = 0


PAPER_ALPHA = 10_000.0
ALPHAS = (1_000.0, 2_000.0, 4_000.0, 10_000.0, 30_000.0)
KNOWN_NOISE = {"known noise, best order": False, "known noise, all orders": True}
"""Samplers by `LikelihoodScore`, with the `marginal` of their projections: whether the likelihood sums over all points
that an observed one may come from."""


def calibration_benchmark(
    prior: Prior,
    folder: str | Path,
    n_targets: int = 64,
    setting: CalibrationSetting | None = None,
    alphas: Sequence[float] = ALPHAS,
    client: Client | None = None,
) -> tuple[AlphaCalibration, dict[Sampler, Trials]]:
    """Choose alpha on a few targets, and run the paper's, that one and those of KNOWN_NOISE on n_targets others.

    Every run is kept in `folder` as it ends, so that the command can be interrupted and continued. client: of Dask,
    whose workers compute the runs. Raises ValueError if the folder holds runs of another setting.
    """
    setting, folder, alphas = setting or CalibrationSetting(), Path(folder), check_alphas(alphas)
    n_targets = check_integer("n_targets", n_targets, least=2)
    _same_setting(setting, folder)
    chosen = range(setting.n_chosen)
    main = range(setting.n_chosen, setting.n_chosen + n_targets)
    truths = draw_targets(prior, setting, main.stop, folder / "targets.npz")
    pairs = list(itertools.product(chosen, alphas))
    _run_all(prior, truths, pairs, setting, folder, client, "choosing alpha")
    calibrated = choose_alpha({a: _trials(truths, a, chosen, folder) for a in alphas}, distance=chamfer_distance)
    reported: list[Sampler] = [*sorted({PAPER_ALPHA, calibrated.nearest})]
    if setting.scenario.sigma is not None:
        reported += KNOWN_NOISE
    pairs = list(itertools.product(main, reported))
    _run_all(prior, truths, pairs, setting, folder, client, "coverage")
    return calibrated, {sampler: _trials(truths, sampler, main, folder) for sampler in reported}


def draw_targets(prior: Prior, setting: CalibrationSetting, count: int, path: Path) -> Tensor:
    """The first `count` of the unconditional samples (., n_points, 3), kept in `path`."""
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


def calibration_table(calibrated: AlphaCalibration, trials: dict[Sampler, Trials]) -> str:
    """Markdown tables of the choice of alpha, and of the coverage on the other targets."""
    columns = ["alpha", "regions of 50 % hold", "of 90 %", "mean error of coverage", "spread / error"]
    rows = [
        [f"{alpha:,.0f}", f"{held.at(0.5):.0%}", f"{held.at(0.9):.0%}", f"{held.error:.2f}", f"{ratio:.2f}"]
        for alpha, held, ratio in zip(calibrated.alphas, calibrated.coverages, calibrated.ratios, strict=True)
    ]
    choice = markdown_table(columns, rows)
    rows = []
    for sampler, part in trials.items():
        coverage, tarp = credible_coverage(part, chamfer_distance), expected_coverage(part, chamfer_distance)
        spread, error = spread_against_error(part, chamfer_distance)
        name = sampler if isinstance(sampler, str) else f"alpha {sampler:,.0f}"
        cells = [f"{name}, {len(part.truths)}", f"{coverage.at(0.5):.0%}", f"{coverage.at(0.9):.0%}"]
        cells += [f"{coverage.p_value:.1g}", f"{tarp.error:.2f}", f"{tarp.p_value:.1g}"]
        cells += [f"{simulation_based_calibration(part).p_value:.1g}"]
        rows.append([*cells, f"{100 * float(spread.mean()):.2f}", f"{100 * float(error.mean()):.2f}"])
    columns = ["sampler, targets", "regions of 50 % hold", "of 90 %", "p", "TARP error", "p", "SBC p"]
    report = markdown_table([*columns, "CD between samples", "CD to truth"], rows)
    note = "Regions by mean Chamfer distance to the samples; CD x 10^2."
    return "\n\n".join([choice, calibrated.message, report, note])


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
    data = cast(Projections, scenario.observe(truth, seed))
    guidance: Guidance
    if isinstance(sampler, str):
        data, guidance = replace(data, marginal=KNOWN_NOISE[sampler]), LikelihoodScore(setting.prior_std)
    else:
        guidance = DPS(sampler)
    return sample(
        prior,
        data,
        n_samples=setting.n_samples,
        n_points=setting.n_points,
        guidance=guidance,
        schedule=karras_schedule(scenario.n_steps),
        solver=Algorithm1(InverseTime(scenario.cutoff)),
        seed=seed,
        progress=False,
    )


def _trials(truths: Tensor, sampler: Sampler, targets: range, folder: Path) -> Trials:
    samples = [load_samples(_path(folder, sampler, k)).points for k in targets]
    return Trials(truths[targets.start : targets.stop], torch.stack(samples))


def _path(folder: Path, sampler: Sampler, k: int) -> Path:
    name = re.sub(r"\W+", "_", sampler) if isinstance(sampler, str) else f"alpha_{sampler:g}"
    return folder / name / f"target_{k:03d}.npz"


def _same_setting(setting: CalibrationSetting, folder: Path) -> None:
    path, wanted = folder / "setting.json", json.dumps(asdict(setting), indent=1)
    if not path.exists():
        with replacing(path) as temporary:
            temporary.write_text(wanted)
    elif path.read_text() != wanted:
        raise ValueError(f"folder must be new or hold runs of the same setting, but {str(path)!r} says another one.")
