import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from dpskit import GaussianMixturePrior, GaussianPrior, PointMixturePrior

times = st.floats(0.01, 20.0)
seeds = st.integers(0, 1000)


def tweedie(log_marginal, x, t):
    """x + t^2 grad log p_t(x), by automatic differentiation of the marginal's log density."""
    x = x.clone().requires_grad_()
    (score,) = torch.autograd.grad(log_marginal(x).sum(), x)
    return x.detach() + t[:, None, None] ** 2 * score


def integrate_1d(log_prior, x, t):
    """E[x0 | x] = int x0 p(x0) N(x; x0, t^2) dx0 / int p(x0) N(x; x0, t^2) dx0 on a grid."""
    grid = torch.linspace(-12, 12, 10_001, dtype=torch.float64)
    weight = torch.softmax(log_prior(grid) - (grid - x) ** 2 / (2 * t**2), dim=0)
    return float((weight * grid).sum())


def z_score(values, mean, std):
    """Of the mean of independent values that should have this mean and standard deviation."""
    return float((values.double().mean() - mean) / (std / math.sqrt(values.numel())))


@given(st.floats(-3, 3), st.floats(-1, 1), st.floats(0.1, 2), st.floats(0.05, 3))
def test_gaussian_against_numerical_integration(x, mean, std, t):
    prior = GaussianPrior(mean, std)
    found = prior.denoise(torch.tensor([[[x]]], dtype=torch.float64), torch.tensor([t], dtype=torch.float64))
    expected = integrate_1d(lambda grid: -((grid - mean) ** 2) / (2 * std**2), x, t)
    assert found.shape == (1, 1, 1)
    assert float(found) == pytest.approx(expected, abs=1e-6)


@given(seeds, times)
def test_gaussian_against_tweedie_with_a_mean_and_std_for_every_coordinate(normal, seed, t):
    mean, std = normal(4, 3, seed=seed), normal(4, 3, seed=seed + 1).exp()
    x, t = normal(2, 4, 3, seed=seed + 2, dtype=torch.float64), torch.tensor([t, 0.3], dtype=torch.float64)

    def log_marginal(x):
        total = (std.double() ** 2 + t[:, None, None] ** 2).sqrt()
        return Normal(mean.double(), total).log_prob(x)

    assert torch.allclose(GaussianPrior(mean, std).denoise(x, t), tweedie(log_marginal, x, t), atol=1e-8)


def test_gaussian_limits():
    prior = GaussianPrior(0.25, 0.5)
    x = torch.tensor([[[1.0, -1.0]]])
    assert torch.allclose(prior.denoise(x, torch.tensor([1e-4])), x, atol=1e-6)
    assert torch.allclose(prior.denoise(x, torch.tensor([1e4])), torch.tensor(0.25), atol=1e-6)
    assert torch.allclose(prior.denoise(x, torch.tensor([0.5])), (x + 0.25) / 2)


WEIGHTS, MEANS, STDS = [0.2, 0.5, 0.3], [-1.5, 0.2, 2.0], [0.3, 0.15, 0.6]


def log_mixture(grid):
    means, stds = torch.tensor(MEANS, dtype=torch.float64), torch.tensor(STDS, dtype=torch.float64)
    return MixtureSameFamily(Categorical(torch.tensor(WEIGHTS, dtype=torch.float64)), Normal(means, stds)).log_prob(
        grid
    )


@given(st.floats(-4, 4), st.floats(0.05, 3))
def test_mixture_against_numerical_integration(x, t):
    prior = GaussianMixturePrior(torch.tensor(WEIGHTS) * 7, torch.tensor(MEANS)[:, None, None], torch.tensor(STDS))
    found = prior.denoise(torch.tensor([[[x]]], dtype=torch.float64), torch.tensor([t], dtype=torch.float64))
    assert float(found) == pytest.approx(integrate_1d(log_mixture, x, t), abs=1e-5)


@given(seeds, times, st.integers(1, 5), st.integers(1, 4), st.integers(1, 3))
def test_mixture_of_whole_clouds_against_tweedie(normal, seed, t, k, n, d):
    weights, stds = normal(k, seed=seed).exp(), normal(k, seed=seed + 1).exp()
    means = normal(k, n, d, seed=seed + 2, dtype=torch.float64)
    x, t = normal(2, n, d, seed=seed + 3, dtype=torch.float64), torch.tensor([t, 0.4], dtype=torch.float64)

    def log_marginal(x):
        total = (stds.double() ** 2 + t[:, None] ** 2).sqrt()[:, :, None, None].expand(2, k, n, d)
        clouds = Independent(Normal(means.expand(2, k, n, d), total), 2)
        return MixtureSameFamily(Categorical(weights.double().expand(2, k)), clouds).log_prob(x)

    found = GaussianMixturePrior(weights, means, stds).denoise(x, t)
    assert torch.allclose(found, tweedie(log_marginal, x, t), atol=1e-6)


