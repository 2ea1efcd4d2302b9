"""Sliders, the paper's rows, and the settings they stand for."""

import itertools
from dataclasses import replace

import pytest

from dpskit.benchmarks.paper import FIGURE_2, ROWS, SETTINGS
from dpskit.experiments.experiment import CHAIRS, Settings
from dpskit.widgets.controls import NO_ROW, Controls
from dpskit.widgets.presets import presets
from dpskit.widgets.stops import ALPHAS

NAMES = ["chairs", "shapes", "complexes"], ["chair", "table", "ruvab"]


def controls(settings=None, shown=None):
    return Controls(settings or Settings(), *NAMES, have_pose, shown)


def have_pose(prior, target):
    return prior != "complexes" and target != "ruvab"


def test_the_pull_goes_to_a_million_in_even_steps_of_its_logarithm():
    assert ALPHAS[0] == 0 and ALPHAS[-1] == 1_000_000
    ratios = [b / a for a, b in itertools.pairwise(ALPHAS[1:])]
    assert all(1.2 <= ratio <= 1.6 for ratio in ratios)
    assert {row.alpha for row in [*ROWS.values(), *SETTINGS.values()]} <= set(ALPHAS)
    labels = dict(controls().widgets["alpha"].options)
    assert labels["1,000,000"] == 1e6 and labels["15"] == 15


@pytest.mark.parametrize("name", presets())
def test_a_row_of_the_paper_sets_data_and_method(name):
    panel, calls = controls(), []
    panel.on_change(lambda: calls.append(1))
    panel.preset.value = name
    row, kind = presets()[name]
    s, seen = panel.settings, panel.settings.scenario
    assert calls == [1], "one change for all"
    assert (seen.kind, seen.n_views, seen.alpha, seen.cutoff, seen.n_steps) == (
        row.kind,
        row.n_views,
        row.alpha,
        row.cutoff,
        row.n_steps,
    )
    assert seen.n_points == row.n_points and seen.coarse_points == row.coarse_points
    assert not seen.means, "as in the paper"
    assert seen.subunit_points == row.subunit_points * s.n_points / 1024
    assert s.prior == kind and (s.target == "ruvab") == (kind == "complexes")


def test_every_setting_of_the_paper_can_be_chosen():
    rows = [row for row, _ in presets().values()]
    assert rows == [*ROWS.values(), *SETTINGS.values(), *FIGURE_2.values()]


def test_only_the_sliders_of_what_is_measured_are_shown():
    panel = controls()

    def shown():
        return {name for name, widget in panel.widgets.items() if widget.layout.display != "none"}

    assert {"n_views", "view_points"} <= shown() and not {"coarse_points", "share"} & shown()
    panel.widgets["scenario"].value = "subunit"
    assert "share" in shown() and not {"n_views", "view_points", "coarse_points"} & shown()
    panel.widgets["share"].value = 1 / 8
    assert panel.settings.scenario.subunit_points == 64
    panel.widgets["scenario"].value = "everything"
    panel.widgets["coarse_points"].value = 40
    assert panel.settings.scenario.coarse_points == 40 and {"share", "coarse_points", "means", "n_views"} <= shown()
    assert panel.settings.scenario.means
    panel.widgets["means"].value = False
    assert not panel.settings.scenario.means
    panel.widgets["scenario"].value = "prior alone"
    assert {"n_steps", "prior"} <= shown() and not {"alpha", "cutoff", "n_views", "share"} & shown()


def test_the_pose_can_be_chosen_where_prior_and_target_have_one():
    panel = controls(Settings(pose="unknown"))
    pose = panel.widgets["pose"]

    def state():
        return pose.layout.display != "none", panel.settings.pose

    assert state() == (True, "unknown")
    for name, other in (("prior", "complexes"), ("target", "ruvab"), ("scenario", "prior alone")):
        before, panel.widgets[name].value = panel.widgets[name].value, other
        assert state() == (False, "upright"), other
        panel.widgets[name].value = before
        assert state() == (True, "unknown"), "what was chosen comes back"
    panel.preset.value = "A.4.1: complexes"
    assert panel.settings.target == "ruvab" and state() == (False, "upright")


def test_a_small_panel_shows_what_it_is_asked_for():
    panel = controls(shown=["alpha", "n_steps"])
    shown = [name for name, widget in panel.widgets.items() if widget.layout.display != "none"]
    assert shown == ["alpha", "n_steps"] and panel.preset.layout.display == "none"
    with pytest.raises(ValueError, match="controls must be one of"):
        controls(shown=["alfa"])


def test_settings_beside_the_stops_are_kept():
    odd = replace(CHAIRS, alpha=12_345.0, n_points=123, subunit_points=100, n_steps=3)
    settings = Settings(scenario=odd, n_points=300, seed=77)
    assert controls(settings).settings == settings
    panel = controls()
    panel.take(settings)
    assert panel.settings == settings and "12,345" in dict(panel.widgets["alpha"].options)
    panel.reset()
    assert panel.settings == Settings() and panel.preset.value == NO_ROW


def test_the_data_are_held():
    panel = controls()
    panel.lock_data(True)
    free = {name for name, widget in panel.widgets.items() if not widget.disabled}
    assert free == {"prior", "alpha", "cutoff", "n_steps", "n_samples"} and panel.preset.disabled
    panel.lock_data(False)
    assert not any(widget.disabled for widget in panel.widgets.values())
