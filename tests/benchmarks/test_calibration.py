"""Coverage of DPS with a prior: that it resumes, keeps its settings apart, and prints what it found."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from dpskit import Algorithm1, GaussianPrior, InverseTime, LikelihoodScore, karras_schedule, normalise, sample
from dpskit.benchmarks.calibration import (
    KNOWN_NOISE,
    CalibrationSetting,
    calibration_benchmark,
    calibration_table,
    choice_table,
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
PAPER = "alpha 10,000"
PRIOR = GaussianPrior(0.0, 0.4)


class Forbidden:
    def denoise(self, x, t):
        raise AssertionError("nothing is to be computed again")


def test_runs_are_kept_and_more_targets_are_added(tmp_path, one_sentence):
    found, trials = calibration_benchmark(PRIOR, tmp_path, 3, SMALL, [1_000.0, 10_000.0])
    assert found.alphas == (1_000.0, 10_000.0)
    assert set(trials) == {f"alpha {found.nearest:,.0f}", PAPER}
    assert trials[PAPER].samples.shape == (3, 4, 16, 3)
    _, again = calibration_benchmark(Forbidden(), tmp_path, 3, SMALL, [1_000.0, 10_000.0])
    assert all(torch.equal(trials[name].samples, again[name].samples) for name in trials)
    _, more = calibration_benchmark(PRIOR, tmp_path, 4, SMALL, [1_000.0, 10_000.0])
    assert torch.equal(more[PAPER].samples[:3], trials[PAPER].samples)
    assert torch.equal(more[PAPER].truths[:3], trials[PAPER].truths)
    assert [row[:2] for row in calibration_table(more).rows if row[0] == PAPER] == [[PAPER, "4"]]
    choice = choice_table(found)
    assert [row[0] for row in choice.rows] == ["1,000", "10,000"] and found.message in str(choice)
    with one_sentence(ValueError, "folder", str(tmp_path)):
        calibration_benchmark(PRIOR, tmp_path, 3, replace(SMALL, scenario=Scenario("small", 3, 8)), [1_000.0])


def test_the_known_noise_brings_two_samplers_more(tmp_path):
    noisy = replace(SMALL, scenario=replace(SMALL.scenario, sigma=0.3))
    _, trials = calibration_benchmark(PRIOR, tmp_path, 3, noisy, [1_000.0])
    assert list(trials) == ["alpha 1,000", PAPER, *(sampler.name for sampler in KNOWN_NOISE)]
    seed = SMALL.seed + SMALL.n_chosen
    for name, marginal in (("known noise, best order", False), ("known noise, all orders", True)):
        assert [name, "3"] in [row[:2] for row in calibration_table(trials).rows]
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


def test_given_alphas_and_given_truths_are_run_as_they_are(tmp_path, one_sentence):
    clouds = torch.randn(5, 16, 3, generator=torch.Generator().manual_seed(0)).numpy()
    np.savez(tmp_path / "truths.npz", points=clouds)
    given = replace(SMALL, n_chosen=0, truths=str(tmp_path / "truths.npz"))
    found, trials = calibration_benchmark(PRIOR, tmp_path / "runs", 4, given, [0.5, 500.0])
    assert found is None and list(trials) == ["alpha 0.5", "alpha 500"]
    for truth, cloud in zip(trials["alpha 500"].truths, clouds, strict=False):
        assert torch.equal(*(points[points[:, 0].argsort()] for points in (truth, normalise(cloud)[0])))
    assert [row[:2] for row in calibration_table(trials).rows] == [["alpha 0.5", "4"], ["alpha 500", "4"]]
    with one_sentence(ValueError, "truths", "6", "5"):
        calibration_benchmark(PRIOR, tmp_path / "runs", 6, given, [500.0])


def test_noise_is_that_of_projections(tmp_path, one_sentence):
    part = replace(SMALL, scenario=Scenario("part", 2, 8, subunit_points=4, sigma=0.3))
    with one_sentence(ValueError, "noise", "subunit"):
        calibration_benchmark(PRIOR, tmp_path / "runs", 3, part)
    assert not (tmp_path / "runs").exists()
