"""Sweeps, the experiments they run, and what they leave on disk."""

import json
from dataclasses import asdict, replace

import pytest
import torch

import dpskit
from dpskit.experiments.experiment import CHAIRS, Experiment, Report, Settings, run_experiment
from dpskit.experiments.scenarios import KINDS
from dpskit.experiments.sweep import Outcome, best, grid, load_outcomes, sweep
from dpskit.likelihoods.projection import project
from dpskit.sampling.protocol import Info
from dpskit.version import NUMBERS

SMALL = Settings(scenario=replace(CHAIRS, n_points=50, n_views=1, n_steps=2), n_points=24)


class Counted:
    """Clouds that are off the truth by alpha / 100,000 along x, and the number of runs."""

    def __init__(self):
        self.runs = 0

    def __call__(self, experiment):
        self.runs += 1
        shift = torch.tensor([experiment.settings.scenario.alpha / 1e5, 0, 0])
        x = (experiment.truth + shift).repeat(2, 1, 1)
        yield Info(0, 0.0, x, x, None)


def outcomes(items):
    return [item for item in items if isinstance(item, Outcome)]


def test_the_grid_holds_every_combination_once():
    found = grid(SMALL, [1, 10], [0, 0.5, 1], [5, 10])
    assert len(found) == len(set(found)) == 12
    assert {s.scenario.alpha for s in found} == {1.0, 10.0} and {s.scenario.n_steps for s in found} == {5, 10}
    assert {s.seed for s in found} == {SMALL.seed}


def test_scores_are_those_of_the_clouds(tmp_path):
    """A shift by d moves every point by d, so EMD is 100 d; CD cannot be larger than twice that."""
    settings = grid(SMALL, [100, 1000], [0.1], [3])
    for outcome in outcomes(sweep(settings, tmp_path / "a.jsonl", Counted())):
        d = outcome.settings.scenario.alpha / 1e5
        assert outcome.emd == pytest.approx(100 * d, rel=1e-3) and 0 < outcome.cd <= 200 * d * 1.001
        assert outcome.rmsd is None and outcome.energy >= 0


def test_an_interrupted_sweep_goes_on_where_it_was(tmp_path):
    record, settings, run = tmp_path / "deep" / "a.jsonl", grid(SMALL, [1, 10, 100, 1000], [0], [3]), Counted()
    items = sweep(settings, record, run)
    first = [next(items) for _ in range(4)]  # two settings, each an Info and an Outcome
    items.close()
    assert run.runs == 2 and len(load_outcomes(record)) == 2
    again = outcomes(sweep(settings, record, run))
    assert run.runs == 4 and [o.settings for o in again] == settings
    assert again[:2] == outcomes(first)


def test_a_line_that_was_cut_off_is_computed_again(tmp_path):
    record, settings, run = tmp_path / "a.jsonl", grid(SMALL, [1, 10], [0], [3]), Counted()
    whole = outcomes(sweep(settings, record, run))
    record.write_text(record.read_text()[:-30])
    assert outcomes(sweep(settings, record, run)) == whole and run.runs == 3
    assert json.loads(record.read_text().splitlines()[-1]) == {"numbers": NUMBERS} | asdict(whole[1])
    assert outcomes(sweep(settings, record, run)) == whole and run.runs == 3


def test_outcomes_with_the_numbers_of_another_version_are_computed_again(tmp_path):
    record, settings, run = tmp_path / "a.jsonl", grid(SMALL, [1], [0], [3]), Counted()
    whole = outcomes(sweep(settings, record, run))
    record.write_text(record.read_text().replace(f'"numbers": {NUMBERS}', f'"numbers": {NUMBERS - 1}'))
    assert load_outcomes(record) == []
    assert outcomes(sweep(settings, record, run)) == whole and run.runs == 2


def test_a_record_of_other_settings_is_not_mistaken(tmp_path):
    run = Counted()
    list(sweep(grid(SMALL, [1], [0], [3]), tmp_path / "a.jsonl", run))
    other = replace(SMALL, seed=1)
    list(sweep(grid(other, [1], [0], [3]), tmp_path / "a.jsonl", run))
    assert run.runs == 2


