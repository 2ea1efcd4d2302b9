"""A run again, from its settings or its line of code."""

from dataclasses import replace

import pytest
import torch

from dpskit.experiments import Scenario, Settings, run
from dpskit.experiments.experiment import CHAIRS, Experiment, run_experiment
from dpskit.experiments.reproduce import code_of
from dpskit.sampling.samples import load_samples

SMALL = Settings("Gaussian (no shape)", "chair", replace(CHAIRS, n_points=50, n_views=2, n_steps=4), n_points=64)
COMPLEX = Settings("complexes", "ruvab", Scenario("one", 1, 50, alpha=1e-1, n_steps=2), n_points=64, seed=3)


@pytest.mark.parametrize("settings", [SMALL, COMPLEX], ids=["shape", "complex"])
def test_the_line_of_code_gives_the_same_bits(settings):
    names = {}
    exec(code_of(settings), names)
    *_, last = run_experiment(Experiment.of(settings))
    assert torch.equal(names["samples"].points, last.x) and torch.isfinite(last.x).all()
    assert names["samples"].seed == settings.seed


def test_the_line_of_code_says_what_is_not_the_default():
    code = code_of(Settings(scenario=Scenario("panel", 5, 200, sigma=0.01), seed=3))
    assert code.endswith("run(Settings(scenario=Scenario(name='panel', n_views=5, n_points=200, sigma=0.01), seed=3))")


def test_priors_and_targets_of_ones_own_are_found_by_name():
    mine = Experiment.of(SMALL)
    settings = replace(SMALL, prior="mine", target="my chair")
    names = {"priors": {"mine": mine.prior}, "targets": {"my chair": mine.target}}
    exec(code_of(settings, own=True), names)
    assert torch.equal(names["samples"].points, run(SMALL).points)


def test_the_samples_can_be_saved_with_their_settings(tmp_path):
    samples = run(SMALL)
    samples.save(tmp_path / "samples.npz")
    loaded = load_samples(tmp_path / "samples.npz")
    assert torch.equal(loaded.points, samples.points) and torch.equal(loaded.energy, samples.energy)
    assert loaded.settings["experiment"]["scenario"]["alpha"] == 10_000
