"""Scenarios compared over methods and targets: what is computed, kept and said."""

import argparse
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

import dpskit
from dpskit import PointMixturePrior
from dpskit.benchmarks.paper import ROWS, SETTINGS
from dpskit.benchmarks.paper.compare import Study, choose_alpha, compare
from dpskit.benchmarks.paper.options import note_of
from dpskit.benchmarks.paper.page import part_table
from dpskit.cli import main
from dpskit.experiments.methods import FLOOR, ML, posterior
from dpskit.experiments.scenarios import Scenario
from dpskit.experiments.targets import Target
from dpskit.experiments.units import Unit
from dpskit.pose.templates import Templates, make_templates
from dpskit.priors.edm import DiffusionPrior

SMALL = Scenario("small", 2, 16, n_steps=6, alpha=4_000)
PRIORS = {"trained": dpskit.GaussianPrior(0.0, 0.5), "Gaussian": dpskit.GaussianPrior(0.0, 0.4)}


def make_targets(seeds, n_points=24):
    points = {
        seed: torch.rand(2 * n_points, 3, generator=torch.Generator().manual_seed(seed)) * 2 - 1 for seed in seeds
    }
    return [Target(f"t{s}", p[:n_points], s, rest=p[n_points:]) for s, p in points.items()]


@pytest.fixture
def study(tmp_path):
    others = make_targets((2,))
    return Study(make_targets((0, 1)), 2, tmp_path, PRIORS, "Gaussian", others, report=lambda text: None)


def test_every_method_has_a_line(study):
    found = compare(study, "key", SMALL, "A note.")
    shown = [(line.method, line.chosen) for line in found.lines]
    both = [(name, chosen) for name in PRIORS for chosen in (False, True)]
    assert shown == [(ML, False), *both, (FLOOR, False)]
    assert found.targets == ["t0", "t1"] and found.chosen_on == ["t2"] and found.own_rmsd is None
    result = Unit(study.targets[1], SMALL, posterior("x", PRIORS["trained"], SMALL), 2).load(study.folder)
    assert found.line("trained", chosen=False).means["cd"][1] == pytest.approx(np.mean(result.cd))
    assert found.line("trained").alpha == 4_000
    tuned = [(line.method, line.chosen) for line in compare(replace(study, tuned=["Gaussian"]), "key", SMALL).lines]
    assert tuned == [one for one in shown if one != ("trained", True)]
    few = compare(replace(study, others=()), "key", SMALL)
    assert [line.method for line in few.lines] == [ML, *PRIORS, FLOOR]


def test_alpha_is_the_best_on_the_other_targets(study):
    best = choose_alpha(study, "Gaussian", SMALL)

    def error(alpha):
        unit = Unit(study.others[0], SMALL, posterior("x", PRIORS["Gaussian"], SMALL, alpha=alpha), 1)
        return unit.compute().cd[0]

    assert error(best) <= min(error(best / 1.5), error(best * 1.5), error(SMALL.alpha))


@dataclass(frozen=True, eq=False)
class Upright:
    """A prior whose objects stand."""

    base: PointMixturePrior
    templates: Templates | None
    orientation: str = "upright"

    def denoise(self, x, t):
        return self.base.denoise(x, t)


def test_the_pose_of_turned_targets_is_unknown_to_an_upright_prior(tmp_path):
    generator = torch.Generator().manual_seed(0)
    objects = (torch.rand(6, 48, 3, generator=generator) * 2 - 1) * torch.tensor([0.3, 0.6, 1.0])
    turn = dpskit.random_rotations(1, seed=5)[0]
    target = Target("t", objects[0] @ turn, 3, turn)
    prior = Upright(PointMixturePrior(objects[1], 0.1), make_templates(objects[1:]))
    study = Study([target], 1, tmp_path, {"upright": prior}, turned=True, report=lambda text: None)
    found = compare(study, "key", SMALL)
    settings = {"n_samples": 1, "n_points": 48, "seed": 3, "progress": False}
    settings |= {"schedule": dpskit.karras_schedule(6), "guidance": dpskit.DPS(4_000), "solver": dpskit.Algorithm1()}
    samples = dpskit.sample(prior, SMALL.observe(target.points, 3), pose="unknown", **settings)
    cd = dpskit.chamfer_distance(samples.points, target.points)
    assert found.line("upright").values["cd"][0] == pytest.approx(cd.tolist(), rel=1e-4)
    error = found.line("upright").means["pose_error"][0]
    head, _, ml, dps, *_ = part_table(found).splitlines()
    assert head.endswith("| pose error (°), median |") and dps.endswith(f"| {error:.1f} |") and ml.endswith("|  |")
    upright = replace(study, turned=False)
    about = [one.posterior("upright", SMALL).about for one in (study, upright)]
    assert about[0]["pose"] == "unknown" and about[1]["pose"] is None
    others = replace(study, priors=PRIORS)
    assert others.posterior("trained", SMALL).about["pose"] is None  # a Gaussian knows no pose


