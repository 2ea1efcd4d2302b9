"""Sampling: a solver over a schedule, driven by the score that guidance makes of a prior and a likelihood."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from dpskit.checks import check_integer, check_method
from dpskit.likelihoods.joint import found_rotations
from dpskit.likelihoods.protocol import Likelihood
from dpskit.priors.protocol import REMEDY, Prior
from dpskit.sampling.guidance import DPS, Guidance, Unguided
from dpskit.sampling.noise import InverseTime, NoiseSource
from dpskit.sampling.samples import Samples, describe
from dpskit.sampling.solvers import Algorithm1, Info, Solver, State
from dpskit.sampling.trial import prepare
from dpskit.version import __version__


def iterate(
    prior: Prior,
    likelihood: Likelihood | None,
    *,
    n_samples: int = 10,
    n_points: int | None = None,
    dim: int | None = None,
    schedule: Tensor | None = None,
    guidance: Guidance | None = None,
    solver: Solver | None = None,
    seed: int = 0,
    first: int = 0,
    device: torch.device | str = "cpu",
) -> Iterator[Info]:
    """Run Algorithm 1, or another solver, and yield one `Info` per step; the last one holds the samples in `x`.

    prior: anything with `denoise`. likelihood: None samples the prior. n_points, dim: of a cloud (default: those of the
    attribute `shape` of prior or likelihood, else 1024 and 3). schedule: falling times that end at 0 (default: 40 steps
    from 1, or without a likelihood 100 steps from 80, from more for a prior wider than the cube). guidance: default
    `DPS()`, with the prior's own alpha where it has one. solver: default `Algorithm1()`, with data at the prior's own
    cutoff of the noise. seed: sample k of a seed is the same whatever n_samples. first: number of
    the first sample, so that a run can be split. device: where the clouds live, the prior's own (`prior.to(device)`);
    the numbers drawn are the same everywhere. Paper: Algorithm 1. Raises ValueError or TypeError on bad settings and
    for parts that a trial on two clouds finds unusable, before the run starts.
    """
    n_samples, first = check_integer("n_samples", n_samples), check_integer("first", first, least=0)
    seed = check_integer("seed", seed, least=0)
    run = _Run.of(prior, likelihood, n_points, dim, schedule, guidance, solver, device)
    return run.steps(seed, range(first, first + n_samples))


@dataclass(frozen=True, eq=False)
class _Run:
    """What a run is made of, checked and tried."""

    prior: Prior
    likelihood: Likelihood | None
    guidance: Guidance
    solver: Solver
    times: list[float]
    shape: tuple[int, int]
    device: torch.device

    @staticmethod
    def of(
        prior: Prior,
        likelihood: Likelihood | None,
        n_points: int | None,
        dim: int | None,
        schedule: Tensor | None,
        guidance: Guidance | None,
        solver: Solver | None,
        device: torch.device | str,
    ) -> _Run:
        check_method("prior", prior, "denoise(x, t)")
        if likelihood is not None:
            check_method("likelihood", likelihood, "energy(x0)")
        guidance = DPS(getattr(prior, "alpha", DPS.alpha)) if guidance is None else guidance
        if solver is None:
            solver = Algorithm1(InverseTime(0.0 if likelihood is None else getattr(prior, "cutoff", 0.0)))
        check_method("guidance", guidance, "__call__(prior, likelihood)")
        check_method("solver", solver, "step(score, state, t, t_next)")
        rule = Unguided() if likelihood is None else guidance
        rule(prior, likelihood)  # what it refuses, it refuses here
        density = getattr(rule, "uses_log_prob", False)
        shape, times = prepare(prior, likelihood, n_points, dim, schedule, density=density, device=device)
        return _Run(prior, likelihood, rule, solver, times, shape, torch.device(device))

    def steps(self, seed: int, samples: range) -> Iterator[Info]:
        """The steps of the samples with these numbers."""
        score = self.guidance(self.prior, self.likelihood)
        noise = NoiseSource(seed, samples, self.shape)
        state = State(self.times[0] * noise.draw(0).to(self.device), 0, noise)
        for t, t_next in itertools.pairwise(self.times):
            state, info = self.solver.step(score, state, t, t_next)
            yield info


def sample(
    prior: Prior,
    likelihood: Likelihood | None,
    *,
    n_samples: int = 10,
    n_points: int | None = None,
    dim: int | None = None,
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
    from dpskit.progress import tqdm

    n_samples, seed = check_integer("n_samples", n_samples), check_integer("seed", seed, least=0)
    batch_size = n_samples if batch_size is None else check_integer("batch_size", batch_size)
    run = _Run.of(prior, likelihood, n_points, dim, schedule, guidance, solver, device)
    firsts = range(0, n_samples, batch_size)
    batches = []
    with tqdm(total=len(firsts) * (len(run.times) - 1), desc="sampling", unit="step", disable=not progress) as bar:
        for first in firsts:
            for info in run.steps(seed, range(first, min(first + batch_size, n_samples))):
                reached = info.x
                bar.update()
            batches.append(reached)
    points = torch.cat(batches)
    if not bool(torch.isfinite(points).all()):
        raise ValueError(f"The run diverged (its samples hold NaN or infinity): {REMEDY} helps.")
    energy = None if likelihood is None else likelihood.energy(points).detach()
    if likelihood is not None:
        start = run.times[0] * NoiseSource(seed, range(n_samples), run.shape).draw(0).to(points)
        _check_fit(energy, float(likelihood.energy(start).detach().mean()))
    settings = {
        "prior": describe(prior),
        "likelihood": describe(likelihood),
        "guidance": describe(None if likelihood is None else run.guidance),
        "solver": describe(run.solver),
        "schedule": run.times,
    }
    return Samples(points, energy, settings, seed, __version__, found_rotations(likelihood, points))


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
