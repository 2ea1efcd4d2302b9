import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import Normal

from dpskit import CoarseGrained, Joint, Projections, Subunit, random_rotations
from dpskit.likelihoods import observation
from dpskit.likelihoods.observation import Observation
from dpskit.likelihoods.projection import project
from dpskit.likelihoods.protocol import start

seeds = st.integers(0, 10_000)
sizes = st.integers(1, 7)


def clouds(seed, *shape, ties=False):
    """Random clouds in double precision; on a coarse grid when `ties`, so that many matchings cost the same."""
    x = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return x.round() if ties else x


def least_cost(x, y):
    """min over all ways to pick a different row of x for every row of y of sum |x_i - y_j|^2: brute force."""
    costs = (x[:, None] - y[None]).square().sum(dim=2)
    picks = torch.tensor(list(itertools.permutations(range(len(x)), len(y))))
    return float(costs[picks, torch.arange(len(y))].sum(dim=1).min())


def brute_force(x, y, multiplicity):
    """1/2 min_P |P U y - x|^2 / n, with U written out as a matrix."""
    n, m = len(x), len(y)
    u = torch.zeros(n, m, dtype=y.dtype)
    u[torch.arange(n), torch.repeat_interleave(torch.arange(m), multiplicity)] = 1
    return least_cost(x, u @ y) / (2 * n)


# --- The operator U ---------------------------------------------------------------------------------------------------


@given(seeds, st.integers(1, 60), st.integers(1, 60), st.booleans())
def test_multiplicities(seed, m, n, balanced):
    found = Observation(torch.zeros(m, 2), seed, balanced).multiplicity(n)
    assert found.shape == (m,) and found.dtype == torch.int64
    assert int(found.sum()) == n
    if m <= n:
        assert int(found.min()) >= 1  # every observed point at least once
    else:
        assert int(found.max()) <= 1  # n of the m points
    if balanced:
        assert int(found.max() - found.min()) <= 1
    torch.manual_seed(seed + 1)  # a function of (seed, m, n): neither of the points nor of any global state
    assert torch.equal(Observation(torch.ones(m, 3), seed, balanced).multiplicity(n), found)


def test_multiplicities_depend_on_the_seed_and_redraw_uniformly():
    counts = torch.stack([Observation(torch.zeros(5, 2), seed).multiplicity(12) for seed in range(2000)])
    assert len(torch.unique(counts, dim=0)) > 100
    # One of each, and 7 redrawn: Binomial(7, 1/5) more for every point.
    z = (counts.double().mean(dim=0) - 1 - 7 / 5) / math.sqrt(7 * 0.2 * 0.8 / 2000)
    assert z.abs().max() < 4


def test_downsampling_and_balancing_choose_uniformly():
    for observe, n, expected in [(Observation, 3, 3 / 8), (lambda y, s: Observation(y, s, True), 11, 1 + 3 / 8)]:
        counts = torch.stack([observe(torch.zeros(8, 2), seed).multiplicity(n) for seed in range(2000)])
        z = (counts.double().mean(dim=0) - expected) / math.sqrt(3 / 8 * 5 / 8 / 2000)
        assert z.abs().max() < 4


def test_a_view_of_a_seed_is_the_same_however_many_are_observed(normal):
    few, many = (Projections.observe(normal(30, 3), k, 9, seed=5, reflections=True, sigma=0.1) for k in (2, 5))
    assert torch.equal(few.rotations, many.rotations[:2])
    assert all(torch.equal(a, b) for a, b in zip(few.points, many.points[:2], strict=True))


def test_the_views_of_one_likelihood_redraw_differently():
    views = Projections([torch.zeros(5, 2)] * 3, random_rotations(3), seed=4).views
    assert len({tuple(view.multiplicity(40).tolist()) for view in views}) == 3


# --- Energies against brute force -------------------------------------------------------------------------------------


