import math
from dataclasses import replace
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dpskit import (
    DPS,
    CoarseGrained,
    DataSpace,
    DiffusionPrior,
    GaussianPrior,
    Joint,
    LikelihoodScore,
    PointMixturePrior,
    Projections,
    Subunit,
    karras_schedule,
    random_rotations,
    sample,
)
from dpskit.likelihoods import observation
from dpskit.priors.transformer import PointTransformer, TransformerConfig
from dpskit.sampling.unguided import Unguided, prior_score


class Counting:
    """A prior that counts the calls of its denoiser."""

    def __init__(self, prior):
        self.prior, self.calls = prior, 0

    def denoise(self, x, t):
        self.calls += 1
        return self.prior.denoise(x, t)


class Identity:
    def denoise(self, x, t):
        return 1.0 * x


def problem(n=6, seed=0):
    """A Joint likelihood of all kinds with noise, and clouds (2, n, 3) with their times, in double precision."""
    normal = lambda k, *shape: torch.randn(  # noqa: E731
        shape, generator=torch.Generator().manual_seed(100 * seed + k), dtype=torch.float64
    )
    views = Projections([normal(1, n, 2), normal(2, n - 2, 2)], random_rotations(2, seed), sigma=0.3)
    data = Joint(
        [views, CoarseGrained(normal(3, 3, 3), sigma=0.2), Subunit(normal(4, 3, 3), sigma=0.1)], [1, 2, 1, 0.5]
    )
    return data, normal(5, 2, n, 3), torch.tensor([0.3, 1.5], dtype=torch.float64)


PRIORS = {
    "gaussian": GaussianPrior(0.1, 0.4),
    "points": PointMixturePrior(torch.randn(5, 3, generator=torch.Generator().manual_seed(9)), 0.3),
}


def finite_difference(function, x, step=1e-6):
    """d function(x) / d x by central differences, for function: (b, n, d) -> (b,) that treats clouds separately."""
    gradient = torch.zeros_like(x)
    for i in range(x.shape[1]):
        for j in range(x.shape[2]):
            shift = torch.zeros_like(x)
            shift[:, i, j] = step
            gradient[:, i, j] = (function(x + shift) - function(x - shift)) / (2 * step)
    return gradient


def test_the_default_alpha_is_fifty_for_each_observed_point():
    class Centre:
        def energy(self, x0):
            return x0.mean(dim=1).square().sum(dim=1) / 2

    data, x, t = problem()
    prior = PRIORS["gaussian"]
    assert data.n_observed == 6 + 4 + 3 + 3
    for likelihood, alpha in [(data, 50 * 16), (Centre(), 50 * 1000), (Joint([data, Centre()]), 50 * 1016)]:
        assert DPS().suited(prior, likelihood).alpha == alpha
        assert torch.equal(DPS()(prior, likelihood)(x, t).score, DPS(alpha)(prior, likelihood)(x, t).score)
    assert DPS().suited(prior).alpha is None and DPS(3.0).suited(prior, data).alpha == 3.0


class Counted:
    """One condition, worth as many observed points as it says."""

    def __init__(self, n_observed):
        self.n_observed = n_observed

    def energy(self, x0):
        return x0.mean(dim=1).square().sum(dim=1) / 2


@pytest.mark.parametrize("count", [0, -1, None, "12", math.nan, torch.tensor([5, 6])])
def test_a_wrong_number_of_observed_points_is_named(one_sentence, count):
    with one_sentence(ValueError, "n_observed of a likelihood", "number"):
        DPS().suited(PRIORS["gaussian"], Counted(count))
    assert DPS(3.0).suited(PRIORS["gaussian"], Counted(count)).alpha == 3.0  # it is not asked


def test_what_counts_nothing_does_not_strengthen_the_pull():
    """A condition that says so, and observations whose weight is 0, which the energy does not see."""
    data, *_ = problem()
    assert Joint([data, Counted(0)]).n_observed == 16
    views, condition = Projections.observe(torch.rand(9, 3), n_views=2, n_points=4, seed=0), Counted(70)
    assert Joint([views, condition], [1.0, 0.0, 0.0]).n_observed == 4
    assert Joint([views, condition], [0.0, 0.0, 2.0]).n_observed == 70


