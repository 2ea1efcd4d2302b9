"""Choosing alpha: the right one is found, and none is named when none is right."""

import math

import pytest
import torch

from dpskit import DPS, GaussianPrior, LinearGaussian, karras_schedule, sample
from dpskit.evaluation.alpha import calibrate_alpha
from dpskit.evaluation.calibration import simulation_based_calibration
from dpskit.evaluation.statistics import coordinates
from dpskit.evaluation.trials import run_trials

PRIOR = GaussianPrior(torch.zeros(1, 2), 1.0)
DATA = LinearGaussian(torch.eye(2), torch.zeros(2), 0.5)


def sampler_of(scale, shift=0.0):
    """The exact posterior, its spread divided by `scale`: 1 is right."""

    def sampler(data, seed):
        exact = data.posterior(PRIOR)
        return exact.mean + shift + (exact.sample(24, seed) - exact.mean) / scale

    return sampler


def test_the_right_strength_is_found():
    found = calibrate_alpha(
        PRIOR.sample(150, 1, 2), DATA.simulate, sampler_of, [4.0, 0.25, 1.0, 0.5, 2.0], progress=False
    )
    assert found.alphas == (0.25, 0.5, 1.0, 2.0, 4.0)
    assert found.alpha == found.nearest == 1.0
    biases = [coverage.bias for coverage in found.coverages]
    assert biases == sorted(biases, reverse=True)
    assert found.ratios[2] == pytest.approx(1, abs=0.08) and found.ratios[4] < 0.5 and found.ratios[0] > 1.25
    assert "alpha = 1 is calibrated" in found.message


def test_no_strength_is_named_where_none_is_right():
    found = calibrate_alpha(PRIOR.sample(150, 1, 2), DATA.simulate, sampler_of, [2.0, 4.0], progress=False)
    assert found.alpha is None and found.nearest == 2.0
    assert found.message.startswith("No alpha of 2, 4 is calibrated: the nearest is 2") and "too few" in found.message


def test_alpha_of_the_paper_s_guidance_on_one_number():
    """The alpha found covers; the new trials it is checked on are others. For the paper's alpha SBC says no."""
    prior, data = GaussianPrior(0.0, 1.0), LinearGaussian([[1.0]], [0.0], 0.5)
    settings = {"n_samples": 16, "n_points": 1, "dim": 1, "schedule": karras_schedule(25, t_max=10.0)}

    def dps(alpha):
        return lambda data, seed: sample(prior, data, guidance=DPS(alpha), seed=seed, progress=False, **settings).points

    found = calibrate_alpha(prior.sample(40, 1, 1, 3), data.simulate, dps, [1_000.0, 10_000.0], progress=False)
    assert found.nearest == 1_000.0
    assert found.ratios[1] < 0.5
    fresh = run_trials(prior.sample(40, 1, 1, 4), data.simulate, dps(10_000.0), progress=False)
    assert simulation_based_calibration(fresh, coordinates(1, 1)).p_value < 0.01


def test_bad_input(one_sentence):
    with one_sentence(ValueError, "alphas", "none"):
        calibrate_alpha(PRIOR.sample(4, 1, 2), DATA.simulate, sampler_of, [])
    for bad in (-1.0, math.nan):
        with one_sentence(ValueError, "alphas", "at least 0"):
            calibrate_alpha(PRIOR.sample(4, 1, 2), DATA.simulate, sampler_of, [1.0, bad])
    for bad in (2, -0.1, math.nan):
        with one_sentence(ValueError, "significance", bad):
            calibrate_alpha(PRIOR.sample(4, 1, 2), DATA.simulate, sampler_of, [1.0], significance=bad)
