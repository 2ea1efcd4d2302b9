"""One reconstruction of a shipped target from named settings: data, run and scores."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache

import torch
from torch import Tensor

from dpskit.checks import check_choice, check_integer, check_kind, check_seed
from dpskit.cloud import resample
from dpskit.data.examples import Example, list_examples, load_example
from dpskit.evaluation.distances import chamfer_distance
from dpskit.evaluation.scores import Scores, score
from dpskit.evaluation.spread import point_spread
from dpskit.experiments.scenarios import Observed, Scenario
from dpskit.likelihoods.coarse import CoarseGrained
from dpskit.likelihoods.projection import Projections, project
from dpskit.likelihoods.subunit import Subunit
from dpskit.priors.analytic import GaussianPrior
from dpskit.priors.protocol import Prior
from dpskit.priors.store import list_priors, load_prior
from dpskit.rotations import random_rotations
from dpskit.sampling.dps import DPS
from dpskit.sampling.maximum_likelihood import iterate_maximum_likelihood
from dpskit.sampling.noise import InverseTime, NoiseSource
from dpskit.sampling.protocol import Info
from dpskit.sampling.sample import iterate
from dpskit.sampling.schedule import karras_schedule
from dpskit.sampling.solvers import FLOW, Algorithm1

NO_SHAPE = "Gaussian (no shape)"
POSES = ("upright", "unknown")
ML_STEPS = 100
"""Steps of maximum likelihood, with which a run is compared."""

CHAIRS = Scenario("chairs", 5, 200, alpha=10_000, cutoff=0.15, reflections=True)
"""Row 1 of the paper's Tables 1 and 4."""


@dataclass(frozen=True)
class Settings:
    """User-adjustable settings of one reconstruction.

    Parameters
    ----------
    prior
        A name of `list_priors`, or "Gaussian (no shape)".
    target
        A name of `list_examples`.
    scenario
        What is observed of the target, and how it is reconstructed (default: row 1 of the paper's Table 4). Whether its
        orientations include reflections follows from the target.
    pose
        How a shape stands: "upright", as priors of shapes know objects, or "unknown": turned by the seed, so that its
        pose has to be found. Complexes, which have no upright, are always turned.
    n_points
        Points of the reconstruction, and of the target.
    n_samples
        Samples drawn together.
    seed
        Of the target's orientation, of the data and of the samples.
    """

    prior: str = "chairs"
    target: str = "chair"
    scenario: Scenario = CHAIRS
    pose: str = "upright"
    n_points: int = 512
    n_samples: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        check_kind("scenario", self.scenario, Scenario)
        check_choice("pose", self.pose, POSES)
        for name in ("n_points", "n_samples"):
            check_integer(name, getattr(self, name))
        check_seed("seed", self.seed)


@dataclass(frozen=True, eq=False)
class StepScores:
    """Scores of one step, each (s,): the energy E of the denoised clouds, their residual sqrt(2 E), which is the root
    mean square distance of matched points, and their Chamfer distance to the truth. In the cube; E and residual are
    None without data."""

    energy: Tensor | None
    residual: Tensor | None
    distance: Tensor


@dataclass(frozen=True, eq=False)
class Report:
    """Results of a finished run: its samples in matched order (s, n, 3) and their spread (n,); the clouds of maximum
    likelihood, None without data; and the scores of each method by its name."""

    samples: Tensor
    spread: Tensor
    fitted: Tensor | None
    scores: dict[str, Scores]