@given(seeds, st.integers(1, 3), sizes, st.lists(sizes, min_size=1, max_size=3), st.booleans(), st.booleans())
def test_projection_energies_are_the_brute_force_minima(seed, batch, n, observed, balanced, ties):
    x = clouds(seed, batch, n, 3, ties=ties)
    rotations = random_rotations(len(observed), seed, reflections=True)
    if ties:
        rotations = torch.eye(3).expand(len(observed), 3, 3)
    points = [clouds(seed + k + 1, m, 2, ties=ties) for k, m in enumerate(observed)]
    data = Projections(points, rotations, seed=seed, balanced=balanced)
    energies = data.energies(x)
    assert energies.shape == (batch, len(observed))
    for b, k in itertools.product(range(batch), range(len(observed))):
        flat = (x[b] @ rotations[k].double())[:, [0, 1]]
        expected = brute_force(flat, points[k], data.views[k].multiplicity(n))
        assert float(energies[b, k]) == pytest.approx(expected, abs=1e-9)
    assert torch.allclose(data.energy(x), energies.mean(dim=1))


@given(seeds, sizes, sizes, st.booleans(), st.booleans())
def test_coarse_energies_are_the_brute_force_minima(seed, n, m, balanced, ties):
    x, y = clouds(seed, 2, n, 3, ties=ties), clouds(seed + 1, m, 3, ties=ties)
    data = CoarseGrained(y, seed=seed, balanced=balanced)
    energy = data.energy(x)
    for b in range(2):
        expected = brute_force(x[b], y, data.observation.multiplicity(n))
        assert float(energy[b]) == pytest.approx(expected, abs=1e-9)
    assert torch.equal(data.energies(x), energy[:, None])


@given(seeds, st.integers(1, 7).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n))), st.booleans())
def test_subunit_energies_are_the_brute_force_minima_over_all_injections(seed, n_and_size, ties):
    n, size = n_and_size
    x, y = clouds(seed, 2, n, 3, ties=ties), clouds(seed + 1, size, 3, ties=ties)
    energy = Subunit(y).energy(x)
    for b in range(2):
        assert float(energy[b]) == pytest.approx(least_cost(x[b], y) / (2 * size), abs=1e-9)


def test_energies_by_hand():
    x = torch.tensor([[[0.0, 0.0, 5.0], [1.0, 0.0, -5.0]]])
    view = torch.tensor([[1.0, 3.0], [0.0, 0.0]])
    flat = Projections([view], torch.eye(3)[None])
    assert float(flat.energy(x)) == pytest.approx(9 / (2 * 2))  # z is dropped; (1, 0) goes to (1, 3)
    assert float(CoarseGrained([[0.0, 0.0, 5.0]]).energy(x)) == pytest.approx((1 + 100) / (2 * 2))  # both go to it
    assert float(Subunit([[1.0, 0.0, -4.0]]).energy(x)) == pytest.approx(1 / 2)  # only one must


def test_a_perfect_cloud_has_no_energy(normal):
    x = normal(40, 3)
    views = Projections.observe(x, n_views=3, n_points=40, seed=1)
    assert float(views.energy(x[None])) == pytest.approx(0, abs=1e-10)
    assert float(CoarseGrained(x).energy(x.flip(0)[None])) == 0
    assert float(Subunit(x[10:15]).energy(x[None])) == 0


@given(seeds, st.booleans())
def test_joint_is_the_weighted_sum_over_all_observations(seed, given_weights):
    x = clouds(seed, 2, 6, 3)
    views = Projections([clouds(seed + 1, 4, 2), clouds(seed + 2, 6, 2)], random_rotations(2, seed))
    low, part = CoarseGrained(clouds(seed + 3, 3, 3)), Subunit(clouds(seed + 4, 2, 3))
    weights = [0.5, 2.0, 0.0, 3.0] if given_weights else None
    joint = Joint([views, low, part], weights)
    a, b = views.energies(x).unbind(dim=1)
    expected = [a, b, low.energy(x), part.energy(x)]
    assert torch.allclose(joint.energies(x), torch.stack(expected, dim=1))
    scaled = [w * e for w, e in zip(weights or [0.25] * 4, expected, strict=True)]
    assert torch.allclose(joint.energy(x), sum(scaled))


class Height:
    """One's own likelihood: the mean height is 0.5, with noise 0.1."""

    def energy(self, x0):
        return (x0[..., 2].mean(dim=1) - 0.5).square() / 2

    def log_prob(self, x0):
        return Normal(0.5, 0.1).log_prob(x0[..., 2].mean(dim=1))


