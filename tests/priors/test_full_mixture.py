"""Mixtures with full covariances: against the other closed forms, torch's distributions, and Tweedie's formula."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

from dpskit import FullGaussianMixture, GaussianMixturePrior, GaussianPrior, PointMixturePrior


def mixture(k=3, n=2, d=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    means = torch.randn(k, n, d, generator=generator, dtype=torch.float64)
    roots = torch.randn(k, n * d, n * d, generator=generator, dtype=torch.float64)
    return FullGaussianMixture(torch.rand(k, generator=generator) + 0.1, means, roots @ roots.mT / 4)


def by_torch(found, t=0.0):
    covariances = found.covariances + t**2 * torch.eye(found.covariances.shape[1])
    return MixtureSameFamily(Categorical(found.weights), MultivariateNormal(found.means.flatten(1), covariances))


PRIORS = {
    "gaussian": GaussianPrior(torch.tensor([[0.2, -0.1], [0.0, 1.0]]), torch.tensor([[0.5, 1.0], [2.0, 0.3]])),
    "mixture": GaussianMixturePrior([1.0, 2.0], torch.tensor([[[0.0, 1], [2, 3]], [[1, -1], [0, 0.5]]]), [0.4, 0.9]),
    "points": PointMixturePrior([[0.0, 0.5], [1.0, -0.3], [-0.7, 0.2]], 0.3),
}


@pytest.mark.parametrize("name", PRIORS)
@given(seed=st.integers(0, 1000), t=st.floats(0.05, 20))
def test_the_other_priors_are_special_cases(normal, name, seed, t):
    """Two i.i.d. points of three centres are a mixture of nine clouds."""
    prior, x, times = PRIORS[name], normal(4, 2, 2, seed=seed).double(), torch.full((4,), t, dtype=torch.float64)
    found = FullGaussianMixture.of(prior, 2, 2)
    assert torch.allclose(found.denoise(x, times), prior.denoise(x, times), atol=1e-5)
    assert FullGaussianMixture.of(found, 2, 2) is found


@given(seed=st.integers(0, 1000), t=st.floats(0.05, 5))
def test_log_prob_is_torch_s_and_denoise_is_tweedie_s(normal, seed, t):
    found, x = mixture(seed=seed), normal(5, 2, 2, seed=seed).double()
    assert torch.allclose(found.log_prob(x), by_torch(found).log_prob(x.flatten(1)), rtol=1e-6, atol=1e-6)
    leaf = x.flatten(1).requires_grad_()
    (score,) = torch.autograd.grad(by_torch(found, t).log_prob(leaf).sum(), leaf)
    denoised = found.denoise(x, torch.full((5,), t, dtype=torch.float64))
    assert torch.allclose(denoised, x + t**2 * score.view_as(x), rtol=1e-6, atol=1e-6)


def test_samples_have_the_mean_and_the_covariance():
    found, count = mixture(), 40_000
    drawn = found.sample(count, seed=1).double()
    z = (drawn.mean(0) - found.mean) / (found.std / math.sqrt(count))
    assert float(z.abs().max()) < 4
    torch_covariance = torch.einsum("k,kij->ij", found.weights, found.covariances) + torch.cov(
        found.means.flatten(1).T, aweights=found.weights, correction=0
    )
    assert torch.allclose(found.covariance, torch_covariance)
    offset = (drawn - found.mean).flatten(1)
    products = offset[:, :, None] * offset[:, None, :]
    z = (products.mean(0) - found.covariance) / (products.std(0) / math.sqrt(count))
    assert float(z.abs().max()) < 4.5
    assert torch.equal(drawn.float(), found.sample(count, seed=1))


def test_bad_input(one_sentence):
    means, unit = torch.zeros(2, 1, 2), torch.eye(2).expand(2, 2, 2)
    with one_sentence(ValueError, "weights", "(3,)"):
        FullGaussianMixture(torch.ones(3), means, unit)
    with one_sentence(ValueError, "weights", "not all 0"):
        FullGaussianMixture(torch.zeros(2), means, unit)
    with one_sentence(ValueError, "covariances", "symmetric"):
        FullGaussianMixture(torch.ones(2), means, unit + torch.tensor([[0.0, 0.1], [0.0, 0.0]]))
    with one_sentence(ValueError, "covariances", "semidefinite", "-1"):
        FullGaussianMixture(torch.ones(2), means, -unit)
    with one_sentence(TypeError, "prior", "int"):
        FullGaussianMixture.of(3, 1, 2)
    with one_sentence(ValueError, "prior", "(2, 3)", "(2, 2)"):
        FullGaussianMixture.of(PRIORS["gaussian"], 2, 3)
    with one_sentence(ValueError, "prior", "3^20"):
        FullGaussianMixture.of(PRIORS["points"], 20, 2)