def test_alpha_over_noise_is_the_score_of_data_that_fit_as_well_as_their_noise():
    """M / sigma pulls like the log density of M points with noise sigma, where E is sigma^2."""
    sigma, prior = 0.3, GaussianPrior(0.0, 0.4)
    data = Projections([torch.zeros(5, 2)], torch.eye(3)[None], sigma=sigma)
    t = torch.tensor([1e-3], dtype=torch.float64)  # so small that the denoiser changes nothing
    x = torch.tensor([sigma, sigma, 0.7], dtype=torch.float64).expand(1, 5, 3)
    assert float(data.energy(x)) == pytest.approx(sigma**2)
    alpha = 1024 / 5 * data.n_observed / sigma
    found, wanted = (rule(prior, data)(x, t).score for rule in (DPS(alpha, reach=None), LikelihoodScore()))
    assert torch.allclose(found, wanted, rtol=1e-4)


@pytest.mark.parametrize("guidance", [Unguided(), DPS(), LikelihoodScore()])
def test_one_call_of_the_denoiser_for_every_score(guidance):
    data, x, t = problem()
    prior = Counting(GaussianPrior(0.0, 0.5))
    score = guidance(prior, data)
    assert prior.calls == 0
    for calls in range(1, 4):
        score(x, t)
        assert prior.calls == calls


@pytest.mark.parametrize("prior", PRIORS.values(), ids=PRIORS.keys())
@pytest.mark.parametrize("alpha", [0.0, 300.0, 10_000.0])
def test_dps_is_the_prior_score_and_the_finite_difference_of_the_root_energy(prior, alpha):
    data, x, t = problem()
    found = DPS(alpha)(prior, data)(x, t)
    # alpha / sqrt(E) grad E = 2 alpha grad sqrt(E)
    root = finite_difference(lambda x: data.energy(prior.denoise(x, t)).sqrt(), x)
    pull = -2 * alpha * (6 / 1024) * root
    prior_score = (prior.denoise(x, t) - x) / t[:, None, None] ** 2
    assert torch.allclose(found.score, prior_score + pull, rtol=1e-5, atol=1e-6 * max(1, alpha))
    assert torch.equal(found.energy, data.energy(prior.denoise(x, t)))
    assert torch.equal(found.denoised, prior.denoise(x, t))


def test_the_gradient_flows_through_the_network():
    torch.manual_seed(3)
    network = PointTransformer(TransformerConfig(16, 1, 16)).double()
    torch.nn.init.normal_(network.output.weight)
    prior = DiffusionPrior(network.requires_grad_(False))
    data, x, t = problem(n=5)
    pull = DPS(1000)(prior, data)(x, t).score - (prior.denoise(x, t) - x) / t[:, None, None] ** 2
    assert bool((pull.norm(dim=2) > 0.5).all())

    def root(x):
        return data.energy(prior.denoise(x, t)).sqrt()

    for seed in range(3):
        way = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        slope = (root(x + 1e-6 * way) - root(x - 1e-6 * way)) / 2e-6
        assert torch.allclose((pull * way).sum(dim=(1, 2)), -2000 * (5 / 1024) * slope, rtol=1e-4, atol=1e-4)


def test_alpha_zero_is_unguided():
    data, x, t = problem()
    prior = PRIORS["points"]
    assert torch.equal(DPS(0.0)(prior, data)(x, t).score, Unguided()(prior)(x, t).score)


@given(st.sampled_from([2, 8, 32, 128]), st.integers(0, 100))
def test_alpha_is_quoted_for_1024_points(n, seed):
    """A cloud of n copies of one point, each pulled to the same place: the pull on a point does not depend on n."""
    point, target = torch.tensor([[[0.3, 0.0, 0.0]]]), torch.tensor([[0.3, 0.4, 0.0]])
    score = DPS(1024.0)(GaussianPrior(0.0, 1.0), CoarseGrained(target))
    t = torch.tensor([1.0])
    # D = x / 2, so E = (0.15^2 + 0.4^2) / 2 and dE/dx_i = (D - y) / (2 n); the pull is -n / sqrt(E) dE/dx_i.
    difference = torch.tensor([-0.15, -0.4, 0.0])
    pull = -difference / 2 / math.sqrt(float(difference.square().sum()) / 2)
    found = score(point.expand(1, n, 3), t).score
    assert torch.allclose(found, (pull - point / 2).expand(1, n, 3), atol=1e-5)


