"""Predictive checks: data of the true cloud pass, and those of a wrong one do not."""

import torch
from scipy import stats

from dpskit import CoarseGrained, LinearGaussian, Projections, random_rotations
from dpskit.evaluation.predictive import posterior_predictive_check

DATA = LinearGaussian(torch.tensor([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 1]]), torch.zeros(3), 0.5)


def test_predictive_check_of_projections(normal):
    """Data of the cloud itself pass, and a cloud of twice the size does not explain them."""
    truth, rotations = normal(40, 3), random_rotations(2, seed=0)
    empty = Projections([torch.zeros(40, 2)] * 2, rotations, sigma=0.3)
    found = [
        posterior_predictive_check(empty.simulate(truth, torch.Generator().manual_seed(k)), truth.expand(20, -1, -1))
        for k in range(12)
    ]
    p = torch.tensor([check.p_value for check in found])
    assert 0.15 < float(p.mean()) < 0.85
    data = empty.simulate(truth, torch.Generator().manual_seed(0))
    assert posterior_predictive_check(data, 2 * truth.expand(20, -1, -1)).p_value == 0
    assert found[0].observed.shape == found[0].replicated.shape == (20,)


def test_predictive_p_values_of_a_linear_problem_are_uniform_for_the_truth():
    """For the true cloud the energy of data and replicate come from the same chi-square."""
    x0, generator = torch.zeros(1, 2, 2), torch.Generator().manual_seed(1)
    p = torch.tensor([
        posterior_predictive_check(DATA.simulate(x0[0], generator), x0.expand(39, -1, -1), seed=k).p_value
        for k in range(100)
    ])  # fmt: skip
    assert stats.kstest(p.numpy(), "uniform").pvalue > 0.01


def test_a_likelihood_without_noise_cannot_simulate(one_sentence, normal):
    with one_sentence(ValueError, "sigma", "None"):
        posterior_predictive_check(CoarseGrained(normal(3, 3)), normal(2, 3, 3))
