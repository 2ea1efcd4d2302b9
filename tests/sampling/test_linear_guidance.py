"""Guidance for linear measurements, against the score of the exact posterior at every noise level."""

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dpskit import (
    DPS,
    Algorithm1,
    CoarseGrained,
    DataSpace,
    EulerMaruyama,
    EulerODE,
    GaussianMixturePrior,
    GaussianPrior,
    Heun,
    InverseTime,
    Joint,
    LikelihoodScore,
    LinearGaussian,
    MomentMatched,
    Replacement,
    UnknownOrder,
    karras_schedule,
    sample,
)
from dpskit.sampling.protocol import State
from dpskit.sampling.unguided import Unguided

MIXTURE = GaussianMixturePrior([0.5, 0.5], torch.tensor([[[-1.0]], [[1.0]]]), [0.3, 0.3])


def problem(normal, m=3, seed=0):
    """Two points in the plane, m measurements, clouds (3, 2, 2) with times; in double precision."""
    data = LinearGaussian(normal(m, 4, seed=seed).double(), normal(m, seed=seed + 1).double(), 0.4)
    return data, normal(3, 2, 2, seed=seed + 2).double(), torch.tensor([0.1, 1.0, 8.0], dtype=torch.float64)


@given(seed=st.integers(0, 1000), m=st.integers(1, 5))
def test_moment_matching_is_the_exact_posterior_score_of_a_gaussian(normal, seed, m):
    data, x, t = problem(normal, m, seed)
    prior = GaussianPrior(normal(2, 2, seed=seed).double(), torch.tensor([[0.5, 1.0], [2.0, 0.3]]).double())
    found, exact = MomentMatched()(prior, data)(x, t), Unguided()(data.posterior(prior))(x, t)
    assert torch.allclose(found.score, exact.score, rtol=1e-5, atol=1e-6)
    assert torch.allclose(found.energy, data.energy(prior.denoise(x, t)))
    # The twist at t -> 0 is the likelihood itself.
    near = MomentMatched()(prior, data)(x, torch.full((3,), 1e-5, dtype=torch.float64))
    assert torch.allclose(near.log_twist, data.log_prob(x), atol=1e-3)


def test_moment_matching_takes_the_symmetric_part_of_a_denoiser_s_covariance(normal):
    """The Jacobian of a trained network is not quite symmetric, nor positive: a linear denoiser with such a one."""

    class Linear:
        def __init__(self, jacobian):
            self.jacobian = jacobian

        def denoise(self, x, t):
            return (x.flatten(1) @ self.jacobian.T).view_as(x)

    data, t, x = LinearGaussian(normal(3, 6), normal(3, seed=1), 0.5), torch.tensor([0.7, 1.2]), normal(2, 2, 3, seed=2)
    for shift in (2.0, 0.0):  # positive, and not
        jacobian = 0.3 * normal(6, 6, seed=3) + shift * torch.eye(6)
        denoised = (x.flatten(1) @ jacobian.T).view_as(x)
        spread = data.A @ jacobian @ data.A.T
        values, vectors = torch.linalg.eigh((spread + spread.T) / 2)
        assert bool((values > 0).all()) == (shift > 0)
        found = MomentMatched()(Linear(jacobian), data)(x, t)
        for k in range(2):
            total = 0.25 * torch.eye(3) + t[k] ** 2 * vectors @ values.clamp_min(0).diag() @ vectors.T
            residual = data.y - data.A @ denoised[k].flatten()
            pull = (jacobian.T @ data.A.T @ torch.linalg.solve(total, residual)).view(2, 3)
            assert torch.allclose(found.score[k], (denoised[k] - x[k]) / t[k] ** 2 + pull, rtol=1e-4, atol=1e-4)
            exact = torch.distributions.MultivariateNormal(torch.zeros(3), total).log_prob(residual)
            assert float(found.log_twist[k]) == pytest.approx(float(exact), rel=1e-4)


def test_moment_matching_is_not_exact_for_a_mixture():
    data = LinearGaussian([[1.0]], [0.3], 0.7)
    x, t = torch.zeros(1, 1, 1).double(), torch.tensor([0.8]).double()
    exact = Unguided()(data.posterior(MIXTURE))(x, t).score
    assert abs(float(MomentMatched()(MIXTURE, data)(x, t).score - exact)) > 0.05


@given(seed=st.integers(0, 1000))
def test_the_data_space_step_is_the_likelihood_score_of_its_gaussian(normal, seed):
    data, x, t = problem(normal, seed=seed)
    prior = GaussianPrior(0.3, 0.7)
    assert torch.allclose(
        DataSpace(prior_std=0.7)(prior, data)(x, t).score, LikelihoodScore()(prior, data)(x, t).score, rtol=1e-4
    )