def test_the_best_is_the_smallest():
    found = [Outcome(SMALL, cd, 1.0, None, None) for cd in (3.0, 1.0, 2.0)]
    assert best(found, "cd") is found[1] and best(found, "rmsd") is None and best([], "cd") is None
    with pytest.raises(ValueError, match="metric must be one of cd, emd, energy, rmsd"):
        best(found, "speed")


# --- Experiments ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_scenario_observes_what_it_says(kind):
    scenario = replace(CHAIRS, n_views=3, n_points=50).with_kind(kind, n_points=64)
    assert scenario.kind == kind
    experiment = Experiment.of(Settings(scenario=scenario, n_points=64))
    kinds = [type(part).__name__ for part in experiment.parts]
    names = {"views": "Projections", "coarse": "CoarseGrained", "subunit": "Subunit"}
    assert kinds == [names[part] for part in KINDS[kind]]
    if experiment.views is not None:
        predicted = experiment.predict(experiment.truth)
        assert [len(y) for y in experiment.views.points] == [50] * 3 and len(predicted) == 3
        assert torch.equal(predicted[1], project(experiment.truth, experiment.views.rotations[1]))


def test_the_run_is_the_one_of_the_library():
    experiment = Experiment.of(SMALL)
    *_, last = run_experiment(experiment)
    # fmt: off
    same = dpskit.sample(experiment.prior, experiment.data, n_samples=2, n_points=24, seed=0, progress=False,
                         schedule=dpskit.karras_schedule(2), guidance=dpskit.DPS(10_000),
                         solver=dpskit.Algorithm1(dpskit.InverseTime(0.15)))
    # fmt: on
    assert torch.allclose(last.x, same.points)


def test_progress_is_zero_at_the_truth():
    experiment = Experiment.of(Settings(scenario=replace(CHAIRS, n_points=24, n_views=2), n_points=24))
    x = experiment.truth[None]
    progress = experiment.step_scores(Info(0, 0.0, x, x, experiment.data.energy(x)))
    assert float(progress.residual) == pytest.approx(0, abs=1e-3) and float(progress.distance) == 0
    moved = x + torch.tensor([0.1, 0, 0])
    progress = experiment.step_scores(Info(0, 0.0, moved, moved, torch.tensor([0.02])))
    assert float(progress.residual) == pytest.approx(0.2)


def test_the_report_matches_the_library():
    experiment = Experiment.of(SMALL)
    samples = experiment.truth + torch.tensor([0.0, 0.02])[:, None, None]
    *words, report = experiment.report(samples)
    assert all(isinstance(word, str) for word in words) and isinstance(report, Report)
    # fmt: off
    fitted = dpskit.maximum_likelihood(experiment.data, n_samples=2, n_points=24, n_steps=100, seed=0, progress=False)
    # fmt: on
    assert torch.equal(report.fitted, fitted.points)
    found = report.scores["posterior samples"].emd
    assert torch.allclose(found, torch.tensor([0.0, 0.02 * 3**0.5]), atol=1e-5)
    assert torch.allclose(report.spread, torch.full((24,), 0.01 * 3**0.5), atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"alpha": -1.0}, ("alpha", "-1")),
        ({"n_steps": 0}, ("n_steps", "0")),
        ({"n_views": -1}, ("n_views", "-1")),
        ({"sigma": 0.0}, ("sigma", "above 0")),
    ],
)
def test_bad_scenarios(one_sentence, changes, words):
    with one_sentence(ValueError, *words):
        replace(CHAIRS, **changes)


def test_bad_settings(one_sentence):
    with one_sentence(ValueError, "scenario", "'guessing'", "projections"):
        CHAIRS.with_kind("guessing", 24)
    with one_sentence(TypeError, "scenario", "Scenario", "str", "'projections'"):
        Settings(scenario="projections")
    with one_sentence(ValueError, "seed", "-1"):
        Settings(seed=-1)


@pytest.mark.parametrize("field", ["prior", "target"])
def test_unknown_names(one_sentence, field):
    with one_sentence(ValueError, "'dragons'"):
        Experiment.of(Settings(**{field: "dragons"}))
