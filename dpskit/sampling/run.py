"""One run: the arguments of `sample` and `iterate`, said and checked in one place, and the steps that they ask for."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor

from dpskit.checks import check_integer, check_method, check_seed
from dpskit.likelihoods.joint import as_found, part_to_place, views_to_orient
from dpskit.likelihoods.protocol import Likelihood
from dpskit.pose.posed import Posed
from dpskit.priors.protocol import Prior
from dpskit.sampling.dps import DPS
from dpskit.sampling.noise import InverseTime, NoiseSource
from dpskit.sampling.orientations import find_orientations
from dpskit.sampling.placements import UNMOVED, find_placements, views_that_place
from dpskit.sampling.poses import Poses, check_pose, find_poses, in_data_frame
from dpskit.sampling.protocol import Guidance, Info, Score, Solver, State
from dpskit.sampling.samples import describe
from dpskit.sampling.solvers import FLOW, Algorithm1
from dpskit.sampling.trial import prepare
from dpskit.sampling.unguided import Unguided

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class Run:
    """The checked parts of a run, and the numbers of its samples."""

    prior: Prior
    likelihood: Likelihood | None
    guidance: Guidance
    solver: Solver
    times: list[float]
    width: float  # of the clouds that it begins with
    shape: tuple[int, int]
    poses: Poses | None
    orientations: Poses | None
    placements: Poses | None
    samples: range
    batch_size: int
    device: torch.device
    progress: bool
    seed: int
    pose: Any  # as it was given, for the record

    @staticmethod
    def of(
        prior: Prior,
        likelihood: Likelihood | None,
        *,
        n_samples: int = 10,
        n_points: int | None = None,
        dim: int | None = None,
        pose: Tensor | str | None = None,
        schedule: Tensor | None = None,
        guidance: Guidance | None = None,
        solver: Solver | None = None,
        seed: int = 0,
        batch_size: int | None = None,
        first: int = 0,
        device: torch.device | str = "cpu",
        progress: bool = True,
    ) -> Run:
        """Check the arguments, which `sample` describes, try the parts, and find poses, orientations and placements."""
        n_samples, seed = check_integer("n_samples", n_samples), check_seed("seed", seed)
        first = check_integer("first", first, least=0)
        batch_size = n_samples if batch_size is None else check_integer("batch_size", batch_size)
        check_method("prior", prior, "denoise(x, t)")
        if likelihood is not None:
            check_method("likelihood", likelihood, "energy(x0)")
        guidance = DPS() if guidance is None else guidance
        if isinstance(guidance, DPS):
            guidance = guidance.suited(prior, likelihood)  # for the record
        if solver is None:
            solver = FLOW if likelihood is None else Algorithm1(InverseTime(getattr(prior, "cutoff", 0.0)))
        check_method("guidance", guidance, "__call__(prior, likelihood)")
        check_method("solver", solver, "step(score, state, t, t_next)")
        rotations = check_pose(pose, prior, likelihood)
        part, placing, views = part_to_place(likelihood), views_that_place(likelihood), views_to_orient(likelihood)
        tried = None if likelihood is None else as_found(likelihood, placements=UNMOVED)
        if part is not None and isinstance(rotations, str):
            raise ValueError("pose must be None or known rotations where a subunit has to be placed, got 'unknown'.")
        one = tried if rotations is None or tried is None else Posed(tried, torch.eye(3).unsqueeze(0))
        _score(guidance, prior, one)  # what it refuses, it refuses here
        density = likelihood is not None and getattr(guidance, "uses_log_prob", False)
        shape, times, width = prepare(prior, tried, n_points, dim, schedule, density=density, device=device)
        if rotations is not None and shape[1] != 3:
            raise ValueError(f"dim must be 3 where a pose is given, got {shape[1]}.")
        poses = Poses(rotations) if isinstance(rotations, Tensor) else None
        if isinstance(rotations, str) and likelihood is not None:
            poses = find_poses(prior, likelihood, shape[0], seed)
        return Run(
            prior,
            likelihood,
            guidance,
            solver,
            times,
            width,
            shape,
            poses,
            orientations=None if views is None else find_orientations(views, seed),
            placements=None if part is None or placing is None else find_placements(placing, part, shape[0], seed),
            samples=range(first, first + n_samples),
            batch_size=batch_size,
            device=torch.device(device),
            progress=progress,
            seed=seed,
            pose=pose,
        )

    @property
    def n_steps(self) -> int:
        """Of each batch."""
        return len(self.times) - 1

    @property
    def batches(self) -> list[range]:
        """The numbers of the samples that run together."""
        return [self.samples[begin : begin + self.batch_size] for begin in range(0, len(self.samples), self.batch_size)]

    def steps(self) -> Iterator[Info]:
        """The steps of one batch after the other, in the data's frame."""
        from dpskit.progress import tqdm

        total = len(self.batches) * self.n_steps
        with tqdm(total=total, desc="sampling", unit="step", disable=not self.progress) as bar:
            for batch in self.batches:
                for info in self._in_data_frame(batch):
                    bar.update()
                    yield info

    def start(self, samples: range) -> State:
        """Where the samples with these numbers begin."""
        noise = NoiseSource(self.seed, samples, self.shape)
        return State(self.width * noise.draw(0).to(self.device), 0, noise)

    def data(self, samples: range) -> Likelihood | None:
        """The data as the samples with these numbers see them: each by one hypothesis of orientations or placement."""
        if self.likelihood is None:
            return None
        rotations, placements = (
            None if found is None else found.of_samples(samples).to(self.device)
            for found in (self.orientations, self.placements)
        )
        return as_found(self.likelihood, rotations, placements)

    def settings(self) -> dict[str, Any]:
        """What the samples depend on, as JSON can hold it."""
        settings = {
            "prior": describe(self.prior),
            "likelihood": describe(self.likelihood),
            "guidance": describe(None if self.likelihood is None else self.guidance),
            "solver": describe(self.solver),
            "schedule": self.times,
            "pose": describe(self.pose),
        }
        if self.samples.start:
            settings["first"] = self.samples.start
        if self.poses is not None and self.poses.weights is not None:
            settings["hypotheses"] = describe(self.poses)
        if self.orientations is not None:
            settings["orientations"] = describe(self.orientations.weights)
        if self.placements is not None:
            settings["placements"] = describe(self.placements.weights)
        return settings

    def _in_data_frame(self, samples: range) -> Iterator[Info]:
        if self.poses is None:
            return self._solve(samples, self.data(samples))
        rotations = self.poses.of_samples(samples).to(self.device)
        data = self.data(samples)
        posed = None if data is None else Posed(data, rotations, self.poses.weights is not None)
        return in_data_frame(self._solve(samples, posed), rotations)

    def _solve(self, samples: range, likelihood: Likelihood | None) -> Iterator[Info]:
        score, state = _score(self.guidance, self.prior, likelihood), self.start(samples)
        for t, t_next in itertools.pairwise(self.times):
            state, info = self.solver.step(score, state, t, t_next)
            yield info


def called_as(
    make: Callable[Arguments, Run],
) -> Callable[[Callable[[Run], Result]], Callable[Arguments, Result]]:
    """Let a function of a run be called with the arguments of `make`, which makes the run."""

    def decorate(function: Callable[[Run], Result]) -> Callable[Arguments, Result]:
        own = inspect.signature(function).return_annotation
        signature = inspect.signature(make).replace(return_annotation=own)

        @wraps(function)
        def call(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
            signature.bind(*args, **kwargs)  # whose errors do not speak of `make`
            return function(make(*args, **kwargs))

        call.__signature__ = signature  # type: ignore[attr-defined]
        return call

    return decorate


def _score(guidance: Guidance, prior: Prior, likelihood: Likelihood | None) -> Score:
    """That of the prior alone without a likelihood."""
    return Unguided()(prior) if likelihood is None else guidance(prior, likelihood)
