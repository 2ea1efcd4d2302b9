"""Sampling: a solver over a schedule, driven by the score that guidance makes of a prior and a likelihood."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator

import torch
from torch import Tensor

from dpskit.checks import check_integer, check_method
from dpskit.likelihoods.protocol import Likelihood
from dpskit.priors.protocol import REMEDY, Prior
from dpskit.sampling.guidance import DPS, Guidance, Score, Unguided
from dpskit.sampling.noise import NoiseSource
from dpskit.sampling.samples import Samples, describe
from dpskit.sampling.schedule import check_schedule, karras_schedule
from dpskit.sampling.solvers import Algorithm1, Info, Solver, State
from dpskit.version import __version__


def iterate(
    prior: Prior,
    likelihood: Likelihood | None,
    *,
    n_samples: int = 10,
    n_points: int = 1024,
    dim: int = 3,
    schedule: Tensor | None = None,
    guidance: Guidance | None = None,
    solver: Solver | None = None,
    seed: int = 0,
    first: int = 0,
    device: torch.device | str = "cpu",
) -> Iterator[Info]:
    """Run Algorithm 1, or another solver, and yield one `Info` per step; the last one holds the samples in `x`.

    prior: anything with `denoise`. likelihood: None samples the prior. schedule: falling times that end at 0
    (default: 40 steps from 1, or without a likelihood 100 steps from 80). guidance: default `DPS()`. solver: default
    `Algorithm1()`. seed: sample k of a seed is the same whatever n_samples. first: number of the first sample, so that
    a run can be split. device: where the clouds live, the prior's own (`prior.to(device)`); the numbers drawn are the
    same everywhere. Paper: Algorithm 1. Raises ValueError on bad settings, before any work starts.
    """
    check_method("prior", prior, "denoise(x, t)")
    if likelihood is not None:
        check_method("likelihood", likelihood, "energy(x0)")
    n_samples, n_points = check_integer("n_samples", n_samples), check_integer("n_points", n_points)
    dim, seed = check_integer("dim", dim), check_integer("seed", seed, least=0)
    first = check_integer("first", first, least=0)
    times = check_schedule(default_schedule(likelihood) if schedule is None else schedule).tolist()
    guidance, solver = guidance or DPS(), solver or Algorithm1()
    check_method("guidance", guidance, "__call__(prior, likelihood)")
    check_method("solver", solver, "step(score, state, t, t_next)")
    rule = Unguided() if likelihood is None else guidance
    noise = NoiseSource(seed, range(first, first + n_samples), (n_points, dim))
    return _run(rule(prior, likelihood), solver, times, noise, torch.device(device))


def _run(score: Score, solver: Solver, times: list[float], noise: NoiseSource, device: torch.device) -> Iterator[Info]:
    state = State(times[0] * noise.draw(0).to(device), 0, noise)
    for t, t_next in itertools.pairwise(times):
        state, info = solver.step(score, state, t, t_next)
        yield info


def sample(
    prior: Prior,
    likelihood: Likelihood | None,
    *,
    n_samples: int = 10,
    n_points: int = 1024,
    dim: int = 3,
    schedule: Tensor | None = None,
    guidance: Guidance | None = None,
    solver: Solver | None = None,
    seed: int = 0,
    batch_size: int | None = None,
    device: torch.device | str = "cpu",
    progress: bool = True,
) -> Samples:
    """Draw approximate posterior samples, or samples of the prior when `likelihood` is None.

    schedule: the noise levels, and with them the number of steps: `karras_schedule(40)` is the default with data.
    batch_size: samples that run together (default: all); it changes results only by rounding. progress: show a bar.
    The other arguments are those of `iterate`. Returns `Samples` with points (n_samples, n_points, dim).

    A run can diverge when alpha is too large for the schedule. Raises ValueError if it leaves NaN or infinity, and
    warns of samples that fit the data worse than the noise that it begins with.
    """
    from tqdm.auto import tqdm

    n_samples, seed = check_integer("n_samples", n_samples), check_integer("seed", seed, least=0)
    batch_size = n_samples if batch_size is None else check_integer("batch_size", batch_size)
    schedule = check_schedule(default_schedule(likelihood) if schedule is None else schedule)
    runs = [
        iterate(
            prior,
            likelihood,
            n_samples=min(batch_size, n_samples - first),
            n_points=n_points,
            dim=dim,
            schedule=schedule,
            guidance=guidance,
            solver=solver,
            seed=seed,
            first=first,
            device=device,
        )
        for first in range(0, n_samples, batch_size)
    ]
    batches = []
    with tqdm(total=len(runs) * (len(schedule) - 1), desc="sampling", unit="step", disable=not progress) as bar:
        for run in runs:
            for info in run:
                reached = info.x
                bar.update()
            batches.append(reached)
    points = torch.cat(batches)
    if not bool(torch.isfinite(points).all()):
        raise ValueError(f"The run diverged (its samples hold NaN or infinity): {REMEDY} helps.")
    energy = None if likelihood is None else likelihood.energy(points).detach()
    if likelihood is not None:
        start = float(schedule[0]) * NoiseSource(seed, range(n_samples), (n_points, dim)).draw(0).to(points)
        _check_fit(energy, float(likelihood.energy(start).detach().mean()))
    settings = {
        "prior": describe(prior),
        "likelihood": describe(likelihood),
        "guidance": describe(None if likelihood is None else guidance or DPS()),
        "solver": describe(solver or Algorithm1()),
        "schedule": schedule.tolist(),
    }
    return Samples(points, energy, settings, seed, __version__)


def _check_fit(energy: Tensor, start: float) -> None:
    """Raise ValueError for an `energy` (s,) that is not finite, and warn where it is above that at the start."""
    if not bool(torch.isfinite(energy).all()):
        raise ValueError(f"The run diverged (the energy of its samples is NaN or infinite): {REMEDY} helps.")
    worse = int((energy > start).sum())
    if worse:
        message = (
            f"{worse} of {len(energy)} samples fit the data worse than the noise that a run begins with (energy up to "
            f"{float(energy.max()):.3g}, of the noise {start:.3g}), so it has probably diverged: {REMEDY} helps."
        )
        warnings.warn(message, RuntimeWarning, stacklevel=3)


def default_schedule(likelihood: Likelihood | None) -> Tensor:
    """40 steps from t = 1 with guidance, 100 steps from t = 80 without. Paper: A.3 and figures 3 to 5."""
    return karras_schedule(100, t_max=80.0) if likelihood is None else karras_schedule(40)
