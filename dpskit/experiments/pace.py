"""How long a run will take, from runs and steps that were timed."""

from __future__ import annotations

import itertools
import time
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from dpskit.data.examples import Example
from dpskit.experiments.experiment import ML_STEPS, Experiment, Settings, run_experiment
from dpskit.priors.protocol import Prior
from dpskit.sampling.maximum_likelihood import iterate_maximum_likelihood

TIMED = 7  # steps of a short run that are timed, after a first one that loads and compiles

Key = tuple[str, str, str, int]


@dataclass
class Pace:
    """Seconds of a step per sample, and per sample of what follows a run: maximum likelihood and the scores.

    Both by prior, kind of data, pose and number of points.
    """

    step: dict[Key, float] = field(default_factory=dict)
    report: dict[Key, float] = field(default_factory=dict)

    def seconds(self, settings: Settings) -> float | None:
        """What a run is expected to take; None where nothing like it was timed."""
        key = _key(settings)
        if key not in self.step:
            return None
        return settings.n_samples * (settings.scenario.n_steps * self.step[key] + self.report.get(key, 0.0))

    def learn(self, settings: Settings, steps: int, seconds: float) -> None:
        """Note that `steps` of a run took so long."""
        self.step[_key(settings)] = seconds / (steps * settings.n_samples)

    def learn_report(self, settings: Settings, seconds: float) -> None:
        """Note how long maximum likelihood and the scores took."""
        self.report[_key(settings)] = seconds / settings.n_samples

    def calibrate(
        self,
        settings: Settings,
        priors: Mapping[str, Prior] | None = None,
        targets: Mapping[str, Example] | None = None,
    ) -> Iterator[None]:
        """Time a short run of one sample, unless there was one already; yields after each step, to be stopped there.

        It passes through all noise levels, because steps at some take longer than at others. Of a target in an unknown
        pose, the search for the pose is not timed.
        """
        if _key(settings) in self.step:
            return
        short = replace(settings.scenario, n_steps=1 + TIMED)
        one = Experiment.of(replace(settings, scenario=short, n_samples=1, pose="upright"), priors, targets)
        step = yield from _timed(run_experiment(one))
        if one.data is not None:
            fit = iterate_maximum_likelihood(one.data.start(), 1, settings.n_points, n_steps=ML_STEPS, seed=0)
            self.report[_key(settings)] = ML_STEPS * (yield from _timed(fit))
        self.step[_key(settings)] = step


def _timed(steps: Iterable[object]) -> Generator[None, None, float]:
    """Seconds of one of the steps; yields after each that was tried."""
    start = time.monotonic()
    for k, _ in enumerate(itertools.islice(steps, 1 + TIMED)):
        yield
        start = time.monotonic() if k == 0 else start
    return (time.monotonic() - start) / TIMED


def in_words(seconds: float) -> str:
    """A time as one says it: about 12 s, about 3 min."""
    if seconds < 1:
        return "less than a second"
    return f"about {seconds:.0f} s" if seconds < 90 else f"about {seconds / 60:.0f} min"


def _key(settings: Settings) -> Key:
    return settings.prior, settings.scenario.kind, settings.pose, settings.n_points
