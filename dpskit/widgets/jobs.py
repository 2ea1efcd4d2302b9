"""What the panel does in the background: prepare data, time a few steps, run."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cache

from dpskit.data.examples import Example
from dpskit.experiments.experiment import Experiment, Report, Settings, have_pose, run_experiment
from dpskit.experiments.pace import Pace, in_words
from dpskit.experiments.reproduce import code_of
from dpskit.priors.protocol import Prior
from dpskit.sampling.protocol import Info
from dpskit.transport.assignment import compile_engine

Run = Callable[[Experiment], Iterator[Info]]

PREPARING = "The assignment engine is being prepared: the first time on a machine this takes up to a minute."

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

    def preview(self, settings: Settings) -> Iterator[Experiment | str | None]:
        """The data, and then the time of a run."""
        yield self.prepare(settings)
        yield from self.calibrate(settings)

    def calibrate(self, settings: Settings) -> Iterator[str | None]:
        """Find out how long a run takes; not of a run of one's own, which may do anything."""
        if self.usual:
            yield from until_compiled()
            yield from self.pace.calibrate(settings, self.priors, self.targets)

    def run(self, settings: Settings) -> Iterator[Experiment | Info | str | Report]:
        """The data, every step, and the report; with sentences about what takes time meanwhile."""
        experiment, info = self.prepare(settings), None
        yield experiment
        yield from until_compiled()
        start = time.monotonic()
        for info in self.run_steps(experiment):
            yield info
        if info is not None:
            middle = time.monotonic()
            self.pace.learn(settings, info.step + 1, middle - start)
            for item in experiment.report(info.x):
                yield f"Sampled; now {item} …" if isinstance(item, str) else item
            self.pace.learn_report(settings, time.monotonic() - middle)

    def expected(self, settings: Settings) -> str:
        """A sentence about how long a run takes, or nothing."""
        seconds = self.pace.seconds(settings)
        return "" if seconds is None else f" A run takes {in_words(seconds)}."

    def code(self, settings: Settings) -> str:
        """The line of code that runs the settings again; none for a run of one's own."""
        own = settings.prior in self.priors or settings.target in self.targets
        return code_of(settings, own=own) if self.usual else ""


@cache
def _compilation() -> threading.Thread:
    """Compiles the assignment engine beside everything else, because numba cannot be stopped on its way."""
    thread = threading.Thread(target=compile_engine, name="dpskit engine", daemon=True)
    thread.start()
    return thread


def until_compiled() -> Iterator[str]:
    """Says what it waits for until the assignment engine is compiled; it can be stopped meanwhile."""
    thread = _compilation()
    thread.join(0.3)
    while thread.is_alive():
        yield PREPARING
        thread.join(0.3)
