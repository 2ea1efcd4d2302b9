from dataclasses import replace

import numpy as np

from dpskit.experiments import Settings
from dpskit.experiments.sweep import Outcome, grid
from dpskit.widgets.sweep_map import SweepMap

ALPHAS, CUTOFFS, STEPS = [100.0, 1000.0, 10_000.0], [0.0, 0.15], [5, 10]
OUTCOMES = [
    Outcome(settings, cd=float(k), emd=30.0 - k, energy=None if k % 2 else k / 10, rmsd=None)
    for k, settings in enumerate(grid(Settings(), ALPHAS, CUTOFFS, STEPS))
]


def test_each_setting_has_its_cell():
    values = SweepMap(ALPHAS, CUTOFFS, STEPS).values(OUTCOMES, "cd")
    assert values.shape == (2, 2, 3)
    for k, outcome in enumerate(OUTCOMES):
        scenario = outcome.settings.scenario
        cell = STEPS.index(scenario.n_steps), CUTOFFS.index(scenario.cutoff), ALPHAS.index(scenario.alpha)
        assert values[cell] == k


def test_what_is_not_known_is_empty():
    values = SweepMap(ALPHAS, CUTOFFS, STEPS).values(OUTCOMES[:4], "energy")
    assert int(np.isfinite(values).sum()) == 2 and values[0, 0, 2] == 0.2


def test_the_star_is_at_the_least_value():
    figure = SweepMap(ALPHAS, CUTOFFS, STEPS)
    figure.show(OUTCOMES, "emd")  # least where k is largest: the last setting
    heat, stars = figure.live.figure.data[:2], figure.live.figure.data[2:]
    assert heat[1].text[1][2] == "19.00" and float(heat[0].z[0][0]) == 30
    assert (list(stars[0].x), list(stars[1].x), list(stars[1].y)) == ([], ["10,000"], ["0.15"])
    figure.show([replace(OUTCOMES[0], emd=1.0), *OUTCOMES[1:]], "emd")
    assert (list(stars[0].x), list(stars[0].y), list(stars[1].x)) == (["100"], ["0"], [])


def test_one_value_far_above_the_others_leaves_them_their_colours():
    figure = SweepMap(ALPHAS, CUTOFFS, STEPS)
    figure.show([replace(outcome, cd=20.0 + k) for k, outcome in enumerate(OUTCOMES)], "cd")
    axis = figure.live.figure.layout.coloraxis
    assert (round(axis.cmin, 6), round(axis.cmax, 6)) == (20, 31), "from the least to the largest"
    figure.show([replace(outcome, cd=1000.0 if k == 3 else 10.0 + k) for k, outcome in enumerate(OUTCOMES)], "cd")
    assert (round(axis.cmin, 6), round(axis.cmax, 6)) == (10, 49.5), "three times the median of 16.5"
