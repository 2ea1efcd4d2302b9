"""Profile of a sampling run: time in the network, in the assignments and in the rest; speed-up by threads."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dpskit.likelihoods.projection import Projections, project
from dpskit.likelihoods.protocol import surprise
from dpskit.priors.protocol import Prior
from dpskit.sampling.dps import DPS
from dpskit.sampling.sample import iterate
from dpskit.sampling.schedule import karras_schedule
from dpskit.transport.assignment import assign_each, compile_engine
from dpskit.transport.problem import Assignment

PAPER_SECONDS = 72.0
"""Per sample: 10 samples at once, 6 projections, 40 steps, an A100 and a Xeon Platinum 8360Y. Paper: section 4.4."""


@dataclass(frozen=True, eq=False)
class RunProfile:
    """Seconds of wall time of a run of `n_samples`: in all, in the network (forward and backward), and in the energy,
    which is the assignments. denoised: the clouds of every score evaluation, (n_samples, n_points, 3) each."""

    total: float
    network: float
    assignment: float
    n_samples: int
    threads: int
    denoised: Sequence[Tensor]

    @property
    def rest(self) -> float:
        return self.total - self.network - self.assignment


@dataclass
class _Stopwatch:
    """A prior and a likelihood that add up the time spent in them. The backward pass reaches the denoised clouds first
    and x last, so that it is timed between these two gradients."""

    prior: Prior
    likelihood: Projections
    network: float = 0.0
    assignment: float = 0.0
    started: float = 0.0

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.network = self.assignment = 0.0
        self.denoised: list[Tensor] = []

    def denoise(self, x: Tensor, t: Tensor) -> Tensor:
        self._start()
        denoised = self.prior.denoise(x, t)
        self.network += self._elapsed(x)
        self.denoised.append(denoised.detach().cpu())
        if denoised.requires_grad:
            denoised.register_hook(lambda gradient: self._start())
            x.register_hook(lambda gradient: self._add_backward(gradient))
        return denoised

    def start(self) -> _Stopwatch:
        self.likelihood = self.likelihood.start()
        return self

    def energy(self, x0: Tensor) -> Tensor:
        self._start()
        energy = self.likelihood.energy(x0)
        self.assignment += self._elapsed(x0)
        return energy

    def surprise(self, x0: Tensor, width: float) -> Tensor | float:
        return surprise(self.likelihood, x0, width)  # counts as the rest

    def _start(self) -> None:
        self.started = time.perf_counter()

    def _add_backward(self, gradient: Tensor) -> None:
        self.network += self._elapsed(gradient)

    def _elapsed(self, x: Tensor) -> float:
        if x.device.type == "cuda":  # kernels run on after the call
            torch.cuda.synchronize(x.device)
        return time.perf_counter() - self.started


def profile_run(
    prior: Prior,
    data: Projections,
    *,
    n_samples: int = 10,
    n_points: int = 1024,
    n_steps: int = 40,
    device: torch.device | str = "cpu",
    progress: bool = True,
) -> RunProfile:
    """Time one run of DPS as the prior asks, 2 n_steps - 1 score evaluations; compilation is not timed."""
    compile_engine()
    watch = _Stopwatch(prior, data)
    run = iterate(
        watch,
        watch,
        n_samples=n_samples,
        n_points=n_points,
        schedule=karras_schedule(n_steps),
        guidance=DPS().suited(prior, data),  # the watch hides what they ask for
        device=device,
        progress=progress,
    )
    watch.reset()  # the trial before a run is not timed
    start = time.perf_counter()
    for _ in run:
        pass
    total = time.perf_counter() - start
    return RunProfile(total, watch.network, watch.assignment, n_samples, torch.get_num_threads(), watch.denoised)


def thread_speedup(denoised: Sequence[Tensor], data: Projections) -> float:
    """Wall time of all assignments of a run on one thread, over that on two, taken in turn.

    Raises RuntimeError if a result depends on the number of threads.
    """
    before = torch.get_num_threads()
    seconds = {1: 0.0, 2: 0.0}
    start: Sequence[Assignment | None] = [None] * len(data.views)
    try:
        for x0 in denoised:
            pairs, solved = zip(data.views, data.rotations, start, strict=True), {}
            calls = [(project(x0, r), view.points, view.multiplicity(x0.shape[1]), s) for view, r, s in pairs]
            for count in seconds:
                torch.set_num_threads(count)
                began = time.perf_counter()
                solved[count] = assign_each(calls)
                seconds[count] += time.perf_counter() - began
            start = solved[1]
            for one, two in zip(start, solved[2], strict=True):
                if not (torch.equal(one.index, two.index) and torch.equal(one.duals, two.duals)):
                    raise RuntimeError("an assignment depends on the number of threads, which it must not.")
    finally:
        torch.set_num_threads(before)
    return seconds[1] / seconds[2]
