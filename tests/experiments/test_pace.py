"""How long a run will take."""

from dataclasses import replace

import pytest

from dpskit.experiments import pace as module
from dpskit.experiments.experiment import CHAIRS, Settings
from dpskit.experiments.pace import Pace, in_words

SMALL = Settings("Gaussian (no shape)", "chair", replace(CHAIRS, n_points=50, n_views=2, n_steps=20), n_points=64)


def test_a_run_takes_as_long_as_the_last_one_did():
    pace = Pace()
    assert pace.seconds(SMALL) is None
    pace.learn(SMALL, 20, 8.0)
    pace.learn_report(SMALL, 2.0)
    assert pace.seconds(SMALL) == pytest.approx(10.0)
    longer = replace(SMALL, n_samples=3 * SMALL.n_samples, scenario=replace(SMALL.scenario, n_steps=40))
    assert pace.seconds(longer) == pytest.approx(3 * (16 + 2))
    assert pace.seconds(replace(SMALL, prior="chairs")) is None
    assert pace.seconds(replace(SMALL, n_points=128)) is None


def test_a_short_run_is_enough_to_know(monkeypatch):
    now = iter(range(1000))
    monkeypatch.setattr(module.time, "monotonic", lambda: float(next(now)))
    pace = Pace()
    steps = 1 + module.TIMED
    assert len(list(pace.calibrate(SMALL))) == 2 * steps, "of the run, and of maximum likelihood"
    per_step = pace.seconds(replace(SMALL, n_samples=1)) / (20 + 100)
    assert per_step == pytest.approx(1 / module.TIMED), "the clock ticks once for all steps but the first"
    assert list(pace.calibrate(SMALL)) == []


def test_a_calibration_that_is_stopped_knows_nothing():
    pace = Pace()
    next(pace.calibrate(SMALL))
    assert pace.seconds(SMALL) is None


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.3, "less than a second"), (12.4, "about 12 s"), (89, "about 89 s"), (150, "about 2 min")]
)
def test_times_are_said_as_people_do(seconds, words):
    assert in_words(seconds) == words
