"""The paper's settings: what is observed in each row, and what was published."""

from dataclasses import replace

import pytest

import dpskit
from dpskit.benchmarks import paper
from dpskit.experiments.experiment import CHAIRS
from dpskit.experiments.methods import ML


def test_the_rows_of_table_1_with_the_parameters_of_table_4():
    # fmt: off
    expected = {
        "1": (5, 200, 0, 0, 1e4, 0.15), "2": (6, 200, 0, 0, 1e4, 0.15), "3": (4, 400, 0, 0, 5e3, 0),
        "4": (5, 400, 0, 0, 1e4, 0), "5": (1, 300, 30, 0, 4e3, 0), "6": (1, 300, 30, 0, 4e3, 0),
        "7": (2, 200, 0, 256, 4e3, 0.15), "8": (2, 200, 0, 256, 4e3, 0.15), "9": (1, 200, 30, 128, 4e3, 0.15),
        "3 (Table 4)": (5, 400, 0, 0, 1e4, 0), "4 (Table 4)": (4, 400, 0, 0, 5e3, 0),
        "9 (Table 4)": (2, 200, 30, 128, 4e3, 0.15),
    }
    # fmt: on
    found = {
        key: (s.n_views, s.n_points, s.coarse_points, s.subunit_points, s.alpha, s.cutoff)
        for key, s in paper.ROWS.items()
    }
    assert found == expected
    assert all(s.reflections and s.n_steps == 40 and not s.anew and s.sigma is None for s in paper.ROWS.values())
    assert [key for key, kind in paper.OBJECTS.items() if kind == "chairs"] == ["1", "2", "5", "7"]


def test_the_chairs_of_panel_and_notebooks_are_row_1():
    assert replace(CHAIRS, name="1") == paper.ROWS["1"]


def test_the_seven_settings_of_the_appendix():
    points = dpskit.load_example("ruvab").points
    seen = []
    for scenario in paper.SETTINGS.values():
        data = scenario.observe(points, 0)
        views = data if isinstance(data, dpskit.Projections) else data.parts[0]
        coarse = 0 if isinstance(data, dpskit.Projections) else len(data.parts[1].points)
        seen.append((len(views.points), len(views.points[0]), coarse, scenario.alpha))
    # fmt: off
    assert seen == [(3, 1024, 0, 4e4), (4, 1024, 0, 6e4), (5, 1024, 0, 8e4), (4, 800, 0, 4e4),
                    (2, 900, 30, 4e3), (1, 1024, 40, 4e3), (1, 300, 40, 4e3)]
    # fmt: on
    assert not any(scenario.reflections or scenario.cutoff for scenario in paper.SETTINGS.values())


def test_published_numbers_are_kept_for_every_row():
    assert set(paper.PUBLISHED) == {*paper.ROWS, "Table 2"}
    rows = [paper.PUBLISHED[str(k)] for k in range(1, 10)]
    ratios = [row["DPS"].cd[0] / row[ML].cd[0] for row in rows]
    assert sum(ratios) / 9 == pytest.approx(0.771, abs=0.001)
    assert all(row["DPS"].emd[0] < row[ML].emd[0] for row in rows)  # "consistently better", says the paper
    assert paper.PUBLISHED["9 (Table 4)"] == paper.PUBLISHED["9"]
    assert paper.PUBLISHED["Table 2"]["C, + correction step"] == paper.PUBLISHED["8"]["DPS"]
    assert [paper.PUBLISHED[k][ML].energy[0] for k in ("1", "2", "5")] == [3.68, 3.87, 5.04]


def test_figures_have_the_settings_that_the_text_gives():
    seen = {key[-1]: (s.n_views, s.coarse_points, s.subunit_points) for key, s in paper.FIGURE_2.items()}
    assert seen == {"A": (5, 0, 0), "B": (4, 0, 0), "C": (3, 0, 0), "D": (1, 40, 0), "E": (3, 0, 256)}
    assert all(scenario.n_steps == 80 for scenario in paper.FIGURE_2.values())
    assert set(paper.PUBLISHED_RMSD) == set(paper.FIGURE_2)
