"""How well priors reconstruct: DPS with several priors and maximum likelihood, side by side on the same targets."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dpskit.cloud import normalise, random_rotations, resample
from dpskit.data.coarse_grain import coarse_grain
from dpskit.data.structures import read_structure
from dpskit.evaluation.alignment import match_radius_of_gyration, rmsd_to_points, superpose
from dpskit.evaluation.distances import chamfer_distance, earth_movers_distance
from dpskit.likelihoods.coarse import CoarseGrained
from dpskit.likelihoods.joint import Joint
from dpskit.likelihoods.projection import Projections
from dpskit.likelihoods.protocol import Likelihood
from dpskit.priors.analytic import GaussianPrior, PointMixturePrior
from dpskit.priors.protocol import Prior
from dpskit.sampling.guidance import DPS
from dpskit.sampling.maximum_likelihood import maximum_likelihood
from dpskit.sampling.noise import InverseTime
from dpskit.sampling.sample import sample
from dpskit.sampling.schedule import karras_schedule
from dpskit.sampling.solvers import Algorithm1
from dpskit.training.data import Clouds, load_clouds

TABLE_1 = {"1": 3.68, "2": 3.87, "5": 5.04}
"""E x 10^3 of maximum likelihood on ShapeNet chairs in rows 1, 2 and 5 of the paper's Table 1."""

ALPHAS = (3_000.0, 10_000.0, 30_000.0, 100_000.0)
ML = "maximum likelihood"


@dataclass(frozen=True, eq=False)
class Target:
    """A cloud to reconstruct, (n, 3) in the cube and randomly rotated; scale: angstrom per unit, None for shapes."""

    name: str
    points: Tensor
    scale: float | None = None


@dataclass(frozen=True)
class Scenario:
    """What is observed of a target, and the settings of DPS. Paper: Tables 1 and 4."""

    n_views: int
    n_points: int
    alpha: float
    cutoff: float
    proper: bool
    coarse_points: int = 0
    n_steps: int = 40

    def observe(self, points: Tensor, seed: int) -> Likelihood:
        views = Projections.observe(points, self.n_views, self.n_points, seed, proper=self.proper)
        if not self.coarse_points:
            return views
        return Joint([views, CoarseGrained.observe(points, self.coarse_points, seed)])


CHAIRS = Scenario(5, 200, alpha=10_000, cutoff=0.15, proper=False)
"""Row 1 of the paper's Tables 1 and 4."""

COMPLEXES = Scenario(4, 1024, alpha=60_000, cutoff=0.0, proper=True)
"""The paper's appendix A.4.2."""


@dataclass(frozen=True)
class Result:
    """One sample of one method on one target: CD, EMD and E as the library gives them, RMSD in angstrom or None."""

    target: str
    method: str
    alpha: float | None
    sample: int
    cd: float
    emd: float
    energy: float
    rmsd: float | None


def chair_targets(path: str | Path, count: int, n_points: int = 1024, seed: int = 0) -> list[Target]:
    """The first `count` clouds of an npz file with `points` (k, m, 3) and `name`, each under a random O(3) matrix."""
    with np.load(path, allow_pickle=False) as file:
        points, names = file["points"][:count], file["name"][:count]
    rotations = random_rotations(len(points), seed, proper=False)
    clouds = [normalise(torch.from_numpy(cloud.astype(np.float32)))[0] for cloud in points]
    return [
        Target(str(name), resample(cloud, n_points, seed) @ rotation)
        for name, cloud, rotation in zip(names, clouds, rotations, strict=True)
    ]


def complex_targets(paths: Iterable[str | Path], n_points: int = 1024, seed: int = 0) -> list[Target]:
    """Structure files, coarse-grained to `n_points`, each under a random proper rotation."""
    paths = [Path(path) for path in paths]
    rotations = random_rotations(len(paths), seed)
    coarse = [coarse_grain(read_structure(path).atoms, n_points, seed) for path in paths]
    return [
        Target(path.name.split(".")[0], model.points @ rotation, model.frame.scale)
        for path, model, rotation in zip(paths, coarse, rotations, strict=True)
    ]


