"""What the panel does in the background: prepare data, time a few steps, run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

from dpskit.data.examples import Example
from dpskit.experiments.experiment import Experiment, Report, Settings, have_pose, run_experiment
from dpskit.experiments.pace import Pace, in_words
from dpskit.experiments.reproduce import code_of
from dpskit.priors.protocol import Prior
from dpskit.sampling.protocol import Info

Run = Callable[[Experiment], Iterator[Info]]

_shared_pace = Pace()  # of the shipped priors, learned by all panels of a kernel


class Jobs:
    """Iterators for a `Runner`. run: yields the `Info` of every step; priors, targets: further ones by name."""

    def __init__(self, run: Run, priors: Mapping[str, Prior], targets: Mapping[str, Example]) -> None:
        self.run_steps, self.priors, self.targets = run, dict(priors), dict(targets)
        self.usual = run is run_experiment
        self.pace = _shared_pace if self.usual and not priors else Pace()

    def prepare(self, settings: Settings) -> Experiment:
        """The target and its data."""
        return Experiment.of(settings, self.priors, self.targets)

    def have_pose(self, prior: str, target: str) -> bool:
        """Whether prior and target, by their names, know an upright, from which a pose can differ."""
        return have_pose(prior, target, self.priors, self.targets)

    def preview(self, settings: Settings) -> Iterator[Experiment | None]:
        """The data, and then the time of a run."""
        yield self.prepare(settings)
        yield from self.calibrate(settings)

    def calibrate(self, settings: Settings) -> Iterator[None]:
        """Find out how long a run takes; not of a run of one's own, which may do anything."""
        if self.usual:
            yield from self.pace.calibrate(settings, self.priors, self.targets)

    def run(self, settings: Settings) -> Iterator[Experiment | Info | str | Report]:
        """The data, every step, and the report with messages before it."""
        start = time.monotonic()
        experiment, info = self.prepare(settings), None
        yield experiment
        for info in self.run_steps(experiment):
            yield info
        if info is not None:
            middle = time.monotonic()
            self.pace.learn(settings, info.step + 1, middle - start)
            yield from experiment.report(info.x)
            self.pace.learn_report(settings, time.monotonic() - middle)

    def expected(self, settings: Settings) -> str:
        """A sentence about how long a run takes, or nothing."""
        seconds = self.pace.seconds(settings)
        return "" if seconds is None else f" A run takes {in_words(seconds)}."

    def code(self, settings: Settings) -> str:
        """The line of code that runs the settings again; none for a run of one's own."""
        own = settings.prior in self.priors or settings.target in self.targets
        return code_of(settings, own=own) if self.usual else ""
