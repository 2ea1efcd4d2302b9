"""Coverage of DPS with a prior: that it resumes, keeps its settings apart, and prints what it found."""

from dataclasses import replace

import pytest
import torch

from dpskit import Algorithm1, GaussianPrior, InverseTime, LikelihoodScore, karras_schedule, sample
from dpskit.benchmarks.calibration import (
    KNOWN_NOISE,
    CalibrationSetting,
    calibration_benchmark,
    calibration_table,
    draw_targets,
)
from dpskit.experiments.scenarios import Scenario

SMALL = CalibrationSetting(
    Scenario("small", 2, 8, n_steps=4, reflections=True),
    n_points=16,
    n_samples=4,
    n_chosen=3,
    draw_steps=12,
)
PRIOR = GaussianPrior(0.0, 0.4)


class Forbidden:
    def denoise(self, x, t):
        raise AssertionError("nothing is to be computed again")


def test_runs_are_kept_and_more_targets_are_added(tmp_path, one_sentence):
    found, trials = calibration_benchmark(PRIOR, tmp_path, 3, SMALL, [1_000.0, 10_000.0])
    assert found.alphas == (1_000.0, 10_000.0)
    assert set(trials) == {found.nearest, 10_000.0}
    assert trials[10_000.0].samples.shape == (3, 4, 16, 3)
    _, again = calibration_benchmark(Forbidden(), tmp_path, 3, SMALL, [1_000.0, 10_000.0])
    assert all(torch.equal(trials[alpha].samples, again[alpha].samples) for alpha in trials)
    _, more = calibration_benchmark(PRIOR, tmp_path, 4, SMALL, [1_000.0, 10_000.0])
    assert torch.equal(more[10_000.0].samples[:3], trials[10_000.0].samples)
    assert torch.equal(more[10_000.0].truths[:3], trials[10_000.0].truths)
    table = calibration_table(found, more)
    assert "| alpha 10,000, 4 |" in table and found.message in table
    with one_sentence(ValueError, "folder", str(tmp_path)):
        calibration_benchmark(PRIOR, tmp_path, 3, replace(SMALL, scenario=Scenario("small", 3, 8)), [1_000.0])


def test_the_known_noise_brings_two_samplers_more(tmp_path):
    noisy = replace(SMALL, scenario=replace(SMALL.scenario, sigma=0.3))
    found, trials = calibration_benchmark(PRIOR, tmp_path, 3, noisy, [1_000.0])
    assert list(trials) == [1_000.0, 10_000.0, *KNOWN_NOISE]
    seed = SMALL.seed + SMALL.n_chosen
    for name, marginal in KNOWN_NOISE.items():
        assert f"| {name}, 3 |" in calibration_table(found, trials)
        direct = sample(
            PRIOR,
            replace(noisy.scenario.observe(trials[name].truths[0], seed), marginal=marginal),
            n_samples=4,
            n_points=16,
            guidance=LikelihoodScore(prior_std=0.4),
            schedule=karras_schedule(4),
            solver=Algorithm1(InverseTime(SMALL.scenario.cutoff)),
            seed=seed,
            progress=False,
        )
        assert torch.allclose(trials[name].samples[0], direct.points)


def test_targets_have_the_prior_s_spread(tmp_path):
    setting = replace(SMALL, n_points=400, draw_steps=50)
    truths = draw_targets(PRIOR, setting, 4, tmp_path / "targets.npz")
    assert float(truths.std()) == pytest.approx(0.4, rel=0.05)
    assert torch.equal(draw_targets(Forbidden(), setting, 2, tmp_path / "targets.npz"), truths[:2])
