"""Reconstruct targets by maximum likelihood and by DPS with several priors, and keep a record that can be resumed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch

from dpskit.cloud import random_rotations
from dpskit.evaluation.alignment import overlay, rmsd_to_atoms, rmsd_to_points
from dpskit.evaluation.distances import chamfer_distance, earth_movers_distance
from dpskit.experiments.scenarios import Scenario
from dpskit.experiments.targets import Target
from dpskit.priors.analytic import GaussianPrior, PointMixturePrior
from dpskit.priors.protocol import Prior
from dpskit.records import append_records, read_records
from dpskit.sampling.baselines import nearest_training_cloud, smooth_map
from dpskit.sampling.guidance import DPS
from dpskit.sampling.maximum_likelihood import maximum_likelihood
from dpskit.sampling.noise import InverseTime
from dpskit.sampling.sample import sample
from dpskit.sampling.samples import Samples
from dpskit.sampling.schedule import karras_schedule
from dpskit.sampling.solvers import Algorithm1
from dpskit.training.data import Clouds, load_clouds

SWEEP = (0.3, 1.0, 3.0, 10.0)
"""Multiples of a scenario's alpha at which priors are compared."""

ML = "maximum likelihood"

Method = Callable[..., Samples]
"""A way to reconstruct: called with the data, and n_samples, n_points, seed and progress by name."""


@dataclass(frozen=True)
class Result:
    """One sample of one method on one target: CD, EMD and E as the library gives them; of complexes also RMSDs.

    rmsd and rmsd_atoms: to the target's points and to all heavy atoms, in angstrom, after matching the radius of
    gyration and superposing on the points. floor: the RMSD of the target's own points to the atoms.
    """

    setting: str
    target: str
    method: str
    alpha: float | None
    sample: int
    cd: float
    emd: float
    energy: float
    rmsd: float | None = None
    rmsd_atoms: float | None = None
    floor: float | None = None


def training_clouds(path: str | Path) -> Clouds:
    """The training clouds of a packed npz file, to which the baseline priors are fitted."""
    return load_clouds(path, held_out=1)[0]


def baseline_priors(clouds: Clouds, seed: int = 0) -> dict[str, Prior]:
    """Priors without shape, fitted to training clouds: an isotropic Gaussian, and independent points.

    Under random rotations the density of a point depends on its distance from the centre alone, so both are isotropic:
    the first has the clouds' variance, the second their density, from 1,024 points under as many rotations (with the
    bandwidth that denoises held-out chairs best; narrower ones are worse than the Gaussian).
    """
    std = float(clouds.points.float().square().mean().sqrt())
    generator = torch.Generator().manual_seed(seed)
    points = (clouds.draw(1024, 1, generator) @ random_rotations(1024, generator)).squeeze(1)
    return {"DPS, Gaussian prior": GaussianPrior(0.0, std), "DPS, i.i.d.-point prior": PointMixturePrior(points, 0.15)}


def baseline_methods(clouds: Clouds | None, *, reflections: bool) -> dict[str, Method]:
    """Methods without a prior over shapes and without alpha; the last one needs training clouds."""
    methods: dict[str, Method] = {ML: maximum_likelihood, "smooth maximum a posteriori": smooth_map}
    if clouds is not None:
        methods["nearest training cloud"] = partial(
            nearest_training_cloud, clouds=clouds.points.float(), reflections=reflections
        )
    return methods


def posterior(prior: Prior, scenario: Scenario, alpha: float) -> Method:
    """DPS in the scenario's settings, with `alpha` for its own."""
    solver = Algorithm1(InverseTime(scenario.cutoff))
    return partial(sample, prior, guidance=DPS(alpha), schedule=karras_schedule(scenario.n_steps), solver=solver)


def measure(
    target: Target, scenario: Scenario, name: str, method: Method, n_samples: int, alpha: float | None = None
) -> list[Result]:
    """The results of each sample of a method, under its name and, of DPS, its alpha."""
    data = scenario.observe(target.points, target.seed)
    samples = method(data, n_samples=n_samples, n_points=len(target.points), seed=target.seed, progress=False)
    assert samples.energy is not None
    cd, emd = chamfer_distance(samples.points, target.points), earth_movers_distance(samples.points, target.points)
    columns = [cd.tolist(), emd.tolist(), samples.energy.tolist()]
    if target.scale is not None and target.atoms is not None:
        moved = overlay(samples.points, target.points)
        columns.append((rmsd_to_points(moved, target.points) * target.scale).tolist())
        columns.append((rmsd_to_atoms(moved, target.atoms) * target.scale).tolist())
        columns.append([float(rmsd_to_atoms(target.points, target.atoms)) * target.scale] * n_samples)
    label = (scenario.name, target.name, name, alpha)
    return [Result(*label, k, *scores) for k, scores in enumerate(zip(*columns, strict=True))]


def run_benchmark(
    targets: Iterable[Target],
    scenarios: Sequence[Scenario],
    baselines: dict[str, Method],
    priors: dict[str, Prior],
    record: str | Path,
    *,
    n_samples: int = 2,
    n_swept: int = 0,
    count: int | None = None,
) -> list[Result]:
    """The baselines and DPS with each prior on all targets, and every prior at the multiples `SWEEP` on the first few.

    record: a file of JSON lines, one per sample; what it holds already is not computed again, so that a run can be
    interrupted, and a target or a method added later. Start a new one when a prior has changed under the same name. A
    line per target and method is printed as it finishes. count: of the targets, if they have no length. Returns the
    results of these targets, settings and methods.
    """
    from tqdm.auto import tqdm

    results = [Result(**fields) for fields in read_records(record)]
    chosen = []
    total = count if count is not None else len(targets) if isinstance(targets, Sequence) else None
    bar = tqdm(enumerate(targets), desc="reconstructions", unit="target", total=total)
    for number, target in bar:
        for scenario in scenarios:
            alphas = [factor * scenario.alpha for factor in (SWEEP if number < n_swept else (1.0,))]
            methods = [(name, None, method) for name, method in baselines.items()]
            methods += [(name, a, posterior(prior, scenario, a)) for a in alphas for name, prior in priors.items()]
            for name, alpha, method in methods:
                key = (scenario.name, target.name, name, alpha)
                found = [r for r in results if (r.setting, r.target, r.method, r.alpha) == key]
                if not found:
                    bar.set_postfix_str(f"{scenario.name} {target.name} {name}")
                    found = measure(target, scenario, name, method, n_samples, alpha)
                    append_records(record, map(asdict, found))
                    tqdm.write(row(found))
                chosen += found
    return chosen


def row(results: Sequence[Result]) -> str:
    """One line about the samples of one method on one target."""

    def mean(name: str) -> float:
        return sum(getattr(r, name) for r in results) / len(results)

    first = results[0]
    alpha = "" if first.alpha is None else f", alpha {first.alpha:,.0f}"
    text = f"{first.setting}  {first.target:<8}  {first.method + alpha:<38}"
    text += f"  CD {100 * mean('cd'):6.2f}  EMD {100 * mean('emd'):6.2f}  E {1000 * mean('energy'):6.3f}"
    if first.rmsd is None:
        return text
    return text + f"  RMSD {mean('rmsd'):6.2f} to points, {mean('rmsd_atoms'):6.2f} to atoms (floor {first.floor:.2f})"