def packed(path, count=4, n_points=90):
    points = np.random.default_rng(0).uniform(-1, 1, (count, n_points, 3)).astype(np.float16)
    np.savez(path, points=points, name=np.array([f"s{k}" for k in range(count)]))
    return str(path)


def test_the_command_table1_writes_a_page_that_grows_row_by_row(tmp_path, capsys):
    arguments = ["benchmark", "table1", "--targets", packed(tmp_path / "t.npz"), "--count", "1", "--n-samples", "1"]
    arguments += ["--no-prior", "--n-points", "40", "--n-steps", "4", "--out", str(tmp_path / "out")]
    small = [
        *arguments,
        "--choose-alpha",
        "1",
        "--choose-for",
        "gaussian",
        "--twin",
        "--smooth",
        "--train",
        arguments[3],
    ]
    assert main([*small, "--row", "5"]) == 0
    units = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "units").iterdir()}
    assert main([*arguments, "--row", "1"]) == 0
    page = (tmp_path / "out" / "table1.md").read_text()
    heads = [text for text in page.splitlines() if text.startswith("## ")]
    expected = ["## 1, 4 steps", "## 5, 4 steps", "## 5, 4 steps, points drawn anew"]
    assert [text.partition(":")[0] for text in heads] == expected
    for baseline in ("smooth maximum a posteriori", "nearest training cloud", "independent points, alpha 4,000"):
        assert page.count(f"\n| {baseline} |") == 2  # with and without points drawn anew
    assert (
        "## 1, 4 steps: 5 projections of 200 points" in capsys.readouterr().out
        and "Gaussian prior, alpha 4,000 |" in page
    )
    assert main([*small, "--row", "5"]) == 0
    assert all(path.stat().st_mtime_ns == time for path, time in units.items())
    assert main([*arguments, "--row", "1", "--balanced", "--means", "--blur", "0.1", "--alpha", "auto"]) == 0
    page = (tmp_path / "out" / "table1.md").read_text()
    assert "## 1, 4 steps, balanced, means, blur 0.1: 5 projections" in page
    assert "Gaussian prior, alpha 50,000 |" in page  # 50 for each of five times 200 points
    assert page.count("Gaussian prior with blur 0, derivative through the denoiser everywhere.") == 3
    assert page.count("Gaussian prior with blur 0.1, derivative") == 1


def test_the_note_says_what_a_prior_asks_for():
    """A prior that asks for nothing and one that asks for much must not look alike on a page."""
    options = argparse.Namespace(reach=2.0, jacobian=None, blur=None, seed=3, turned=None)
    card = {"defaults": {"jacobian": [0.1, 5.0], "blur": 0.04}}
    priors = {"a": DiffusionPrior(lambda x, t: x, card=card), "b": DiffusionPrior(lambda x, t: x)}
    asked = "a with blur 0.04, derivative through the denoiser for t from 0.1 to 5"
    plain = "b with blur 0, derivative through the denoiser everywhere"
    assert note_of(options, priors) == f"The shapes stand upright. Reach 2, seed 3; {asked}; {plain}."
    options.jacobian, options.blur = (0.0, 1.0), 0.1
    given = "with blur 0.1, derivative through the denoiser for t from 0 to 1"
    assert note_of(options, priors).endswith(f"a {given}; b {given}.")


def test_the_command_says_what_it_cannot_do(tmp_path, capsys):
    arguments = ["benchmark", "table1", "--targets", packed(tmp_path / "t.npz"), "--no-prior"]
    assert main([*arguments, "--row", "10"]) == 2
    assert "--row must be one of 1, 2, 3, 3 (Table 4)" in capsys.readouterr().err
    assert main([*arguments, "--count", "3", "--choose-alpha", "2"]) == 2
    assert "at most 4 targets, got 3 + 2" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*arguments, "--alpha", "strong"])
    assert "--alpha: must be a number or auto, got 'strong'" in capsys.readouterr().err


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