@dataclass(frozen=True, eq=False)
class Experiment:
    """A loaded target with its data. truth: (n, 3), rotated by `turn` (3, 3) as the settings say; data: None without
    any."""

    settings: Settings
    prior: Prior
    target: Example
    turn: Tensor
    truth: Tensor
    data: Observed | None

    @staticmethod
    def of(
        settings: Settings,
        priors: Mapping[str, Prior] | None = None,
        targets: Mapping[str, Example] | None = None,
    ) -> Experiment:
        """Load prior and target, rotate the target unless it stands upright, and simulate its data.

        priors, targets: additional ones by name. Raises ValueError for an unknown name.
        """
        prior, target = _load(settings.prior, settings.target, priors or {}, targets or {})
        scenario = replace(settings.scenario, reflections=target.atoms is None)
        turn = torch.eye(3)
        if target.atoms is not None or settings.pose == "unknown":
            turn = random_rotations(1, settings.seed, reflections=scenario.reflections)[0]
        truth = resample(target.points, settings.n_points, settings.seed) @ turn
        return Experiment(settings, prior, target, turn, truth, scenario.observe(truth, settings.seed))

    @property
    def parts(self) -> list[Projections | CoarseGrained | Subunit]:
        """The observations, one by one."""
        return [] if self.data is None else list(getattr(self.data, "parts", [self.data]))

    @property
    def views(self) -> Projections | None:
        """The observed projections, if there are any."""
        return next((part for part in self.parts if isinstance(part, Projections)), None)

    @property
    def truth_name(self) -> str:
        """What pictures call `truth`: without data there is no truth, but an object to compare with."""
        return "truth" if self.data is not None else f"{self.settings.target}, not observed"

    @property
    def t_max(self) -> float:
        """First noise level: 1 with data, 80 without. Paper: A.3 and figures 3 to 5."""
        return 80.0 if self.data is None else 1.0

    def upright(self, points: Tensor) -> Tensor:
        """Points (..., 3) turned back to the orientation of the target's file, for display."""
        return points @ self.turn.T

    def predict(self, points: Tensor) -> list[Tensor]:
        """The projections (n, 2) of one cloud (n, 3) that correspond to the observed ones."""
        return [] if self.views is None else [project(points, rotation) for rotation in self.views.rotations]

    def noise(self) -> Tensor:
        """The clouds (s, n, 3) at which the run starts."""
        s = self.settings
        width = math.hypot(self.t_max, getattr(self.prior, "scale", 0.0))  # as `prepare` has it
        return width * NoiseSource(s.seed, range(s.n_samples), (s.n_points, 3)).draw(0)

    def step_scores(self, info: Info) -> StepScores:
        """The scores of the denoised clouds of a step."""
        distance = chamfer_distance(info.denoised, self.truth)
        return StepScores(info.energy, None if info.energy is None else (2 * info.energy).sqrt(), distance)

    def score(self, points: Tensor) -> Scores:
        """Score clouds (s, n, 3) against the truth and the data, in angstrom too if the target has a physical size."""
        energy = None if self.data is None else self.data.energy(points)
        return score(points, self.truth, energy, None if self.target.atoms is None else self.target.frame)

    def report(self, samples: Tensor) -> Iterator[str | Report]:
        """Compare `samples` (s, n, 3) with maximum likelihood and the truth: yields messages, and a Report last.

        It is an iterator so that it can be stopped early.
        """
        s, fitted = self.settings, None
        if self.data is not None:
            steps = iterate_maximum_likelihood(
                self.data.start(), s.n_samples, s.n_points, n_steps=ML_STEPS, seed=s.seed
            )
            for fit in steps:
                if fit.step % 10 == 0:
                    yield f"maximum likelihood, step {fit.step} of {ML_STEPS}"
                fitted = fit.x
        yield "per-point spread"
        ordered, spread = point_spread(samples)
        clouds = {"prior samples" if fitted is None else "posterior samples": samples, "maximum likelihood": fitted}
        scores = {}
        for name, points in clouds.items():
            if points is not None:
                yield f"scores of {name}"
                scores[name] = self.score(points)
        yield Report(ordered, spread, fitted, scores)


def run_experiment(experiment: Experiment) -> Iterator[Info]:
    """Algorithm 1 with DPS, without data the flow; one `Info` per step: the default run of panels and sweeps."""
    s, data = experiment.settings, experiment.data
    scenario = s.scenario
    return iterate(
        experiment.prior,
        data,
        n_samples=s.n_samples,
        n_points=s.n_points,
        pose="unknown" if s.pose == "unknown" and data is not None else None,
        schedule=karras_schedule(scenario.n_steps, t_max=experiment.t_max),
        guidance=DPS(scenario.alpha),
        solver=FLOW if data is None else Algorithm1(InverseTime(scenario.cutoff)),
        seed=s.seed,
        progress=False,
    )


def prior_names() -> list[str]:
    """Names of the shipped priors, and of a Gaussian one without shape."""
    return [*list_priors(), NO_SHAPE]


def target_names() -> list[str]:
    """The shipped examples."""
    return list_examples()


def have_pose(prior: str, target: str, priors: Mapping[str, Prior], targets: Mapping[str, Example]) -> bool:
    """Whether `Settings.pose` means anything: the prior's objects stand upright, and the target is no complex."""
    known, example = _load(prior, target, priors, targets)
    return getattr(known, "orientation", None) == "upright" and example.atoms is None


def _load(
    prior: str, target: str, priors: Mapping[str, Prior], targets: Mapping[str, Example]
) -> tuple[Prior, Example]:
    return priors.get(prior) or _shipped_prior(prior), targets.get(target) or load_example(target)


@cache
def _shipped_prior(name: str) -> Prior:
    return GaussianPrior(0.0, 0.4) if name == NO_SHAPE else load_prior(name)