def test_joint_takes_any_likelihood():
    x, kinds = clouds(1, 2, 9, 3), every_kind(2, 9)
    joint = Joint([Height(), kinds["projections"], kinds["joint"]], [2, 3, 4, 5])
    expected = 2 * Height().energy(x) + kinds["projections"].energies(x) @ clouds(0, 2).new_tensor([3.0, 4.0])
    expected = expected + 5 * kinds["joint"].energy(x)
    for data in (joint, joint.start()):
        assert torch.allclose(data.energy(x), expected)
    densities = [Height(), kinds["projections"], kinds["joint"]]
    assert torch.allclose(joint.log_prob(x), sum(part.log_prob(x) for part in densities))


def test_joint_of_projections_alone_is_their_mean(normal):
    views = Projections.observe(normal(12, 3), n_views=3, n_points=5)
    x = normal(2, 12, 3, seed=1)
    assert torch.allclose(Joint([views]).energy(x), views.energy(x))


# --- Symmetries -------------------------------------------------------------------------------------------------------


def every_kind(seed, n):
    """One likelihood of each kind, for clouds of n points, and a Joint of them."""
    views = Projections([clouds(seed, n, 2), clouds(seed + 1, n - 2, 2)], random_rotations(2, seed), sigma=0.2)
    low, part = CoarseGrained(clouds(seed + 2, n - 3, 3), sigma=0.3), Subunit(clouds(seed + 3, n // 2, 3), sigma=0.4)
    return {"projections": views, "coarse": low, "subunit": part, "joint": Joint([views, low, part], [1, 2, 3, 4])}


@pytest.mark.parametrize("kind", ["projections", "coarse", "subunit", "joint"])
@given(seed=seeds)
def test_the_order_of_the_model_points_does_not_matter(kind, seed):
    data, x = every_kind(seed, 9)[kind], clouds(seed + 4, 2, 9, 3)
    order = torch.randperm(9, generator=torch.Generator().manual_seed(seed))
    assert torch.allclose(data.energy(x[:, order]), data.energy(x), atol=1e-12)
    assert torch.allclose(data.log_prob(x[:, order]), data.log_prob(x), atol=1e-9)


@given(seeds, st.booleans())
def test_the_order_of_the_observed_points_does_not_matter(seed, proper):
    # Where every point is used equally often; elsewhere U depends on the order, being a function of (seed, m, n).
    x = clouds(seed, 2, 8, 3)
    rotations = random_rotations(1, seed, reflections=not proper)
    order = torch.randperm(8, generator=torch.Generator().manual_seed(seed))
    for m in [8, 4]:
        flat, deep, mine = clouds(seed + 1, m, 2), clouds(seed + 2, m, 3), order[order < m]
        pairs = [
            (Projections([flat], rotations, balanced=True), Projections([flat[mine]], rotations, balanced=True)),
            (CoarseGrained(deep, balanced=True), CoarseGrained(deep[mine], balanced=True)),
            (Subunit(deep), Subunit(deep[mine])),
        ]
        for one, other in pairs:
            assert torch.allclose(one.energy(x), other.energy(x), atol=1e-12)


@given(seeds, st.booleans())
def test_rotating_cloud_and_data_together_changes_nothing(seed, proper):
    x = clouds(seed, 2, 8, 3)
    q = random_rotations(1, seed, reflections=not proper)[0]
    orientations = random_rotations(2, seed + 1, reflections=True)
    points = [clouds(seed + 2, 8, 2), clouds(seed + 3, 5, 2)]
    turned = x @ q.double()
    views = Projections(points, orientations).energies(x)
    assert torch.allclose(Projections(points, q.T @ orientations).energies(turned), views, atol=1e-5)
    y = clouds(seed + 4, 5, 3)
    for kind in [CoarseGrained, Subunit]:
        assert torch.allclose(kind(y @ q.double()).energy(turned), kind(y).energy(x), atol=1e-5)


def test_projection_is_a_row_vector_convention():
    quarter = torch.tensor([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]])  # x R turns (1, 0, 0) into (0, 1, 0)
    assert project(torch.tensor([[1.0, 0.0, 7.0]]), quarter).tolist() == [[0.0, 1.0]]


# --- Gradients --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["energy", "log_prob"])
@pytest.mark.parametrize("kind", ["projections", "coarse", "subunit", "joint"])
def test_gradients_are_the_finite_differences(kind, method):
    for seed in range(2):
        data, x = every_kind(seed, 5)[kind], clouds(seed + 100, 1, 5, 3).requires_grad_()
        assert torch.autograd.gradcheck(getattr(data, method), x, eps=1e-6, atol=1e-6, rtol=1e-5)


def test_gradient_of_a_matched_point_by_hand():
    x = torch.tensor([[[0.0, 0.0, 0.0], [10.0, 0.0, 0.0]]]).requires_grad_()
    CoarseGrained([[10.5, 0.0, 0.0], [0.0, 1.0, 0.0]]).energy(x).sum().backward()
    assert torch.allclose(x.grad, torch.tensor([[[0.0, -0.5, 0.0], [-0.25, 0.0, 0.0]]]))  # (x_i - y_i) / n


# --- Densities --------------------------------------------------------------------------------------------------------


def test_log_prob_is_the_gaussian_density_where_the_matching_is_plain(normal):
    grid = torch.cartesian_prod(*[torch.arange(3.0)] * 2)
    x = torch.cat([grid, torch.randperm(9, generator=torch.Generator().manual_seed(0))[:, None].float()], dim=1)
    rotations = torch.eye(3).expand(2, 3, 3)
    noise = [0.05 * normal(9, 2, seed=k) for k in (1, 2)]
    order = torch.randperm(9, generator=torch.Generator().manual_seed(1))
    data = Projections([(x[:, :2] + e)[order] for e in noise], rotations, sigma=0.07)
    expected = sum(Normal(x[:, :2], 0.07).log_prob(x[:, :2] + e).sum() for e in noise)
    assert float(data.log_prob(x[None])) == pytest.approx(float(expected), rel=1e-5)

    e = 0.05 * normal(9, 3, seed=3)
    expected_coarse = Normal(x, 0.2).log_prob(x + e).sum()
    assert float(CoarseGrained(x + e, sigma=0.2).log_prob(x[None])) == pytest.approx(float(expected_coarse), rel=1e-5)
    expected_part = Normal(x[:4], 0.3).log_prob(x[:4] + e[:4]).sum()
    part = Subunit((x + e)[:4].flip(0), sigma=0.3)
    assert float(part.log_prob(x[None])) == pytest.approx(float(expected_part), rel=1e-5)
    joint = Joint([data, part], weights=[5, 1, 7])  # the weights are the energy's alone
    assert float(joint.log_prob(x[None])) == pytest.approx(float(expected + expected_part), rel=1e-5)


@given(seeds, st.floats(0.05, 2.0), st.floats(0.05, 2.0))
def test_log_prob_differences_between_noise_levels(seed, one, other):
    x, y = clouds(seed, 2, 6, 3), clouds(seed + 1, 6, 3)
    difference = CoarseGrained(y, sigma=one).log_prob(x) - CoarseGrained(y, sigma=other).log_prob(x)
    squares = 2 * 6 * CoarseGrained(y).energy(x)
    expected = -squares / 2 * (1 / one**2 - 1 / other**2) - 18 * math.log(one / other)
    assert torch.allclose(difference, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("method", ["log_prob", "simulate"])
@pytest.mark.parametrize("kind", ["projections", "coarse", "subunit", "joint"])
def test_densities_need_sigma(one_sentence, normal, kind, method):
    x = normal(1, 6, 3)
    views, low, part = Projections([normal(4, 2)], torch.eye(3)[None]), CoarseGrained(normal(4, 3)), Subunit(x[0, :2])
    data = {"projections": views, "coarse": low, "subunit": part, "joint": Joint([views])}[kind]
    with one_sentence(ValueError, "sigma", "None"):
        data.log_prob(x) if method == "log_prob" else data.simulate(x[0], torch.Generator())


# --- Simulated data ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["projections", "coarse", "subunit", "joint"])
def test_simulate_keeps_sizes_and_settings_and_follows_the_generator(normal, kind):
    data, x = every_kind(5, 9)[kind], normal(20, 3)

    def arrays(likelihood):
        if isinstance(likelihood, Joint):
            return [array for part in likelihood.parts for array in arrays(part)]
        return list(likelihood.points) if isinstance(likelihood, Projections) else [likelihood.points]

    def draw(seed):
        return data.simulate(x, torch.Generator().manual_seed(seed))

    first, again, other = draw(1), draw(1), draw(2)
    assert type(first) is type(data)
    assert [a.shape for a in arrays(first)] == [a.shape for a in arrays(data)]
    assert all(torch.equal(a, b) for a, b in zip(arrays(first), arrays(again), strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(arrays(first), arrays(other), strict=True))
    if kind == "joint":
        assert torch.equal(first.weights, data.weights)
        assert [part.sigma for part in first.parts] == [0.2, 0.3, 0.4]
    else:
        assert first.sigma == data.sigma
    if kind == "projections":
        assert torch.equal(first.rotations, data.rotations)


def test_simulated_noise_has_the_variance_that_log_prob_assumes():
    x = torch.cartesian_prod(*[torch.arange(8.0)] * 3)[torch.randperm(512, generator=torch.Generator().manual_seed(0))]
    generator = torch.Generator().manual_seed(3)
    low = CoarseGrained(x, sigma=0.05).simulate(x, generator)
    part = Subunit(x[:100], sigma=0.05).simulate(x, generator)
    flat = x * torch.tensor([1.0, 1.0, 0.0]) + torch.tensor([0.0, 100.0, 0.0]) * x[:, 2:]  # no two points coincide
    views = Projections([x[:, :2]] * 2, torch.eye(3).expand(2, 3, 3), sigma=0.05).simulate(flat, generator)
    for energies, m, dim in [(low.energies(x[None]), 512, 3), (part.energies(x[None]), 100, 3)] + [
        (energy[None, None], 512, 2) for energy in views.energies(flat[None])[0]
    ]:
        chi_squared = 2 * m * float(energies) / 0.05**2
        assert abs(chi_squared - m * dim) < 4 * math.sqrt(2 * m * dim)


def test_a_simulated_subunit_is_a_neighbourhood():
    """Four groups of three points, far apart: each part is one of the groups, and every group comes up."""
    x = (10.0 * torch.arange(4.0))[:, None, None] + 0.1 * torch.eye(3)
    data, generator, found = Subunit(torch.zeros(3, 3), sigma=1e-4), torch.Generator().manual_seed(0), set()
    for _ in range(40):
        part = data.simulate(x.reshape(12, 3), generator).points
        group = int((part.mean() / 10).round())
        assert float((part.sort(dim=0).values - x[group].sort(dim=0).values).abs().max()) < 1e-3
        found.add(group)
    assert found == {0, 1, 2, 3}


# --- Warm starts ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["projections", "coarse", "subunit", "joint"])
def test_a_warm_start_never_changes_a_result(kind):
    data, x = every_kind(7, 30)[kind], clouds(8, 2, 30, 3)
    energy = data.start()
    for step in range(6):
        x = x + 0.3 * clouds(20 + step, 2, 30, 3)
        assert torch.equal(energy(x), data.energy(x))
        assert torch.equal(energy.log_prob(x), data.log_prob(x))
        with torch.no_grad():
            assert torch.equal(energy(x), data.energy(x))
    other = clouds(30, 3, 30, 3)  # another batch size
    assert torch.equal(energy(other), data.energy(other))


@pytest.mark.parametrize(("kind", "count"), [("projections", 2), ("coarse", 1), ("joint", 3)])
def test_a_run_keeps_its_assignments_and_its_noisier_copies_share_them(monkeypatch, kind, count):
    starts, solve = [], observation.assign_each

    def watched(calls):
        starts.extend(call[3] is not None for call in calls)
        return solve(calls)

    monkeypatch.setattr(observation, "assign_each", watched)
    data, x = every_kind(7, 12)[kind], clouds(8, 2, 12, 3)
    run = data.start()
    for _ in range(2):
        run(x)
        data.energy(x)  # what a run keeps, nobody else has
    run.with_noise(0.1).log_prob(2 * x)
    assert starts == [False] * 2 * count + ([True] * count + [False] * count) + [True] * count


def test_a_run_computes_the_energies_of_a_cloud_once_unless_it_changes_or_a_gradient_is_asked_for(monkeypatch):
    solved, solve = [], observation.assign_each
    monkeypatch.setattr(observation, "assign_each", lambda calls: solved.append(1) or solve(calls))
    run, x = every_kind(7, 12)["coarse"].start(), clouds(8, 2, 12, 3).requires_grad_()
    for _ in range(2):  # a graph of its own for each gradient
        torch.autograd.grad(run(x).sum(), x)
    assert len(solved) == 2
    with torch.no_grad():
        before = run(x)
        assert len(solved) == 2
        x += 1
        assert not torch.isclose(run(x), before).any() and len(solved) == 3


@pytest.mark.parametrize("kind", ["projections", "coarse", "subunit", "joint"])
def test_with_noise_adds_to_the_variance(kind):
    data, x = every_kind(7, 9)[kind], clouds(8, 2, 9, 3)
    noisier = data.with_noise(0.25)
    parts = [(a, b) for a, b in zip(getattr(data, "parts", [data]), getattr(noisier, "parts", [noisier]), strict=True)]
    expected = 0
    for part, other in parts:
        assert other.sigma == pytest.approx(math.sqrt(part.sigma**2 + 0.25))
        expected = expected + dataclasses.replace(part, sigma=other.sigma).log_prob(x)
    assert torch.allclose(noisier.log_prob(x), expected)
    assert torch.equal(noisier.energy(x), data.energy(x))


def test_a_function_that_a_likelihood_of_ones_own_starts_is_its_energy():
    class Mine(Height):
        def start(self):
            return lambda x0: 2 * self.energy(x0)

        def with_noise(self, variance):
            return "noisier"

    x = clouds(1, 2, 9, 3)
    run = start(Mine())
    assert torch.equal(run.energy(x), 2 * Height().energy(x))
    assert torch.equal(run.log_prob(x), Height().log_prob(x)) and run.with_noise(1.0) == "noisier"
    own = Height()
    assert start(own) is own


def test_a_likelihood_remembers_nothing():
    data = every_kind(3, 20)["joint"]
    x, other = clouds(1, 2, 20, 3), clouds(2, 3, 20, 3)
    before = data.energy(x)
    data.energy(other)
    data.energy(other[:, :12])  # another number of points, and so another U
    assert torch.equal(data.energy(x), before)


# --- Observing a cloud ------------------------------------------------------------------------------------------------


def test_observed_projections_are_random_subsets(normal):
    x = normal(50, 3)
    data = Projections.observe(x, n_views=6, n_points=20, seed=4, reflections=True)
    assert len(data.points) == 6 and data.rotations.shape == (6, 3, 3) and data.sigma is None
    assert len(torch.unique(torch.linalg.det(data.rotations).round())) == 2  # O(3): reflections among them
    for y, rotation in zip(data.points, data.rotations, strict=True):
        distance = (y[:, None] - (x @ rotation)[:, :2]).norm(dim=2)
        assert y.shape == (20, 2)
        assert float(distance.amin(dim=1).max()) < 1e-5
        assert len(distance.argmin(dim=1).unique()) == 20  # without replacement
    assert bool((torch.linalg.det(Projections.observe(x, 9, 5).rotations) > 0).all())  # SO(3) by default
    again, other = (Projections.observe(x, n_views=6, n_points=20, seed=s, reflections=True) for s in (4, 5))
    assert all(torch.equal(a, b) for a, b in zip(data.points, again.points, strict=True))
    assert not torch.equal(data.rotations, other.rotations)


def test_observed_projections_carry_the_noise_asked_for(normal):
    x = torch.cartesian_prod(torch.arange(20.0), torch.arange(20.0), torch.zeros(1))
    data = Projections.observe(x, n_views=1, n_points=400, seed=2, sigma=0.01)
    assert data.sigma == 0.01
    chi_squared = 2 * 400 * float(data.energy(x[None])) / 0.01**2
    # In a foreshortened view some points may be matched better than to their own, so the upper bound is the sure one.
    assert 400 < chi_squared < 800 + 4 * math.sqrt(1600)


def test_observed_coarse_grained_structure(normal):
    x = torch.cat([center + 0.05 * normal(60, 3, seed=k) for k, center in enumerate(5 * torch.eye(3))])
    data = CoarseGrained.observe(x, n_points=3, seed=1)
    means = x.unflatten(0, (3, 60)).mean(dim=1)
    order = data.points.argmax(dim=1).argsort()
    assert torch.allclose(data.points[order].float(), means, atol=1e-4)
    assert torch.equal(CoarseGrained.observe(x, n_points=3, seed=1).points, data.points)


def test_the_components_of_a_coarse_structure_share_their_covariance(normal):
    """A long group and a round one that overlap: with a covariance each, the means would lie elsewhere."""
    from sklearn.mixture import GaussianMixture

    x = torch.cat([normal(150, 3) * torch.tensor([3.0, 0.3, 0.3]), normal(50, 3, seed=1) + 1.0])
    found = CoarseGrained.observe(x, n_points=2, seed=0).points.double()
    tied, full = (
        torch.from_numpy(GaussianMixture(2, covariance_type=kind, random_state=0).fit(x.numpy()).means_)
        for kind in ("tied", "full")
    )
    assert torch.allclose(found, tied.double(), atol=1e-5)
    assert float((tied - full).abs().max()) > 0.3


def test_observed_subunit_is_one_cluster(normal):
    x = torch.cat([center + 0.05 * normal(40, 3, seed=k) for k, center in enumerate(5 * torch.eye(3))])
    chosen = set()
    for seed in range(12):
        part = Subunit.observe(x, n_points=40, seed=seed)
        rows = torch.cdist(part.points, x).argmin(dim=1)
        assert torch.equal(part.points, x[rows])
        assert len(part.points) == 40 and len(set((rows // 40).tolist())) == 1
        assert torch.equal(Subunit.observe(x, n_points=40, seed=seed).points, part.points)
        chosen.add(int(rows[0]) // 40)
    assert chosen == {0, 1, 2}


# --- Bad input --------------------------------------------------------------------------------------------------------


class TwoArguments:
    def energy(self, x0, warm):
        return x0.sum(dim=(1, 2))


FLAT, DEEP, EYE = torch.zeros(4, 2), torch.zeros(4, 3), torch.eye(3)[None]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: Projections([DEEP], EYE), ValueError, ["points[0]", "(4, 3)"]),
        (lambda: Projections([FLAT, FLAT[:0]], EYE.expand(2, 3, 3)), ValueError, ["points[1]", "(0, 2)"]),
        (lambda: Projections([FLAT / 0], EYE), ValueError, ["points[0]", "finite", "4 of 4"]),
        (lambda: Projections(FLAT, EYE), ValueError, ["points[0]", "(2,)"]),
        (lambda: Projections(None, EYE), TypeError, ["points", "NoneType"]),
        (lambda: Projections([FLAT], EYE * 1.1), ValueError, ["rotations[0]", "orthogonal", "0.21"]),
        (lambda: Projections([FLAT], torch.eye(3)), ValueError, ["rotations", "(3, 3)"]),
        (lambda: Projections([FLAT, FLAT], EYE), ValueError, ["points", "rotations", "2 and 1"]),
        (lambda: Projections([], EYE), ValueError, ["points", "rotations", "0 and 1"]),
        (lambda: Projections([FLAT], EYE, sigma=0), ValueError, ["sigma", "above 0", "0"]),
        (lambda: Projections([FLAT], EYE, sigma=-0.1), ValueError, ["sigma", "-0.1"]),
        (lambda: Projections([FLAT], EYE, sigma=math.nan), ValueError, ["sigma", "nan"]),
        (lambda: Projections([FLAT], EYE, seed=-1), ValueError, ["seed", "-1"]),
        (lambda: Projections.observe(DEEP, n_views=0), ValueError, ["n_views", "0"]),
        (lambda: Projections.observe(DEEP, n_points=-5), ValueError, ["n_points", "-5"]),
        (lambda: Projections.observe(FLAT), ValueError, ["points", "(4, 2)"]),
        (lambda: Projections.observe(DEEP, sigma=-1.0), ValueError, ["sigma", "-1.0"]),
        (lambda: Projections.observe(DEEP, seed=1.5), ValueError, ["seed", "1.5"]),
        (lambda: CoarseGrained(FLAT), ValueError, ["points", "(4, 2)"]),
        (lambda: CoarseGrained(DEEP[:0]), ValueError, ["points", "(0, 3)"]),
        (lambda: CoarseGrained(DEEP, sigma=0.0), ValueError, ["sigma", "0.0"]),
        (lambda: CoarseGrained("atoms"), TypeError, ["points", "str"]),
        (lambda: CoarseGrained.observe(DEEP, n_points=5), ValueError, ["n_points", "4", "5"]),
        (lambda: CoarseGrained.observe(DEEP, n_points=0), ValueError, ["n_points", "0"]),
        (lambda: CoarseGrained.observe(DEEP, n_points=2, seed=-1), ValueError, ["seed", "-1"]),
        (lambda: Subunit(DEEP * math.nan), ValueError, ["points", "4 of 4"]),
        (lambda: Subunit(DEEP, sigma=math.inf), ValueError, ["sigma", "inf"]),
        (lambda: Subunit.observe(DEEP, n_points=9), ValueError, ["n_points", "4", "9"]),
        (lambda: Subunit.observe(DEEP, n_points=2, seed=-1), ValueError, ["seed", "-1"]),
        (lambda: Subunit(DEEP).energy(DEEP[None, :3]), ValueError, ["x0", "4", "3"]),
        (lambda: Subunit(DEEP, 0.1).simulate(DEEP[:3], torch.Generator()), ValueError, ["x0", "4", "3"]),
        (lambda: CoarseGrained(DEEP).energy(DEEP), ValueError, ["x0", "(b, n, 3)", "(4, 3)"]),
        (lambda: CoarseGrained(DEEP).energy(DEEP[None] * math.nan), ValueError, ["x0", "4 of 4"]),
        (lambda: Projections([FLAT], EYE).energy(FLAT[None]), ValueError, ["x0", "(1, 4, 2)"]),
        (lambda: Joint([]), ValueError, ["parts", "none"]),
        (lambda: Joint(Subunit(DEEP)), TypeError, ["parts", "Subunit"]),
        (lambda: Joint([DEEP]), TypeError, ["parts[0]", "energy(x0)", "Tensor"]),
        (lambda: Joint([Subunit(DEEP), TwoArguments()]), TypeError, ["parts[1]", "energy(x0)", "got energy(x0, warm)"]),
        (lambda: Joint([Subunit(DEEP)], [1.0, 1.0]), ValueError, ["weights", "1 observations", "(2,)"]),
        (lambda: Joint([Subunit(DEEP)], [-1.0]), ValueError, ["weights", "-1.0"]),
        (lambda: Joint([Subunit(DEEP)], [math.nan]), ValueError, ["weights", "nan"]),
        (lambda: Joint([Subunit(DEEP)], [0.0]), ValueError, ["weights", "0.0"]),
        (lambda: Joint([Subunit(DEEP)], "equal"), TypeError, ["weights", "str"]),
    ],
)
def test_bad_input(one_sentence, call, error, words):
    with one_sentence(error, *words):
        call()


def test_numpy_input(normal):
    y, x = normal(5, 3).numpy(), normal(1, 5, 3, seed=1)
    for kind in [CoarseGrained, Subunit]:
        expected = kind(torch.from_numpy(y)).energy(x)
        assert torch.equal(kind(y).energy(x), expected)
        assert torch.allclose(kind(y.astype(np.float64)).energy(x), expected)
    data = Projections([y[:, :2].astype(np.float64)], np.eye(3)[None])
    assert torch.equal(data.energy(x), Projections([torch.from_numpy(y[:, :2].copy())], torch.eye(3)[None]).energy(x))