def test_zeta_is_one_per_sample(normal):
    """Each cloud has its own energy: a batch is the same as its clouds one by one."""
    data, x, t = problem()
    x = x * torch.tensor([1.0, 10.0])[:, None, None]
    together = DPS()(PRIORS["gaussian"], data)(x, t).score
    for k in range(2):
        assert torch.allclose(DPS()(PRIORS["gaussian"], data)(x[[k]], t[[k]]).score[0], together[k], rtol=1e-9)


@pytest.mark.parametrize("offset", [0.0, 1e-12, 1e-8, 1e-4, 0.1])
def test_dps_is_guarded_where_the_energy_vanishes(normal, offset):
    y = normal(5, 3).double()
    found = DPS(1024.0)(Identity(), CoarseGrained(y))((y + offset)[None], torch.ones(1, dtype=torch.float64))
    # E = 3 offset^2 / 2 and zeta dE/dx_i = 5 / sqrt(E) offset / 5, with E no smaller than 1e-12 in the root.
    expected = -offset / math.sqrt(max(1.5 * offset**2, 1e-12))
    assert torch.isfinite(found.score).all()
    assert torch.allclose(found.score, torch.tensor(expected, dtype=torch.float64), rtol=1e-3, atol=1e-12)


def test_no_gradient_is_left_behind():
    data, x, t = problem()
    for guidance in [DPS(), LikelihoodScore(), Unguided()]:
        with torch.no_grad():
            found = guidance(PRIORS["gaussian"], data)(x, t)
        assert not any(part is not None and part.requires_grad for part in (found.score, found.denoised, found.energy))
        assert x.grad is None and not x.requires_grad


@pytest.mark.parametrize("prior", PRIORS.values(), ids=PRIORS.keys())
def test_likelihood_score_is_the_gradient_of_log_prob(prior):
    data, x, t = problem()
    found = LikelihoodScore()(prior, data)(x, t)
    pull = finite_difference(lambda x: data.log_prob(prior.denoise(x, t)), x)
    prior_score = (prior.denoise(x, t) - x) / t[:, None, None] ** 2
    assert torch.allclose(found.score, prior_score + pull, rtol=1e-5, atol=1e-4)
    assert torch.allclose(found.negative_log_likelihood, -data.log_prob(prior.denoise(x, t)))
    assert torch.equal(found.energy, data.energy(prior.denoise(x, t)))


def test_likelihood_score_of_a_linear_problem_by_hand():
    """One point, one observed point: the score of N(x; 0, s^2 + t^2) plus that of N(y; D, sigma^2)."""
    prior, data = GaussianPrior(0.0, 1.0), CoarseGrained([[1.0, 0.0, 0.0]], sigma=0.5)
    found = LikelihoodScore()(prior, data)(torch.tensor([[[2.0, 2.0, 0.0]]]), torch.tensor([1.0]))
    # D = (1, 1, 0): prior score -x / 2 = (-1, -1, 0); pull (y - D) / 0.25 / 2 = (0, -2, 0)
    assert torch.allclose(found.score, torch.tensor([[[-1.0, -3.0, 0.0]]]))


def test_runs_do_not_share_their_warm_starts():
    data, x, t = problem()
    one, other = DPS()(PRIORS["gaussian"], data), DPS()(PRIORS["gaussian"], data)
    first = one(x, t)
    other(x[:1] * 3, t[:1])  # another batch size and cloud
    assert torch.equal(one(x, t).score, first.score)


@pytest.mark.parametrize(
    "guidance", [DPS(), LikelihoodScore(), LikelihoodScore(0.4), DataSpace(), DPS(100.0, jacobian=(0.0, 0.0))]
)
def test_an_evaluation_starts_from_the_assignments_of_the_last(monkeypatch, guidance):
    data, x, t = problem()
    starts, solve = [], observation.assign_each
    monkeypatch.setattr(observation, "assign_each", lambda calls: starts.append([c[3] for c in calls]) or solve(calls))
    score = guidance(PRIORS["gaussian"], data)
    for _ in range(2):
        score(x, t)
    assert [len(one) for one in starts] == [2, 1, 2, 1]  # two projections and a coarse structure
    assert all(start is None for one in starts[:2] for start in one)
    assert all(start is not None for one in starts[2:] for start in one)


