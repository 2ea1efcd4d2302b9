"""Points in unknown order: the sum over permutations, and the paper's minimum beside it."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dpskit import CoarseGrained, FullGaussianMixture, GaussianMixturePrior, GaussianPrior, UnknownOrder
from dpskit.exact.linear_gaussian import LinearGaussian

FIRST = torch.tensor([[1.0], [0.0]])


@given(seed=st.integers(0, 1000), n=st.integers(1, 6))
def test_energy_is_that_of_the_assignment_engine(normal, seed, n):
    x0, y = normal(3, n, 3, seed=seed), normal(n, 3, seed=seed + 1)
    assert torch.allclose(UnknownOrder(y, 1.0).energy(x0), CoarseGrained(y).energy(x0), rtol=1e-5)


def test_two_points_by_hand():
    x0 = torch.tensor([[[0.0], [1.0]]], dtype=torch.float64)
    data = UnknownOrder([[0.8], [0.3]], 0.5)
    # squares: in order .8^2 + .7^2 = 1.13, swapped .3^2 + .2^2 = .13; each over 2 * .25
    expected = math.log((math.exp(-2.26) + math.exp(-0.26)) / 2) - math.log(2 * math.pi * 0.25)
    assert float(data.log_prob(x0)) == pytest.approx(expected, rel=1e-6)
    best = UnknownOrder([[0.8], [0.3]], 0.5, marginal=False)
    assert float(best.log_prob(x0)) == pytest.approx(-0.26 - math.log(2 * math.pi * 0.25), rel=1e-6)
    assert float(data.energy(x0)) == pytest.approx(0.13 / 4)


@given(seed=st.integers(0, 1000), sigma=st.floats(0.05, 2))
def test_the_order_of_points_plays_no_role(normal, seed, sigma):
    x0, y = normal(2, 4, 2, seed=seed).double(), normal(4, 2, seed=seed + 1).double()
    data, order = UnknownOrder(y, sigma), torch.randperm(4, generator=torch.Generator().manual_seed(seed))
    assert torch.allclose(data.log_prob(x0), data.log_prob(x0[:, order]))
    assert torch.allclose(data.log_prob(x0), UnknownOrder(y[order], sigma).log_prob(x0))


def test_the_minimum_is_the_sum_but_for_n_factorial_where_the_noise_is_small(normal):
    """The paper's approximation: right up to a constant for well separated points, wrong for close ones."""
    x0 = normal(200, 4, 2).double()
    y = x0[0] + 0.01 * normal(4, 2, seed=1)
    ratio = lambda sigma: (  # noqa: E731
        UnknownOrder(y, sigma, marginal=False).log_prob(x0) - UnknownOrder(y, sigma).log_prob(x0)
    )
    assert torch.allclose(ratio(0.001), torch.tensor(math.log(24), dtype=torch.float64), atol=1e-6)
    assert float(ratio(1.0).std()) > 0.1  # no constant: it changes the posterior
    assert float(ratio(1.0).max()) < math.log(24)
    assert float(ratio(1.0).min()) > 0


@pytest.mark.parametrize("matrix", [None, FIRST])
@given(seed=st.integers(0, 1000))
def test_bayes_rule(normal, matrix, seed):
    means = normal(2, 3, 2, seed=seed)
    prior = GaussianMixturePrior([1.0, 2.0], means, [0.6, 0.9])
    data = UnknownOrder(normal(3, 2 if matrix is None else 1, seed=seed + 1), 0.4, matrix)
    posterior = data.posterior(prior)
    x = posterior.sample(4, seed).double()
    left = FullGaussianMixture.of(prior, 3, 2).log_prob(x) + data.log_prob(x) - posterior.log_prob(x)
    assert torch.allclose(left, torch.tensor(data.log_evidence(prior), dtype=torch.float64), atol=2e-3)
    assert posterior.weights.shape == (12,)


def test_a_prior_that_ignores_order_leaves_every_order_equally_probable(normal):
    data = UnknownOrder(normal(3, 2), 0.4)
    posterior = data.posterior(GaussianPrior(0.0, 1.0))
    assert torch.allclose(posterior.weights, torch.full((6,), 1 / 6, dtype=torch.float64))
    one = LinearGaussian(torch.eye(6), data.points.flatten(), 0.4).posterior(GaussianPrior(0.0, 1.0), dim=2)
    assert torch.allclose(posterior.means[0], one.means[0])
    assert torch.allclose(posterior.mean, one.mean.mean(dim=0).expand(3, 2))


def test_simulated_data_are_shuffled(normal):
    x0, generator = normal(3, 2), torch.Generator().manual_seed(0)
    data = UnknownOrder(torch.zeros(3, 1), 1e-4, FIRST)
    orders = {tuple((data.simulate(x0, generator).points - x0[:, 0]).abs().argmin(dim=1).tolist()) for _ in range(100)}
    assert len(orders) == 6


def test_bad_input(one_sentence, normal):
    with one_sentence(ValueError, "points", "at most 7", "8"):
        UnknownOrder(normal(8, 2), 1.0)
    with one_sentence(ValueError, "matrix", "(n, 1)", "(2, 2)"):
        UnknownOrder(normal(3, 1), 1.0, torch.eye(2))
    with one_sentence(ValueError, "x0", "3", "(1, 4, 2)"):
        UnknownOrder(normal(3, 2), 1.0).energy(normal(1, 4, 2))
    with one_sentence(ValueError, "sigma", "None"):
        UnknownOrder(normal(3, 2), None).log_prob(normal(1, 3, 2))