@given(seeds, times)
def test_mixture_of_equal_components_is_the_gaussian(normal, seed, t):
    mean = normal(1, 4, 3, seed=seed)
    x, t = normal(2, 4, 3, seed=seed + 1), torch.tensor([t, 0.1])
    mixture = GaussianMixturePrior(torch.tensor([1.0, 3.0]), mean.expand(2, 4, 3), torch.tensor([0.4, 0.4]))
    assert torch.allclose(mixture.denoise(x, t), GaussianPrior(mean[0], 0.4).denoise(x, t), atol=1e-5)


@given(seeds, times, st.integers(1, 6), st.integers(1, 3), st.floats(0.02, 1.0))
def test_point_mixture_against_a_direct_loop(normal, seed, t, m, d, bandwidth):
    centers = normal(m, d, seed=seed, dtype=torch.float64)
    x, t = normal(2, 3, d, seed=seed + 1, dtype=torch.float64), torch.tensor([t, 0.2], dtype=torch.float64)
    found = PointMixturePrior(centers, bandwidth).denoise(x, t)
    bandwidth = float(torch.tensor(bandwidth))  # as stored, in single precision
    for b in range(2):
        total = bandwidth**2 + float(t[b]) ** 2
        for i in range(3):
            squared = [float((x[b, i] - p).square().sum()) for p in centers]
            weights = [math.exp(-(s - min(squared)) / (2 * total)) for s in squared]
            means = [(bandwidth**2 * x[b, i] + float(t[b]) ** 2 * p) / total for p in centers]
            expected = sum(w * mean for w, mean in zip(weights, means, strict=True)) / sum(weights)
            assert torch.allclose(found[b, i], expected, atol=1e-7)


@given(seeds, times)
def test_point_mixture_treats_points_independently(normal, seed, t):
    prior = PointMixturePrior(normal(4, 3, seed=seed), 0.1)
    x, t = normal(1, 5, 3, seed=seed + 1), torch.tensor([t])
    one_by_one = torch.cat([prior.denoise(x[:, [i]], t) for i in range(5)], dim=1)
    assert torch.allclose(prior.denoise(x, t), one_by_one, atol=1e-6)


