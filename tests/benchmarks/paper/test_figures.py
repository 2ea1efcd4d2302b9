"""Pictures of the paper's figures, and Table 2: what they are made of."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import dpskit
from dpskit.benchmarks import paper
from dpskit.benchmarks.paper.compare import Study
from dpskit.benchmarks.paper.figures import box_figure, steps_figure
from dpskit.benchmarks.paper.gallery import figure_1, figure_2
from dpskit.benchmarks.paper.record import Line, TablePart
from dpskit.benchmarks.paper.steps import figure_6, table_2
from dpskit.cli import main
from dpskit.experiments.methods import FLOOR, ML
from dpskit.experiments.targets import Target, complex_targets

PRIORS = {"trained": dpskit.GaussianPrior(0.0, 0.5), "Gaussian": dpskit.GaussianPrior(0.0, 0.4)}
RUVAB = dpskit.load_example("ruvab").structure_path


def make_study(folder, count=1, n_points=40):
    points = [torch.rand(n_points, 3, generator=torch.Generator().manual_seed(k)) * 2 - 1 for k in range(count)]
    targets = [Target(f"t{k}", cloud, k) for k, cloud in enumerate(points)]
    return Study(targets, 1, folder, PRIORS, "Gaussian", report=lambda text: None)


@pytest.fixture
def few(monkeypatch):
    """The paper's rows with few points and steps."""
    small = {"n_points": 16, "coarse_points": 0, "n_steps": 3}
    for key, row in paper.ROWS.items():
        part = {"subunit_points": 10 if row.subunit_points else 0}
        monkeypatch.setitem(paper.ROWS, key, replace(row, **small, **part))


def rmsd_line(method, rmsd, alpha=None, chosen=False):
    values = {"rmsd": rmsd, "rmsd_atoms": [[x + 1 for x in one] for one in rmsd]}
    means = {name: [float(np.mean(one)) for one in found] for name, found in values.items()}
    return Line(method, alpha, chosen, means, dict.fromkeys(means, 1.0), 1.0, values)


def test_box_plots_hold_what_was_measured(one_sentence):
    lines = [rmsd_line(ML, [[10.0, 12.0], [5.0]]), rmsd_line("DPS", [[20.0], [20.0]], 1e4)]
    lines += [rmsd_line("DPS", [[8.0, 9.0], [6.0]], 2e4, True), rmsd_line(FLOOR, [[3.0], [4.0]])]
    found = TablePart("A.4.1", "A.4.1: 3 projections", ["a", "b"], 2, lines, own_rmsd=[2.0, 1.0])
    points, atoms = box_figure([found]).axes
    assert [tick.get_text() for tick in points.get_xticklabels()] == ["b", "a"]  # sorted by DPS
    texts = [text.get_text() for text in points.get_legend().get_texts()]
    assert texts == [f"{ML} (8.00)", "DPS (7.25)", "floor"]
    floors = [axis.collections[-1].get_segments() for axis in (points, atoms)]
    assert [[segment[0, 1] for segment in one] for one in floors] == [[4.0, 3.0], [1.0, 2.0]]
    with one_sentence(ValueError, "parts"):
        box_figure([found.without_values()])


def test_table_2_compares_solvers_of_as_many_evaluations(tmp_path, monkeypatch, few):
    found = table_2(make_study(tmp_path), "trained", "")
    assert [line.method for line in found.lines[1:]] == [*paper.PUBLISHED["Table 2"], "Heun"]
    counted = {}

    class Counting:
        def denoise(self, x, t):
            counted[name] = counted.get(name, 0) + 1
            return PRIORS["trained"].denoise(x, t)

    study = replace(make_study(tmp_path / "b"), priors={"counting": Counting()})
    for name in paper.PUBLISHED["Table 2"]:
        monkeypatch.setattr("dpskit.benchmarks.paper.steps.compare", lambda s, k, c, n, methods: methods)
        (method,) = [m for m in table_2(study, "counting", "") if m.name == name]
        method.run(paper.ROWS["8"].observe(study.targets[0].points, 0), n_samples=1, n_points=40, seed=0)
    trial = {count - 79 for count in counted.values()}
    assert len(counted) == 3 and len(trial) == 1 and 0 <= trial.pop() <= 2  # beside the trial before a run


def test_figure_6_has_both_sides_and_its_curves(tmp_path, monkeypatch, few):
    monkeypatch.setattr("dpskit.benchmarks.paper.steps.STEPS", (2, 4))
    found = list(figure_6(make_study(tmp_path, 2), "trained", ""))
    assert [one.key for one in found] == ["Figure 6, left", "Figure 6, right"]
    left, right = steps_figure(found, (2, 4)).axes
    assert left.get_title() == "Figure 6, left" and right.get_title() == "Figure 6, right"
    curve = left.containers[0].lines[0]
    expected = [100 * np.mean(line.means["cd"]) for line in found[0].lines[1:3]]
    assert curve.get_xdata().tolist() == [2, 4] and curve.get_ydata().tolist() == pytest.approx(expected)


def test_figure_1_shows_a_target_for_each_of_five_cases(tmp_path, few):
    studies = [make_study(tmp_path, 8) for _ in paper.FIGURE_1]
    found, figure = figure_1(studies, 3, "")
    assert [one.key for one in found] == [f"Figure 1, panel {k}" for k in range(1, 6)]
    names = [one.targets for one in found]
    assert len({tuple(name) for name in names}) > 1
    assert names == [one.targets for one in figure_1(studies, 3, "")[0]]
    titles = [axis.get_title() for axis in figure.axes if axis.get_title()]
    assert len(titles) == 20 and titles[3] == f"row 9: {names[0][0]}"
    assert titles[1] == f"DPS, CD {100 * found[0].line('trained').means['cd'][0]:.1f}"


def test_figure_2_keeps_its_samples(tmp_path):
    (target,) = complex_targets([RUVAB], 30)
    study = replace(make_study(tmp_path), targets=[target], n_samples=2)
    scenario = replace(paper.FIGURE_2["Figure 2D"], n_points=20, coarse_points=5, n_steps=3)
    found, figure = figure_2(study, "Figure 2D", scenario, "")
    assert found.targets == ["7pbl"] and "rmsd" in found.lines[0].means
    (kept,) = tmp_path.glob("*.npz")
    samples = dpskit.load_samples(kept)
    moved = dpskit.overlay(samples.points, target.points)
    rmsd = dpskit.rmsd_to_points(moved, target.points) * target.scale
    assert found.line("trained").values["rmsd"][0] == pytest.approx(rmsd.tolist(), rel=1e-4)
    assert [axis.get_title() for axis in figure.axes[:4]] == ["a projection", "2 samples", "points", "atoms"]


def test_a_known_part_is_what_its_chains_are(tmp_path):
    structure = dpskit.read_structure(RUVAB)
    (target,) = complex_targets([RUVAB], 40, chains=[str(structure.chains[0])])
    assert 0 < len(target.part) < 40
    data = paper.FIGURE_2["Figure 2E"].observe(target.points, 0, part=target.part)
    assert torch.equal(data.parts[1].points, target.part)
    assert float(torch.cdist(target.part.double(), target.points.double()).amin(dim=1).max()) < 1e-5


def test_the_command_figure2_wants_a_panel_for_each_structure(capsys):
    assert main(["benchmark", "figure2", str(RUVAB), "--panel", "A", "--panel", "B"]) == 2
    assert "--panel must name a panel for each of 1 structures" in capsys.readouterr().err
