"""Linear measurements: Bayes' rule as an identity, quadrature, and conditioning in two steps."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dpskit import CoarseGrained, GaussianMixturePrior, GaussianPrior, LinearGaussian, PointMixturePrior
from dpskit.priors.full_mixture import FullGaussianMixture

MEANS = torch.tensor([[[0.0, 1], [2, 3]], [[1, -1], [0, 0.5]]])
PRIORS = {
    "gaussian": GaussianPrior(torch.tensor([[0.2, -0.1], [0.0, 1.0]]), 0.7),
    "mixture": GaussianMixturePrior([1.0, 2.0], MEANS, [0.4, 0.9]),
    "points": PointMixturePrior([[0.0, 0.5], [1.0, -0.3], [-0.7, 0.2]], 0.3),
}


@pytest.mark.parametrize("name", PRIORS)
@given(seed=st.integers(0, 1000), m=st.integers(1, 6), sigma=st.floats(0.05, 3))
def test_bayes_rule(normal, name, seed, m, sigma):
    """log p(x) + log p(y | x) - log p(x | y) is log p(y) for every x."""
    data = LinearGaussian(normal(m, 4, seed=seed).double(), normal(m, seed=seed + 1).double(), sigma)
    prior = FullGaussianMixture.of(PRIORS[name], 2, 2)
    posterior, log_evidence = data.condition(PRIORS[name])
    x = posterior.sample(5, seed).double()
    left = prior.log_prob(x) + data.log_prob(x) - posterior.log_prob(x)
    assert torch.allclose(left, torch.tensor(log_evidence, dtype=torch.float64), rtol=1e-4, atol=2e-3)


def test_one_dimension_by_hand_and_by_quadrature():
    posterior = LinearGaussian([[1.0]], [1.0], 0.5).posterior(GaussianPrior(0.0, 1.0))
    assert posterior.mean.shape == (1, 1)
    assert float(posterior.mean) == pytest.approx(0.8)
    assert float(posterior.std) == pytest.approx(math.sqrt(0.2))
    prior = GaussianMixturePrior([0.3, 0.7], torch.tensor([[[-1.0]], [[1.5]]]), [0.4, 0.6])
    data = LinearGaussian([[2.0]], [0.4], 0.9)
    x = torch.linspace(-8, 8, 20_001, dtype=torch.float64)
    density = (FullGaussianMixture.of(prior, 1, 1).log_prob(x[:, None, None]) + data.log_prob(x[:, None, None])).exp()
    evidence = torch.trapezoid(density, x)
    mean = torch.trapezoid(density * x, x) / evidence
    std = (torch.trapezoid(density * (x - mean) ** 2, x) / evidence).sqrt()
    posterior, log_evidence = data.condition(prior)
    assert log_evidence == pytest.approx(math.log(evidence), abs=1e-6)
    assert float(posterior.mean) == pytest.approx(float(mean), abs=1e-6)
    assert float(posterior.std) == pytest.approx(float(std), abs=1e-6)


def test_two_measurements_one_after_the_other_are_both_at_once(normal):
    matrix, y = normal(5, 4).double(), normal(5, seed=1).double()
    first, second = LinearGaussian(matrix[:2], y[:2], 0.3), LinearGaussian(matrix[2:], y[2:], 0.3)
    together, evidence = LinearGaussian(matrix, y, 0.3).condition(PRIORS["mixture"])
    half, evidence_first = first.condition(PRIORS["mixture"])
    whole, evidence_second = second.condition(half)
    assert evidence == pytest.approx(evidence_first + evidence_second, abs=1e-8)
    for part in ("weights", "means", "covariances"):
        assert torch.allclose(getattr(whole, part), getattr(together, part), atol=1e-8)


def test_the_prior_s_draws_and_their_data_have_the_evidence():
    """The mean of p(y | x) over the prior is p(y): with a z-score."""
    data = LinearGaussian(torch.tensor([[1.0, 0.0, 0.5, 0.0], [0.0, 1.0, 0.0, 0.0]]), [0.4, 0.1], 0.8)
    for name, prior in PRIORS.items():
        drawn = prior.sample(20_000, 2, 2) if name == "gaussian" else None
        drawn = prior.sample(20_000, 2) if name == "points" else prior.sample(20_000) if drawn is None else drawn
        density = data.log_prob(drawn).exp()
        z = (density.mean() - math.exp(data.log_evidence(prior))) / (density.std() / math.sqrt(len(density)))
        assert abs(float(z)) < 4


def test_energy_and_log_prob(normal):
    """Points that are seen one by one and known by number: the energy of the library's other likelihoods."""
    x0 = normal(3, 4, 3)
    y = x0[0] + 0.01 * normal(4, 3, seed=1)
    data = LinearGaussian(torch.eye(12), y.flatten(), 0.2)
    assert torch.allclose(data.energy(x0[:1]), CoarseGrained(y).energy(x0[:1]))
    by_hand = (y - x0).square().sum(dim=(1, 2))
    assert torch.allclose(data.energy(x0), by_hand / 8)
    expected = torch.distributions.Normal(x0, 0.2).log_prob(y).sum(dim=(1, 2))
    assert torch.allclose(data.log_prob(x0), expected, rtol=1e-5)


def test_simulated_data_have_the_noise(normal):
    x0, generator = normal(2, 2), torch.Generator().manual_seed(0)
    data = LinearGaussian(normal(3, 4), torch.zeros(3), 0.3)
    drawn = torch.stack([data.simulate(x0, generator).y for _ in range(2000)])
    z = (drawn.mean(0) - data.A @ x0.flatten()) / (0.3 / math.sqrt(2000))
    assert float(z.abs().max()) < 4
    assert float(((drawn.var(0) / 0.09 - 1) / math.sqrt(2 / 1999)).abs().max()) < 4


def test_the_shape_of_the_posterior():
    matrix = torch.ones(1, 6)
    data = LinearGaussian(matrix, [0.0], 1.0)
    assert data.posterior(GaussianPrior(0.0, 1.0)).mean.shape == (2, 3)
    assert data.posterior(GaussianPrior(0.0, 1.0), dim=2).mean.shape == (3, 2)
    assert data.posterior(GaussianPrior(torch.zeros(3, 2), 1.0)).mean.shape == (3, 2)
    assert data.posterior(PRIORS["points"]).mean.shape == (3, 2)
    assert data.posterior(PRIORS["points"]).weights.shape == (27,)


def test_bad_input(one_sentence):
    with one_sentence(ValueError, "A", "(n, d)", "(3,)"):
        LinearGaussian(torch.ones(3), [1.0], 1.0)
    with one_sentence(ValueError, "y", "2 finite numbers"):
        LinearGaussian(torch.ones(2, 3), [1.0], 1.0)
    with one_sentence(ValueError, "y", "nan"):
        LinearGaussian(torch.ones(1, 3), [math.nan], 1.0)
    with one_sentence(ValueError, "sigma", "above 0", "0.0"):
        LinearGaussian(torch.ones(1, 3), [1.0], 0.0)
    data = LinearGaussian(torch.ones(1, 3), [1.0], 1.0)
    with one_sentence(ValueError, "x0", "3", "(2, 2, 3)"):
        data.energy(torch.zeros(2, 2, 3))
    with one_sentence(ValueError, "dim", "3", "2"):
        data.posterior(GaussianPrior(0.0, 1.0), dim=2)
    with one_sentence(TypeError, "prior", "Opaque"):

        class Opaque:
            pass

        data.posterior(Opaque())