def test_the_data_space_step_does_not_differentiate_the_denoiser(normal):
    class Opaque:
        def denoise(self, x, t):
            assert not torch.is_grad_enabled()
            return x / 2

    data, x, t = problem(normal)
    pull = DataSpace(prior_std=0.5)(Opaque(), data)(x, t).score + x / 2 / t[:, None, None] ** 2
    by_hand = (data.residual(x / 2) @ data.A / 0.16).view_as(x) * (0.25 / (0.25 + t**2))[:, None, None]
    assert torch.allclose(pull, by_hand)


@given(seed=st.integers(0, 1000), t=st.floats(0.05, 10))
def test_inflated_noise_is_exact_for_its_gaussian_and_orthonormal_rows(normal, seed, t):
    rows = torch.linalg.qr(normal(4, 4, seed=seed).double()).Q[:2]
    data = LinearGaussian(rows, normal(2, seed=seed).double(), 0.3)
    prior, x = GaussianPrior(0.2, 0.8), normal(3, 2, 2, seed=seed).double()
    times = torch.full((3,), t, dtype=torch.float64)
    found, exact = LikelihoodScore(0.8)(prior, data)(x, times), MomentMatched()(prior, data)(x, times)
    assert torch.allclose(found.score, exact.score, rtol=1e-5, atol=1e-6)
    assert torch.allclose(found.log_twist, exact.log_twist, rtol=1e-5, atol=1e-6)


def test_inflated_noise_reaches_every_likelihood(normal):
    y, x, t = normal(3, 2), normal(2, 3, 2).double(), torch.full((2,), 0.7, dtype=torch.float64)
    variance = 0.25 * 0.49 / (0.25 + 0.49)
    prior = GaussianPrior(0.0, 1.0)
    expected = UnknownOrder(y, math.sqrt(0.09 + variance)).log_prob(prior.denoise(x, t))
    assert torch.allclose(LikelihoodScore(0.5)(prior, UnknownOrder(y, 0.3))(x, t).log_twist, expected)
    x, y = normal(2, 3, 3).double(), normal(3, 3)
    joint = Joint([CoarseGrained(y, sigma=0.3), CoarseGrained(y[:2], sigma=0.1)])
    noisier = [CoarseGrained(p.points, sigma=math.sqrt(p.sigma**2 + variance)) for p in joint.parts]
    expected = Joint(noisier).log_prob(prior.denoise(x, t))
    assert torch.allclose(LikelihoodScore(0.5)(prior, joint)(x, t).log_twist, expected)


def test_replacement_pulls_the_observed_coordinates_to_the_data(normal):
    x, t = normal(3, 2, 2).double(), torch.tensor([0.1, 1.0, 8.0], dtype=torch.float64)
    data = LinearGaussian(torch.eye(4)[[2, 1]], [0.5, -0.5], 0.3)
    prior = GaussianPrior(0.0, 1.0)
    found = Replacement()(prior, data)(x, t).score.flatten(1)
    free = Unguided()(prior)(x, t).score.flatten(1)
    assert torch.equal(found[:, [0, 3]], free[:, [0, 3]])
    observed = (torch.tensor([0.5, -0.5]) - x.flatten(1)[:, [2, 1]]) / (0.09 + t**2)[:, None]
    assert torch.allclose(found[:, [2, 1]], observed)


class ConstantNoise:
    def __init__(self, value):
        self.value = value

    def draw(self, step):
        return torch.full((1, 1, 1), self.value, dtype=torch.float64)


def moments(guidance, solver, sigma, n_steps, y=1.0):
    """Mean and std of the samples for N(0, 1), without Monte Carlo: every step is affine, x -> a x + b + c z."""
    times = karras_schedule(n_steps, t_max=10.0).tolist()
    score = guidance(GaussianPrior(0.0, 1.0), LinearGaussian([[1.0]], [y], sigma))
    mean, variance = 0.0, times[0] ** 2
    for t, t_next in itertools.pairwise(times):

        def step(x, z, t=t, t_next=t_next):
            state = State(torch.full((1, 1, 1), x, dtype=torch.float64), 0, ConstantNoise(z))
            return float(solver.step(score, state, t, t_next)[0].x)

        b = step(0.0, 0.0)
        a, c = step(1.0, 0.0) - b, step(0.0, 1.0) - b
        mean, variance = a * mean + b, a**2 * variance + c**2
    return mean, math.sqrt(variance)


# DPS with the right noise (zeta = 1) and beta = 1/t, in the limit of many steps; the truth is y / (1 + sigma^2),
# 1 / sqrt(1 + 1 / sigma^2).
@pytest.mark.parametrize(("sigma", "mean", "std"), [(0.5, 0.98, 0.353), (0.2, 1.00, 0.141), (1.0, 0.63, 0.657)])
def test_dps_is_not_the_posterior(sigma, mean, std):
    found = moments(LikelihoodScore(), EulerMaruyama(), sigma, 400)
    assert found == (pytest.approx(mean, abs=0.005), pytest.approx(std, abs=0.004))
    truth = (1 / (1 + sigma**2), 1 / math.sqrt(1 + 1 / sigma**2))
    exact = moments(MomentMatched(), EulerMaruyama(), sigma, 400)
    assert exact == (pytest.approx(truth[0], abs=0.003), pytest.approx(truth[1], rel=0.008))


