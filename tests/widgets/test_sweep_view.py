"""The heat map of a sweep, without a browser."""

import io
import time

import numpy as np
import pytest

from dpskit.experiments.experiment import Settings
from dpskit.experiments.scenarios import Scenario
from dpskit.experiments.sweep import load_outcomes
from dpskit.widgets.sweep_view import SweepView

SMALL = Settings("Gaussian (no shape)", scenario=Scenario("one view", 1, 50), n_points=24, n_samples=1)


@pytest.fixture
def view(tmp_path):
    return SweepView(SMALL, [100.0, 1000.0, 10_000.0], [0.0, 0.5], [2, 4], tmp_path / "sweep.jsonl")


def test_the_map_holds_every_outcome_and_marks_the_best(view):
    view.start()
    view.wait(120)
    values = view.values()
    assert values.shape == (2, 2, 3) and np.isfinite(values).all()
    for outcome in load_outcomes(view.record):
        s = outcome.settings.scenario
        place = [2, 4].index(s.n_steps), [0.0, 0.5].index(s.cutoff), [100, 1000, 10_000].index(s.alpha)
        assert values[place] == outcome.cd
    figure = view.maps[0].live.figure
    stars = [trace for trace in figure.data[2:] if len(trace.x)]
    k, row, column = np.unravel_index(values.argmin(), values.shape)
    assert len(stars) == 1 and stars[0] is figure.data[2 + k]
    assert stars[0].x[0] == ("100", "1,000", "10,000")[column] and stars[0].y[0] == ("0", "0.5")[row]
    assert "The best: CD x 100" in view.status.value
    view.metric.value = "energy"
    assert np.array_equal(figure.data[0].z, view.values()[0])
    cells = figure.data[0].text
    assert cells[1][2] == f"{view.values()[0, 1, 2]:.2f}", "numbers stand in the cells"
    rows = view.table.value.split("<tr>")[2:]
    assert [row.split(">")[1].split("<")[0] for row in rows] == ["CD x 100", "EMD x 100", "E x 1000"]
    assert f">{values.min():.2f}<" in rows[0], "each metric has its best"
    view.beside.value = "cd"
    assert np.array_equal(view.maps[1].live.figure.data[0].z, values[0]), "A | B"
    view.picture().savefig(io.BytesIO(), format="png")


def test_a_stopped_sweep_goes_on(view):
    view.start()
    while len(view.outcomes) < 2:
        time.sleep(0.01)
    view.stop_button.click()
    view.wait(60)
    done = len(load_outcomes(view.record))
    assert 2 <= done < 12 and "Stopped" in view.status.value and not view.run_button.disabled
    view.start()
    view.wait(120)
    assert len(load_outcomes(view.record)) == len(view.outcomes) == 12