def baseline_priors(clouds: Clouds, seed: int = 0) -> dict[str, Prior]:
    """Priors without shape, fitted to training clouds: an isotropic Gaussian, and independent points.

    Under random rotations the density of a point depends on its distance from the centre alone, so both are isotropic:
    the first has the clouds' variance, the second their density, from 1,024 points under as many rotations (with the
    bandwidth that denoises held-out chairs best; narrower ones are worse than the Gaussian).
    """
    std = float(clouds.points.float().square().mean().sqrt())
    generator = torch.Generator().manual_seed(seed)
    points = clouds.draw(1024, 1, True, generator).squeeze(1)
    return {"DPS, Gaussian prior": GaussianPrior(0.0, std), "DPS, i.i.d.-point prior": PointMixturePrior(points, 0.15)}


def reconstruct(
    target: Target, scenario: Scenario, prior: Prior | None, alpha: float, n_samples: int, seed: int
) -> list[tuple[float, float, float, float | None]]:
    """(CD, EMD, E, RMSD in angstrom or None) of each sample; prior None is maximum likelihood."""
    data = scenario.observe(target.points, seed)
    n_points = len(target.points)
    if prior is None:
        samples = maximum_likelihood(data, n_samples=n_samples, n_points=n_points, seed=seed, progress=False)
    else:
        # fmt: off
        samples = sample(prior, data, n_samples=n_samples, n_points=n_points, guidance=DPS(alpha),
                         schedule=karras_schedule(scenario.n_steps), solver=Algorithm1(InverseTime(scenario.cutoff)),
                         seed=seed, progress=False)
        # fmt: on
    assert samples.energy is not None
    cd, emd = chamfer_distance(samples.points, target.points), earth_movers_distance(samples.points, target.points)
    rmsd = [None] * n_samples
    if target.scale is not None:
        moved = superpose(match_radius_of_gyration(samples.points, target.points), target.points)
        rmsd = (rmsd_to_points(moved, target.points) * target.scale).tolist()
    return list(zip(cd.tolist(), emd.tolist(), samples.energy.tolist(), rmsd, strict=True))


def run_benchmark(
    targets: Sequence[Target],
    scenario: Scenario,
    priors: dict[str, Prior],
    record: str | Path,
    *,
    n_samples: int = 2,
    n_swept: int = 4,
    seed: int = 0,
) -> list[Result]:
    """Maximum likelihood and DPS with each prior on all targets, and every prior at all `ALPHAS` on the first few.

    record: a file of JSON lines, one per result; what it holds already is not computed again, so that a run can be
    interrupted and a prior added later. Start a new one when a prior has changed under the same name.
    """
    from tqdm.auto import tqdm

    record = Path(record)
    results = [Result(**json.loads(line)) for line in record.read_text().splitlines()] if record.exists() else []
    done = {(r.target, r.method, r.alpha) for r in results}
    methods: dict[str, Prior | None] = {ML: None, **priors}
    jobs = [
        (target, method, alpha)
        for k, target in enumerate(targets)
        for method, prior in methods.items()
        for alpha in ([None] if prior is None else sorted({scenario.alpha, *(ALPHAS if k < n_swept else ())}))
        if (target.name, method, alpha) not in done
    ]
    jobs.sort(key=lambda job: job[2] not in (None, scenario.alpha))  # the main table first, then the sweep
    record.parent.mkdir(parents=True, exist_ok=True)
    for target, method, alpha in tqdm(jobs, desc="reconstructions", unit="run"):
        scores = reconstruct(target, scenario, methods[method], alpha or 0.0, n_samples, seed + targets.index(target))
        new = [Result(target.name, method, alpha, k, *score) for k, score in enumerate(scores)]
        results += new
        with record.open("a") as file:
            file.writelines(json.dumps(asdict(result)) + "\n" for result in new)
    return results