def test_dps_depends_on_the_solver_and_moment_matching_does_not():
    """The flow ODE forgets less: there DPS ends at 1.23 +- 0.14 where the truth is 0.80 +- 0.447."""
    ode = Heun(InverseTime(math.inf))
    assert moments(LikelihoodScore(), ode, 0.5, 400) == (pytest.approx(1.226, abs=2e-3), pytest.approx(0.137, abs=1e-3))
    mean, std = moments(MomentMatched(), ode, 0.5, 400)
    # The start N(0, t_max^2) instead of its exact marginal is still seen in the mean, at order 1 / t_max.
    assert mean == pytest.approx(0.8, abs=0.04)
    assert std == pytest.approx(math.sqrt(0.2), rel=0.003)


@pytest.mark.parametrize("solver", [EulerMaruyama(), Algorithm1(), EulerODE()])
def test_moment_matching_converges_with_the_steps(solver):
    errors = [abs(moments(MomentMatched(), solver, 0.5, n)[1] / math.sqrt(0.2) - 1) for n in (20, 80, 320)]
    assert errors[1] < 0.5 * errors[0] and errors[2] < 0.5 * errors[1]
    assert errors[2] < 0.01


def z_score(points, mean, std):
    return float((points.mean() - mean) / (std / math.sqrt(points.numel())))


def test_the_table_with_random_numbers():
    """The same through sample(): 1,200 draws against the affine recursion and against the truth, as z-scores."""
    settings = {"n_samples": 1200, "n_points": 1, "dim": 1, "schedule": karras_schedule(40, t_max=10.0)}
    prior, data = GaussianPrior(0.0, 1.0), LinearGaussian([[1.0]], [1.0], 0.5)
    for guidance in (LikelihoodScore(), MomentMatched()):
        mean, std = moments(guidance, Algorithm1(), 0.5, 40)
        points = sample(prior, data, guidance=guidance, progress=False, **settings).points
        assert abs(z_score(points, mean, std)) < 4
        assert abs((float(points.std()) / std - 1) * math.sqrt(2 * 1200)) < 4
        from_truth = z_score(points, 0.8, math.sqrt(0.2))
        assert abs(from_truth) < 4 if guidance == MomentMatched() else abs(from_truth) > 7


def test_the_spread_of_the_paper_s_guidance_does_not_know_the_noise():
    settings = {"n_samples": 150, "n_points": 1, "dim": 1, "schedule": karras_schedule(40, t_max=10.0)}
    prior = GaussianPrior(0.0, 1.0)
    spread = {}
    for alpha, sigma in itertools.product((512.0, 2048.0, 8192.0), (0.2, 1.0)):
        data = LinearGaussian([[1.0]], [1.0], sigma)
        spread[alpha, sigma] = float(sample(prior, data, guidance=DPS(alpha), progress=False, **settings).points.std())
    assert all(spread[alpha, 0.2] == spread[alpha, 1.0] for alpha in (512.0, 2048.0, 8192.0))
    assert spread[512.0, 1.0] > 2 * spread[2048.0, 1.0] > 4 * spread[8192.0, 1.0]


def test_moment_matching_of_a_mixture_stays_wrong_with_more_steps():
    """Its bias is no matter of steps, while the exact score through the same solver has none."""
    data = LinearGaussian([[1.0]], [0.3], 0.7)
    exact = data.posterior(MIXTURE)
    mean, std = float(exact.mean), float(exact.std)
    for n_steps in (30, 60):
        settings = {"n_samples": 1000, "n_points": 1, "dim": 1, "schedule": karras_schedule(n_steps, t_max=12.0)}
        settings["solver"] = Algorithm1()
        drawn = sample(MIXTURE, data, guidance=MomentMatched(), progress=False, **settings).points
        through_the_solver = sample(exact, None, progress=False, **settings).points
        assert abs(z_score(drawn, mean, std)) > 5
        assert abs(z_score(through_the_solver, mean, std)) < 4


def test_bad_input(one_sentence, normal):
    prior, order = GaussianPrior(0.0, 1.0), UnknownOrder(normal(3, 2), 0.3)
    for guidance in (MomentMatched(), Replacement()):
        with one_sentence(TypeError, "likelihood", "LinearGaussian", "UnknownOrder"):
            guidance(prior, order)
    with one_sentence(ValueError, "A", "select"):
        Replacement()(prior, LinearGaussian(torch.ones(1, 4), [0.0], 1.0))
    with one_sentence(ValueError, "A", "select"):
        Replacement()(prior, LinearGaussian(torch.eye(4)[[1, 1]], [0.0, 0.0], 1.0))
    for number in (0.0, -1.0, math.nan):
        with one_sentence(ValueError, "prior_std", "above 0"):
            LikelihoodScore(number)
        with one_sentence(ValueError, "std", "above 0"):
            DataSpace(prior_std=number)
    with one_sentence(ValueError, "sigma", "None"):
        DataSpace()(prior, CoarseGrained(normal(2, 3)))