@pytest.mark.parametrize("guidance", [DPS(1e5), DPS(1e5, jacobian=(0.0, 0.0))])
def test_the_pull_moves_a_cloud_by_a_multiple_of_polyaks_step_at_the_most(guidance):
    """Where it would go farther it goes in the same direction, to that length; the prior's part stays as it is."""
    data, x, t = problem()
    prior = PRIORS["gaussian"]
    for reach in (0.5, 2.0):
        evaluation = replace(guidance, reach=reach)(prior, data)(x, t)
        free = replace(guidance, reach=None)(prior, data)(x, t)
        own = prior_score(prior.denoise(x, t), x, t)
        torch.testing.assert_close(evaluation.prior_score, own)
        assert torch.equal(evaluation.score, free.score)
        pull = free.score - own
        zeta = 1e5 * 6 / 1024 / free.energy.sqrt()
        gradient = pull.flatten(1).norm(dim=1) / zeta
        for coefficient in (1e2, 1e4):
            moved = coefficient * (evaluation.for_step(coefficient) - own)
            torch.testing.assert_close(moved.flatten(1).norm(dim=1), reach * free.energy / gradient)
            cosine = torch.cosine_similarity(moved.flatten(1), pull.flatten(1))
            assert float(cosine.min()) == pytest.approx(1)


@given(st.floats(0, 1e6), st.floats(1e-6, 1.0), st.integers(0, 50))
def test_a_pull_that_is_short_enough_keeps_its_bits(alpha, coefficient, seed):
    data, x, t = problem(seed=seed)
    limited, free = (DPS(alpha, reach)(PRIORS["gaussian"], data)(x, t) for reach in (2.0, None))
    assert torch.equal(free.for_step(coefficient), free.score)
    way = coefficient * (limited.score - limited.prior_score).flatten(1).norm(dim=1)
    same = (limited.for_step(coefficient) == free.score).flatten(1).all(dim=1)
    assert bool(same[way < 0.999 * limited.longest].all())
    assert not bool(same[way > 1.001 * limited.longest].any())


def test_one_full_step_of_the_pull_takes_a_quadratic_to_its_least(normal):
    """E = |x - a|^2 and D(x) = x: Polyak's step E / |grad E| is half of the way to a, reach 2 the whole."""

    class Quadratic:
        def energy(self, x0):
            return (x0 - 0.3).square().sum(dim=(1, 2))

    x, t = normal(2, 5, 3).double(), torch.full((2,), 0.5, dtype=torch.float64)
    for reach, left in [(2.0, 0.0), (1.0, 0.5)]:
        moved = x + 7.0 * DPS(1e9, reach)(Identity(), Quadratic())(x, t).for_step(7.0)
        torch.testing.assert_close(moved - 0.3, left * (x - 0.3))


@pytest.mark.parametrize("rule", [LikelihoodScore, partial(DataSpace, 1e9)], ids=["through", "beside"])
def test_the_pull_of_a_density_is_bounded_as_that_of_the_energy(rule):
    """D(x) = x and -log p = |x - a|^2 / (2 sigma^2) + c: Polyak's step is half of the way to a, whatever sigma is."""
    a, x, t = torch.tensor([[1.0, 0.0, -2.0]]), torch.zeros(1, 1, 3), torch.tensor([1.0])
    for sigma in (1e-4, 0.1):
        for reach, left in [(2.0, 0.0), (1.0, 0.5)]:
            score = rule(reach=reach)(Identity(), CoarseGrained(a, sigma=sigma))
            torch.testing.assert_close(x + 7.0 * score(x, t).for_step(7.0), (1 - left) * a.unsqueeze(0))
    free = rule()(Identity(), CoarseGrained(a, sigma=0.1))(x, t)
    assert free.longest is None and torch.equal(free.for_step(7.0), free.score)
    wide = rule(reach=2.0)(Identity(), CoarseGrained(a, sigma=9.0))(x, t)  # a step that is short enough as it is
    assert torch.equal(wide.for_step(7.0), wide.score)


