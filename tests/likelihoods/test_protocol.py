"""What holds for the likelihoods of every kind: symmetries, gradients, densities, runs."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from likelihood_cases import Height, clouds, every_kind, seeds
from torch.distributions import Normal

from dpskit import CoarseGrained, Joint, Projections, Subunit, random_rotations
from dpskit.likelihoods import observation
from dpskit.likelihoods.protocol import start


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


@pytest.mark.parametrize("method", ["energy", "log_prob"])
@pytest.mark.parametrize("kind", ["projections", "coarse", "subunit", "joint"])
def test_gradients_are_the_finite_differences(kind, method):
    for seed in range(2):
        data, x = every_kind(seed, 5)[kind], clouds(seed + 100, 1, 5, 3).requires_grad_()
        assert torch.autograd.gradcheck(getattr(data, method), x, eps=1e-6, atol=1e-6, rtol=1e-5)


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


def test_flags_are_true_or_false(one_sentence, normal):
    """A text would count as True, also "False"."""
    kinds = {Projections: ("balanced", "shifted", "marginal"), CoarseGrained: ("balanced", "means")}
    given = {Projections: ([normal(4, 2)], torch.eye(3)[None]), CoarseGrained: (normal(4, 3),)}
    for kind, names in kinds.items():
        for name in names:
            assert getattr(kind(*given[kind], **{name: np.bool_(True)}), name) is True
            with one_sentence(TypeError, name, "True or False", "'False'"):
                kind(*given[kind], **{name: "False"})


def test_simulate_takes_a_generator_and_no_seed(one_sentence, normal):
    for data in (Projections([normal(4, 2)], torch.eye(3)[None], 0.1), CoarseGrained(normal(4, 3), 0.1)):
        with one_sentence(TypeError, "generator", "int"):
            data.simulate(normal(5, 3), 0)


def test_numpy_input(normal):
    y, x = normal(5, 3).numpy(), normal(1, 5, 3, seed=1)
    for kind in [CoarseGrained, Subunit]:
        expected = kind(torch.from_numpy(y)).energy(x)
        assert torch.equal(kind(y).energy(x), expected)
        assert torch.allclose(kind(y.astype(np.float64)).energy(x), expected)
    data = Projections([y[:, :2].astype(np.float64)], np.eye(3)[None])
    assert torch.equal(data.energy(x), Projections([torch.from_numpy(y[:, :2].copy())], torch.eye(3)[None]).energy(x))
    for kind in [CoarseGrained, lambda y, seed: Projections([y[:, :2]], np.eye(3)[None], seed=seed)]:
        assert torch.equal(kind(y[:3], seed=np.int64(7)).energy(x), kind(y[:3], seed=7).energy(x))