def test_a_cloud_of_the_mixture_shares_its_component():
    """One informative point decides for the other, which point mixtures cannot do."""
    x, t = torch.tensor([[[1.0], [0.0]]]), torch.tensor([0.5])
    centers = torch.tensor([[1.0], [-1.0]])
    clouds = GaussianMixturePrior(torch.ones(2), centers[:, :, None].expand(2, 2, 1), torch.full((2,), 1e-3))
    assert torch.allclose(clouds.denoise(x, t), torch.tensor(math.tanh(4.0)), atol=1e-4)
    points = PointMixturePrior(centers, 1e-3)
    assert torch.allclose(points.denoise(x, t), torch.tensor([math.tanh(4.0), 0.0])[:, None], atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_double_precision_parameters_do_not_change_the_type_of_the_cloud(dtype, normal):
    parameters = normal(2, 4, 3, dtype=torch.float64)
    x, t = normal(1, 4, 3, dtype=dtype), torch.tensor([0.5], dtype=dtype)
    for prior in [
        GaussianPrior(parameters[0], 1.0),
        GaussianMixturePrior(torch.ones(2), parameters, torch.ones(2)),
        PointMixturePrior(parameters[0].numpy(), 0.1),
    ]:
        assert prior.denoise(x, t).dtype == dtype


def test_gaussian_sample_moments():
    mean, std = torch.tensor([1.0, -2.0]), torch.tensor([0.5, 3.0])
    drawn = GaussianPrior(mean, std).sample(500, 20, dim=2, seed=4)
    assert drawn.shape == (500, 20, 2)
    for axis in range(2):
        values, m, s = drawn[..., axis], float(mean[axis]), float(std[axis])
        assert abs(z_score(values, m, s)) < 4
        assert abs(z_score((values - m) ** 2, s**2, math.sqrt(2) * s**2)) < 4
    assert abs(z_score((drawn[:, 0, 0] - 1) * (drawn[:, 1, 0] - 1), 0, 0.25)) < 4  # points are independent


def test_mixture_sample_draws_whole_clouds_in_proportion_to_the_weights(normal):
    weights = torch.tensor([1.0, 2.0, 5.0])
    means = torch.tensor([-10.0, 0.0, 10.0])[:, None, None] + normal(3, 4, 2)
    stds = torch.tensor([0.1, 0.2, 0.4])
    drawn = GaussianMixturePrior(weights, means, stds).sample(4000, seed=2)
    component = ((drawn + 5) / 10).mean(dim=2).floor().long() + 1
    assert bool((component == component[:, :1]).all())
    for k in range(3):
        mine = drawn[component[:, 0] == k]
        p = float(weights[k]) / 8
        assert abs(len(mine) - 4000 * p) < 4 * math.sqrt(4000 * p * (1 - p))
        residual = mine - means[k]
        assert abs(z_score(residual, 0, float(stds[k]))) < 4
        assert abs(z_score(residual**2, float(stds[k]) ** 2, math.sqrt(2) * float(stds[k]) ** 2)) < 4


def test_point_mixture_sample_moments():
    centers = torch.tensor([[0.0], [1.0], [5.0]])
    drawn = PointMixturePrior(centers, 0.05).sample(100, 90, seed=1)
    assert drawn.shape == (100, 90, 1)
    nearest = (drawn - centers.T).abs().argmin(dim=2)
    for k in range(3):
        assert abs(int((nearest == k).sum()) - 3000) < 4 * math.sqrt(9000 * 2 / 9)
    residual = drawn - centers[nearest]
    assert abs(z_score(residual, 0, 0.05)) < 4
    assert abs(z_score(residual**2, 0.0025, math.sqrt(2) * 0.0025)) < 4


def test_samples_follow_the_seed():
    for draw in [
        lambda seed: GaussianPrior(0.0, 1.0).sample(2, 3, seed=seed),
        lambda seed: GaussianMixturePrior(torch.ones(1), torch.zeros(1, 3, 3), torch.ones(1)).sample(2, seed=seed),
        lambda seed: PointMixturePrior(torch.zeros(2, 3), 1.0).sample(2, 3, seed=seed),
    ]:
        assert torch.equal(draw(1), draw(1))
        assert not torch.equal(draw(1), draw(2))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: GaussianPrior(math.nan, 1.0), ValueError, ["mean", "nan"]),
        (lambda: GaussianPrior("a", 1.0), TypeError, ["mean", "str"]),
        (lambda: GaussianPrior(0.0, 0.0), ValueError, ["std", "0.0"]),
        (lambda: GaussianPrior(0.0, -1.0), ValueError, ["std", "-1.0"]),
        (lambda: GaussianPrior(0.0, 1.0).sample(0, 3), ValueError, ["n_samples", "0"]),
        (lambda: GaussianPrior(0.0, 1.0).sample(1, -3), ValueError, ["n_points", "-3"]),
        (lambda: GaussianMixturePrior([1, -1], torch.zeros(2, 1, 1), [1, 1]), ValueError, ["weights", "-1.0"]),
        (lambda: GaussianMixturePrior([1, 0], torch.zeros(2, 1, 1), [1, 1]), ValueError, ["weights", "0.0"]),
        (lambda: GaussianMixturePrior([1], torch.zeros(2, 1, 1), [1, 1]), ValueError, ["weights", "(1,)", "(2,)"]),
        (lambda: GaussianMixturePrior([1, 1], torch.zeros(2, 1, 1), [1, 0]), ValueError, ["stds", "0.0"]),
        (lambda: GaussianMixturePrior([1, 1], torch.zeros(2, 3), [1, 1]), ValueError, ["means", "(2, 3)"]),
        (lambda: GaussianMixturePrior([], torch.zeros(0, 2, 3), []), ValueError, ["weights", "none"]),
        (lambda: PointMixturePrior(torch.zeros(0, 3), 0.1), ValueError, ["points", "(0, 3)"]),
        (lambda: PointMixturePrior(torch.full((2, 3), math.nan), 0.1), ValueError, ["points", "2 of 2"]),
        (lambda: PointMixturePrior(torch.zeros(2, 3), 0.0), ValueError, ["bandwidth", "0.0"]),
        (lambda: PointMixturePrior(torch.zeros(2, 3), math.inf), ValueError, ["bandwidth", "inf"]),
        (lambda: PointMixturePrior(torch.zeros(2, 3), 0.1).sample(1, 0), ValueError, ["n_points", "0"]),
    ],
)
def test_bad_input(one_sentence, call, error, words):
    with one_sentence(error, *words):
        call()
