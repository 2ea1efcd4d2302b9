"""Scenarios compared over methods and targets: what is computed, kept and said."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import dpskit
from dpskit.benchmarks.paper import ROWS, SETTINGS
from dpskit.benchmarks.paper.compare import Comparison, Line, Study, choose_alpha, compare
from dpskit.benchmarks.paper.page import comparison_page, comparison_table, summary_table
from dpskit.cli import main
from dpskit.experiments.methods import FLOOR, ML, posterior
from dpskit.experiments.scenarios import Scenario
from dpskit.experiments.targets import Target
from dpskit.experiments.units import Unit

SMALL = Scenario("small", 2, 16, n_steps=6, alpha=4_000)
PRIORS = {"trained": dpskit.GaussianPrior(0.0, 0.5), "Gaussian": dpskit.GaussianPrior(0.0, 0.4)}


def make_targets(seeds, n_points=24):
    points = {
        seed: torch.rand(2 * n_points, 3, generator=torch.Generator().manual_seed(seed)) * 2 - 1 for seed in seeds
    }
    return [Target(f"t{s}", p[:n_points], s, rest=p[n_points:]) for s, p in points.items()]


@pytest.fixture
def study(tmp_path):
    return Study(make_targets((0, 1)), PRIORS, tmp_path, 2, make_targets((2,)), report=lambda text: None)


def test_every_method_has_a_line(study):
    found = compare(study, "key", SMALL, "A note.")
    shown = [(line.method, line.chosen) for line in found.lines]
    both = [(name, chosen) for name in PRIORS for chosen in (False, True)]
    assert shown == [(ML, False), *both, (FLOOR, False)]
    assert found.targets == ["t0", "t1"] and found.chosen_on == ["t2"] and found.own_rmsd is None
    result = Unit(study.targets[1], SMALL, posterior("x", PRIORS["trained"], SMALL), 2).load(study.folder)
    assert found.line("trained", chosen=False).means["cd"][1] == pytest.approx(np.mean(result.cd))
    assert found.line("trained").alpha == 4_000
    few = compare(replace(study, others=()), "key", SMALL)
    assert [line.method for line in few.lines] == [ML, *PRIORS, FLOOR]


def test_alpha_is_the_best_on_the_other_targets(study):
    best = choose_alpha(study, "Gaussian", SMALL)

    def error(alpha):
        unit = Unit(study.others[0], SMALL, posterior("x", PRIORS["Gaussian"], SMALL, alpha=alpha), 1)
        return unit.compute().cd[0]

    assert error(best) <= min(error(best / 1.5), error(best * 1.5), error(SMALL.alpha))


def test_a_comparison_is_read_back_as_it_was_written(study, tmp_path):
    found = compare(study, "key", SMALL)
    found.save(tmp_path / "c.json")
    again = Comparison.load(tmp_path / "c.json")
    assert again.lines[1].means["cd"] == pytest.approx(found.lines[1].means["cd"], rel=1e-4)
    assert replace(again, lines=[]) == replace(found, lines=[])


def line(method, cd, alpha=None, chosen=False, **means):
    means = {"cd": cd, "emd": [2 * x for x in cd], "energy": [x / 100 for x in cd]} | means
    return Line(method, alpha, chosen, means, dict.fromkeys(means, 0.01), 1.25)


def shapes():
    lines = [line(ML, [0.2, 0.4]), line("trained", [0.1, 0.26], 1e4), line("Gaussian", [0.3, 0.6], 1e4)]
    lines += [line("Gaussian", [0.2, 0.2], 1.5e4, True), line(FLOOR, [0.05, 0.05])]
    return Comparison("1", "1: five projections", ["a", "b"], 2, lines, ["c"])


def test_the_table_gives_means_ratios_and_the_paper_s_numbers():
    rows = [row.strip("| ").split(" | ") for row in comparison_table(shapes(), "Gaussian").splitlines()[2:]]
    assert rows[0] == [ML, "30.00 ± 1.00", "60.00 ± 1.00", "3.00 ± 10.00", "1", "1", "", "1.2"]
    assert rows[1][0] == "trained, alpha 10,000" and rows[1][4:] == [
        "0.60 [0.50, 0.65]", "0.60 [0.50, 0.65]", "0.90 [0.50, 1.30]", "1.2"
    ]  # fmt: skip
    assert rows[3][0] == "Gaussian, alpha 15,000, chosen on other targets" and rows[3][6] == ""
    assert rows[5][:6] == ["paper: ML", "13.30 ± 2.00", "11.03 ± 1.69", "3.68 ± 0.88", "1.00", "1.00"]
    assert rows[6][:5] == ["paper: DPS", "9.98 ± 2.38", "8.32 ± 1.77", "3.80 ± 1.02", "0.75"]


def test_the_summary_compares_with_the_gaussian_at_its_chosen_alpha():
    rows = [row.strip("| ").split(" | ") for row in summary_table([shapes()], "Gaussian").splitlines()[2:]]
    assert rows[0] == ["1", "trained, alpha 10,000", "0.60 [0.50, 0.65]", "100%", "0.90 [0.50, 1.30]", "0.75"]
    assert rows[1][1].startswith("Gaussian, alpha 15,000") and rows[1][3] == "50%" and len(rows) == 2


def test_structures_are_compared_by_rmsd_and_have_a_floor():
    lines = [line(ML, [0.1, 0.1], rmsd=[8.0, 4.0], rmsd_atoms=[5.0, 3.0])]
    lines += [line("Gaussian", [0.1, 0.1], 4e4, rmsd=[6.0, 3.0], rmsd_atoms=[5.0, 2.0])]
    found = Comparison("A.4.1", "A.4.1: three projections", ["a", "b"], 1, lines, own_rmsd=[3.0, 2.0])
    page = comparison_page("Title", [found], "Gaussian")
    assert "| Gaussian, alpha 40,000 | 4.50 ± 0.01 | 3.50 ± 0.01 | 1.00 ± 10.00 | 0.75 [0.75, 0.75] |" in page
    assert "| the targets' own points | 0 | 2.50 |" in page
    assert page.startswith("# Title\n") and "2 targets, 1 sample each: a b." in page


def packed(path, count=4, n_points=90):
    points = np.random.default_rng(0).uniform(-1, 1, (count, n_points, 3)).astype(np.float16)
    np.savez(path, points=points, name=np.array([f"s{k}" for k in range(count)]))
    return str(path)


def test_the_command_table1_writes_a_page_that_grows_row_by_row(tmp_path, capsys):
    arguments = ["benchmark", "table1", "--targets", packed(tmp_path / "t.npz"), "--count", "2", "--n-samples", "1"]
    arguments += ["--no-prior", "--n-points", "40", "--out", str(tmp_path / "out")]
    small = [*arguments, "--choose-alpha", "1", "--twin"]
    assert main([*small, "--row", "5"]) == 0
    units = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "units").iterdir()}
    assert main([*arguments, "--row", "1"]) == 0
    page = (tmp_path / "out" / "table1.md").read_text()
    heads = [text for text in page.splitlines() if text.startswith("## ")]
    assert [text.partition(":")[0] for text in heads] == ["## 1", "## 5", "## 5, points drawn anew"]
    assert page in capsys.readouterr().out and "paper: DPS | 10.38 ± 2.24" in page
    assert main([*small, "--row", "5"]) == 0
    assert all(path.stat().st_mtime_ns == time for path, time in units.items())


def test_the_command_says_what_it_cannot_do(tmp_path, capsys):
    arguments = ["benchmark", "table1", "--targets", packed(tmp_path / "t.npz"), "--no-prior"]
    assert main([*arguments, "--row", "10"]) == 2
    assert "--row must be one of 1, 2, 3, 3 (Table 4)" in capsys.readouterr().err
    assert main([*arguments, "--count", "3", "--choose-alpha", "2"]) == 2
    assert "at most 4 targets, got 3 + 2" in capsys.readouterr().err


def test_the_command_a4_measures_structures_beside_their_realistic_twins(tmp_path, capsys, monkeypatch):
    ruvab = dpskit.load_example("ruvab").structure_path
    small = Scenario("A.4.2", 2, 20, n_steps=2)
    monkeypatch.setitem(SETTINGS, "A.4.2", small)
    arguments = ["benchmark", "a4", str(ruvab), "--setting", "A.4.2", "--count", "1", "--n-samples", "1"]
    assert main([*arguments, "--no-prior", "--n-points", "30", "--out", str(tmp_path)]) == 0
    page = (tmp_path / "a4.md").read_text()
    assert "## A.4.2, points drawn anew and noise of 1.5: 2 projections of 20 points" in page
    assert page.count("the targets' own points") == 2 and "RMSD to atoms (Å)" in page
    assert main([*arguments, "--exclude", "1abc"]) == 2
    assert "--exclude must be one of" in capsys.readouterr().err


def test_rows_of_table_1_run_with_few_points(study):
    """A subunit of 128 points needs as many in the model."""
    found = compare(replace(study, targets=make_targets((3,), 160), others=()), "9", replace(ROWS["9"], n_steps=1))
    assert found.title == "9: 1 projection of 200 points, 30-point structure, subunit of about 128 points"
    assert all(np.isfinite(one.means["cd"]).all() for one in found.lines)
