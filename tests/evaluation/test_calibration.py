"""The instruments: silent for exact samplers, loud for wrong ones, and right about what is wrong."""

import math

import pytest
import torch
from scipy import stats

from dpskit import (
    Algorithm1,
    GaussianPrior,
    LikelihoodScore,
    LinearGaussian,
    UnknownOrder,
    karras_schedule,
    sample,
)
from dpskit.evaluation.calibration import simulation_based_calibration
from dpskit.evaluation.credible import (
    credible_coverage,
    expected_coverage,
    spread_against_error,
)
from dpskit.evaluation.statistics import CLOUD_STATISTICS, coordinates
from dpskit.evaluation.trials import Trials, run_trials

PRIOR = GaussianPrior(torch.zeros(2, 2), 1.0)
DATA = LinearGaussian(torch.tensor([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 1]]), torch.zeros(3), 0.5)


def gaussian_trials(scale=1.0, shift=0.0, k=400, s=31, seed=0):
    """Posteriors of spread `scale` times the right one, moved by `shift` right standard deviations."""

    def sampler(data, seed):
        exact = data.posterior(PRIOR)
        return exact.mean + shift * exact.std + scale * (exact.sample(s, seed) - exact.mean)

    return run_trials(PRIOR.sample(k, 2, 2, seed), DATA.simulate, sampler, seed=seed + 1, progress=False)


RIGHT, NARROW, WIDE, MOVED = (gaussian_trials(*setting) for setting in [(1.0, 0.0), (0.7, 0.0), (1.4, 0.0), (1.0, 0.4)])


def p_values(trials):
    found = {"sbc": simulation_based_calibration(trials, coordinates(2, 2)).p_value}
    found["tarp"] = expected_coverage(trials).p_value
    found["credible"] = credible_coverage(trials).p_value
    return found


def test_the_exact_sampler_is_accepted():
    assert min(p_values(RIGHT).values()) > 0.05
    central = simulation_based_calibration(RIGHT, coordinates(2, 2)).central_coverage(0.9)
    assert abs(central - 0.9) < 4 * math.sqrt(0.09 / 400)
    spread, error = spread_against_error(RIGHT)
    difference = spread - error
    assert abs(float(difference.mean() / (difference.std() / math.sqrt(400)))) < 4


def test_wrong_spread_is_rejected_and_named():
    assert max(p_values(NARROW).values()) < 0.01
    assert max(p_values(WIDE)["sbc"], p_values(WIDE)["credible"]) < 0.01
    assert credible_coverage(NARROW).bias < -0.05 and credible_coverage(WIDE).bias > 0.05
    narrow, wide = (
        simulation_based_calibration(trials, coordinates(2, 2)).central_coverage(0.9) for trials in (NARROW, WIDE)
    )
    # Of a Gaussian with 0.7 and 1.4 times the standard deviation.
    for found, scale in ((narrow, 0.7), (wide, 1.4)):
        assert found == pytest.approx(2 * stats.norm.cdf(1.645 * scale) - 1, abs=0.035)
    spread, error = spread_against_error(NARROW)
    assert float(spread.mean() / error.mean()) < 0.85


def test_a_wrong_mean_is_rejected():
    assert p_values(MOVED)["sbc"] < 0.01
    pit = simulation_based_calibration(MOVED, coordinates(2, 2)).pit["x[0,0]"]
    # The truth lies 0.4 standard deviations below the samples.
    assert float(pit.mean()) == pytest.approx(stats.norm.cdf(-0.4 / math.sqrt(2)), abs=0.05)


def test_p_values_are_uniform_under_the_null():
    """120 experiments of exchangeable truths and samples: the tests reject a tenth of them at 10 %."""
    generator = torch.Generator().manual_seed(0)
    found = []
    for seed in range(120):
        clouds = torch.randn(40, 8, 1, 2, generator=generator)
        trials = Trials(clouds[:, 0], clouds[:, 1:])
        ranks = simulation_based_calibration(trials, {"x": coordinates(1, 2)["x[0,0]"]}, seed=seed)
        found.append([ranks.chi2["x"], ranks.ks["x"], expected_coverage(trials, seed=seed).p_value,
                      credible_coverage(trials, seed=seed).p_value])  # fmt: skip
    rejected = (torch.tensor(found) < 0.1).double().mean(dim=0)
    assert float((rejected - 0.1).abs().max()) < 4 * math.sqrt(0.09 / 120)


def test_sbc_accepts_the_exact_score_and_rejects_dps():
    """Nine numbers at once, both through sample() and the same solver; DPS has the right noise, and fails."""
    prior, data = GaussianPrior(torch.zeros(3, 3), 1.0), LinearGaussian(torch.eye(9), torch.zeros(9), 0.5)
    settings = {"n_samples": 15, "n_points": 3, "schedule": karras_schedule(25, t_max=10.0), "progress": False}
    settings["solver"] = Algorithm1()
    samplers = {
        "exact": lambda data, seed: sample(data.posterior(prior), None, seed=seed, **settings).points,
        "dps": lambda data, seed: sample(prior, data, guidance=LikelihoodScore(), seed=seed, **settings).points,
    }
    statistics = {"radius": lambda clouds: clouds.flatten(1).norm(dim=1), "x[0,0]": coordinates(1, 1)["x[0,0]"]}
    p, coverage = {}, {}
    for name, sampler in samplers.items():
        trials = run_trials(prior.sample(80, 3, 3, seed=1), data.simulate, sampler, progress=False)
        p[name] = simulation_based_calibration(trials, statistics).p_value
        coverage[name] = credible_coverage(trials)
    assert p["exact"] > 0.05 and p["dps"] < 0.01
    assert coverage["exact"].p_value > 0.05 and coverage["dps"].p_value < 0.01
    assert coverage["exact"].error < 0.06 and coverage["dps"].bias < -0.1


def test_the_best_permutation_is_no_substitute_for_the_sum():
    """An exact sampler of the paper's minimum over P fails SBC; one of the sum over all permutations passes.

    The largest of n! terms is at most their sum, so that draws of the true posterior, kept with the probability of that
    ratio, are exact draws of the paper's.
    """
    prior, data = GaussianPrior(torch.zeros(4, 1), 1.0), UnknownOrder(torch.zeros(4, 1), 1.0)

    def by_sum(data, seed):
        return data.posterior(prior).sample(1500, seed)

    trials = run_trials(prior.sample(150, 4, 1, seed=5), data.simulate, by_sum, progress=False)
    generator, best, kept = torch.Generator().manual_seed(0), [], []
    for truth, drawn in zip(trials.truths, trials.samples, strict=True):
        data = data.simulate(truth, generator)  # the ratio needs the data of this trial: the same generator and order
        ratio = (UnknownOrder(data.points, 1.0, marginal=False).log_prob(drawn) - data.log_prob(drawn)).exp() / 24
        chosen = torch.rand(len(drawn), generator=torch.Generator().manual_seed(1)) < ratio
        kept.append(int(chosen.sum()))
        best.append(drawn[chosen][:20])
    assert min(kept) >= 20
    statistics = {name: CLOUD_STATISTICS[name] for name in ("radius of gyration", "mean nearest distance")}
    summed = simulation_based_calibration(Trials(trials.truths, trials.samples[:, :20]), statistics)
    assert summed.p_value > 0.05
    assert simulation_based_calibration(Trials(trials.truths, torch.stack(best)), statistics).p_value < 0.01