def benchmark_table(results: Sequence[Result], scenario: Scenario) -> str:
    """The two tables as Markdown: at the scenario's alpha on all targets, and at each prior's best alpha on some.

    Means and standard deviations over samples and targets; CD and EMD x 10^2, E x 10^3; in brackets the ratio of the
    mean to that of maximum likelihood on the same targets.
    """
    main = [r for r in results if r.alpha in (None, scenario.alpha)]
    text = _table(main, f"alpha {scenario.alpha:,.0f}")
    swept = {r.target for r in results if r.alpha not in (None, scenario.alpha)}
    best = [r for r in results if r.target in swept and (r.alpha is None or r.alpha == best_alpha(results, r.method))]
    return text + "\n\n" + _table(best, "each prior at its best alpha") if best else text


def best_alpha(results: Sequence[Result], method: str) -> float:
    """The alpha of `ALPHAS` with the least mean CD."""
    means = {a: np.mean([r.cd for r in results if r.method == method and r.alpha == a] or [np.inf]) for a in ALPHAS}
    return min(means, key=means.__getitem__)


def _table(results: Sequence[Result], title: str) -> str:
    columns: dict[str, Callable[[Result], float | None]] = {
        "CD x 10^2": lambda r: 100 * r.cd,
        "EMD x 10^2": lambda r: 100 * r.emd,
        "E x 10^3": lambda r: 1000 * r.energy,
        "RMSD (angstrom)": lambda r: r.rmsd,
    }
    if all(r.rmsd is None for r in results):
        del columns["RMSD (angstrom)"]
    methods = list(dict.fromkeys(r.method for r in results))
    count = len({r.target for r in results})
    lines = [f"| {title}, {count} targets | {' | '.join(columns)} |", "|---" * (1 + len(columns)) + "|"]
    baseline = {c: np.mean([value(r) for r in results if r.method == ML]) for c, value in columns.items()}
    for method in methods:
        rows = [r for r in results if r.method == method]
        alphas = {r.alpha for r in rows} - {None}
        label = f"{method}, alpha {alphas.pop():,.0f}" if len(alphas) == 1 and "best" in title else method
        cells = []
        for column, value in columns.items():
            values = np.array([value(r) for r in rows], dtype=float)
            cells.append(f"{values.mean():.2f} ± {values.std():.2f} ({values.mean() / baseline[column]:.2f})")
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join(lines)


def energy_table(targets: Sequence[Target], n_samples: int = 2, seed: int = 0) -> str:
    """Maximum likelihood in the settings of rows 1, 2 and 5 of the paper's Table 1, E x 10^3 beside the paper's.

    It settles the convention of the energy: half the mean over points, and the mean over observations.
    """
    from tqdm.auto import tqdm

    rows = {
        "1": CHAIRS,
        "2": replace(CHAIRS, n_views=6),
        "5": replace(CHAIRS, n_views=1, n_points=300, coarse_points=30),
    }
    lines = ["| row of Table 1 | E x 10^3 here | in the paper |", "|---|---|---|"]
    for row, scenario in rows.items():
        runs = tqdm(list(enumerate(targets)), desc=f"row {row}", unit="target")
        scores = [reconstruct(target, scenario, None, 0.0, n_samples, seed + k) for k, target in runs]
        energies = 1000 * np.array([energy for target in scores for _, _, energy, _ in target])
        lines.append(f"| {row} | {energies.mean():.2f} ± {energies.std():.2f} | {TABLE_1[row]} |")
    return "\n".join(lines)


def training_clouds(path: str | Path) -> Clouds:
    """The training clouds of a packed npz file, to which the baseline priors are fitted."""
    return load_clouds(path, held_out=1)[0]