def test_noise_that_is_small_for_the_steps():
    """Without a limit the run diverges; with it the clouds fit as well as this noise demands of them."""
    points = 0.3 * torch.randn(40, 3, generator=torch.Generator().manual_seed(1))
    data = CoarseGrained(points, sigma=0.003)
    run = partial(
        sample, GaussianPrior(0.0, 0.4), data, n_points=40, schedule=karras_schedule(15), seed=1, progress=False
    )
    with pytest.raises(ValueError, match=r"diverges?, .*reach=2 in the guidance"):
        run(guidance=LikelihoodScore())
    found = run(guidance=LikelihoodScore(reach=2.0))
    assert float(found.energy.max()) < 1e-3 and float((found.points.abs()).max()) < 2


@pytest.mark.parametrize("reach", [0.0, -1.0, math.nan, "2"])
def test_bad_reach(one_sentence, reach):
    with one_sentence(ValueError, "reach", repr(reach)):
        DPS(reach=reach)
    with one_sentence(ValueError, "reach", repr(reach)):
        LikelihoodScore(reach=reach)
    with one_sentence(ValueError, "reach", repr(reach)):
        DataSpace(reach=reach)


@pytest.mark.parametrize("jacobian", [0.1, (0.1,), (0.3, 0.1), (-1.0, 0.1), (0.1, math.nan), ("a", 1), (0, 1, 2)])
def test_bad_jacobian(one_sentence, jacobian):
    with one_sentence(ValueError, "jacobian", "(low, high)"):
        DPS(jacobian=jacobian)


class Levels(GaussianPrior):
    """A Gaussian prior that asks for its Jacobian between two levels, and says when it is differentiated."""

    jacobian = (0.1, 0.3)

    def denoise(self, x, t):
        self.__dict__["differentiated"] = torch.is_grad_enabled() and x.requires_grad
        return super().denoise(x, t)


@pytest.mark.parametrize(
    ("given", "levels"), [(None, (0.1, 0.3)), ((0.0, math.inf), (0.0, math.inf)), ((0.2, 0.5), (0.2, 0.5))]
)
def test_the_denoiser_is_differentiated_between_the_levels_alone(given, levels):
    data, x, _ = problem()
    prior = Levels(0.0, 0.5)
    score = DPS(100.0, jacobian=given)(prior, data)
    for t in (0.05, 0.1, 0.15, 0.3, 0.4, 0.6):
        score(x, torch.full((len(x),), t))
        assert prior.differentiated == (levels[0] < t <= levels[1])
    score(x, torch.linspace(0.01, levels[0] + 0.01, len(x)))  # one of a batch suffices
    assert prior.differentiated


@given(st.floats(0.05, 2.0), st.integers(0, 50))
def test_without_the_jacobian_the_pull_is_that_of_a_gaussian_prior(t, seed):
    """For whose mean 0 both are the same; elsewhere the network's own derivative is not asked for."""
    data, x, _ = problem(seed=seed)
    times, prior = torch.full((len(x),), t), GaussianPrior(0.0, 0.4)
    exact, saved = (DPS(100.0, jacobian=levels)(prior, data)(x, times) for levels in (None, (0.0, 0.0)))
    torch.testing.assert_close(saved.score, exact.score, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(saved.longest, exact.longest, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("blur", [-0.1, math.nan, "0.04"])
def test_bad_blur(one_sentence, blur):
    with one_sentence(ValueError, "blur", "at least 0", repr(blur)):
        DPS(blur=blur)


@pytest.mark.parametrize("alpha", [-1.0, math.nan, math.inf, "10"])
def test_bad_alpha(one_sentence, alpha):
    with one_sentence(ValueError, "alpha", "at least 0", repr(alpha)):
        DPS(alpha)


def test_likelihood_score_needs_sigma_before_the_run(one_sentence, normal):
    prior = Counting(PRIORS["gaussian"])
    low, part = CoarseGrained(normal(3, 3), sigma=0.1), Subunit(normal(3, 3))
    for data in [part, Joint([low, part])]:
        with one_sentence(ValueError, "sigma", "None"):
            LikelihoodScore()(prior, data)
    LikelihoodScore()(prior, Joint([low]))
    assert prior.calls == 0
