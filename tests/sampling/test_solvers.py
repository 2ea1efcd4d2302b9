import itertools
import math

import pytest
import torch

from dpskit import Algorithm1, EulerMaruyama, EulerODE, GaussianPrior, Heun, InverseTime, karras_schedule, sample
from dpskit.sampling.protocol import ScoreEval, State
from dpskit.sampling.unguided import Unguided

ODE, SDE = InverseTime(math.inf), InverseTime()  # beta = 0, beta = 1/t


class ConstantNoise:
    """Instead of random numbers; remembers for which steps it was asked."""

    def __init__(self, value):
        self.value, self.steps = value, []

    def draw(self, step):
        self.steps.append(step)
        return torch.full((1, 1, 1), self.value, dtype=torch.float64)


def one_step(solver, std, t, t_next, x, noise):
    score = Unguided()(GaussianPrior(0.0, std))
    state, _ = solver.step(score, State(torch.full((1, 1, 1), x, dtype=torch.float64), 0, noise), t, t_next)
    return float(state.x)


def spread_by_solver(solver, std, schedule, variance):
    """Sampled over true std. For a Gaussian prior a step is linear, x -> a x + c z: a and c are read off the solver."""
    for t, t_next in itertools.pairwise(schedule.tolist()):
        a = one_step(solver, std, t, t_next, 1.0, ConstantNoise(0.0))
        c = one_step(solver, std, t, t_next, 0.0, ConstantNoise(1.0))
        variance = a**2 * variance + c**2
    return math.sqrt(variance) / std


def spread_in_closed_form(solver, std, schedule, variance):
    """The same with a and c worked out by hand; g(t) x is the score."""

    def g(t):
        return -1 / (std**2 + t**2)

    for t, t_next in itertools.pairwise(schedule.tolist()):
        dt = t - t_next
        beta = 0.0 if isinstance(solver, EulerODE) or t_next == 0 else solver.noise(t)
        predicted = 1 + t * g(t) * dt
        drift = t + beta * t**2
        if isinstance(solver, EulerODE) or t_next == 0:
            a = predicted
        elif isinstance(solver, EulerMaruyama):
            a = 1 + drift * g(t) * dt
        elif isinstance(solver, Algorithm1):
            a = 1 + drift * (g(t) + g(t_next) * predicted) * dt / 2
        else:
            drift_next = t_next + solver.noise(t_next) * t_next**2
            a = 1 + (drift * g(t) + drift_next * g(t_next) * predicted) * dt / 2
        variance = a**2 * variance + 2 * beta * t**2 * dt
    return math.sqrt(variance) / std


# Sampled over true standard deviation, from the exact initial variance, 40 steps from t = 1.
TABLE = [
    (EulerODE(), 0.5, 0.981),
    (EulerODE(), 0.1, 0.963),
    (EulerODE(), 0.02, 0.934),
    (EulerMaruyama(SDE), 0.5, 1.009),
    (EulerMaruyama(SDE), 0.1, 1.026),
    (EulerMaruyama(SDE), 0.02, 1.044),
    (Algorithm1(SDE), 0.5, 0.996),
    (Algorithm1(SDE), 0.1, 0.998),
    (Algorithm1(SDE), 0.02, 0.999),
    (Algorithm1(ODE), 0.5, 0.965),
    (Algorithm1(ODE), 0.1, 0.874),
    (Algorithm1(ODE), 0.02, 0.725),
    (Algorithm1(InverseTime(0.15)), 0.1, 0.974),
    (Heun(SDE), 0.5, 1.035),
    (Heun(SDE), 0.1, 1.073),
    (Heun(SDE), 0.02, 1.126),
    (Heun(ODE), 0.5, 1.001),
    (Heun(ODE), 0.1, 1.002),
    (Heun(ODE), 0.02, 1.001),
    (Heun(InverseTime(0.15)), 0.1, 1.121),
]


@pytest.mark.parametrize(("solver", "std", "ratio"), TABLE)
def test_exact_gaussian_table(solver, std, ratio):
    schedule = karras_schedule(40)
    found = spread_by_solver(solver, std, schedule, std**2 + 1)
    assert found == pytest.approx(ratio, rel=0.002)
    assert found == pytest.approx(spread_in_closed_form(solver, std, schedule, std**2 + 1), rel=1e-7)


@pytest.mark.parametrize(
    ("solver", "n_steps", "ratio"),
    [
        (Algorithm1(InverseTime(1.0, 0.0)), 40, 0.496),  # the printed form contracts badly from t = 80
        (Algorithm1(InverseTime(1.0, 0.0)), 100, 0.797),
        (Algorithm1(InverseTime(1.0, 1.0)), 100, 0.888),  # the paper's unconditional setting
        (Algorithm1(ODE), 100, 0.653),
        (Algorithm1(SDE), 100, 1.004),
        (Heun(ODE), 100, 1.008),
    ],
)
def test_exact_gaussian_from_far_away(solver, n_steps, ratio):
    schedule = karras_schedule(n_steps, t_max=80.0)
    found = spread_by_solver(solver, 0.1, schedule, 0.01 + 80.0**2)
    assert found == pytest.approx(ratio, rel=0.002)
    assert found == pytest.approx(spread_in_closed_form(solver, 0.1, schedule, 0.01 + 80.0**2), rel=1e-7)


@pytest.mark.parametrize(
    "solver", [Algorithm1(SDE), Algorithm1(ODE), Heun(SDE), Heun(ODE), EulerMaruyama(SDE), EulerODE()]
)
def test_sampling_a_gaussian_has_the_spread_of_the_table(solver):
    """The whole chain with real random numbers: 90,000 of them, so that the spread is known to 0.24 %."""
    schedule = karras_schedule(40)
    settings = {"n_samples": 3, "n_points": 10_000, "batch_size": 1, "seed": 5, "progress": False}
    drawn = sample(GaussianPrior(0.0, 0.1), None, schedule=schedule, solver=solver, **settings)
    expected = spread_in_closed_form(solver, 0.1, schedule, 1.0)  # the start has the variance t_max^2
    assert float(drawn.points.std()) / 0.1 == pytest.approx(expected, rel=0.01)
    assert abs(float(drawn.points.mean())) < 4 * 0.1 / math.sqrt(90_000)


def error_at_t_min(solver, n_steps):
    """Of the flow ODE's solution x(t) = x(1) sqrt((s^2 + t^2) / (s^2 + 1)) at t_min, for s = 0.3."""
    std, x = 0.3, 1.0
    times = karras_schedule(n_steps, t_min=0.01).tolist()[:-1]
    for t, t_next in itertools.pairwise(times):
        x = one_step(solver, std, t, t_next, x, ConstantNoise(0.0))
    return abs(x - math.sqrt((std**2 + times[-1] ** 2) / (std**2 + 1)))


@pytest.mark.parametrize(("solver", "order"), [(Heun(ODE), 2), (EulerODE(), 1), (EulerMaruyama(ODE), 1)])
def test_order_of_convergence(solver, order):
    errors = [error_at_t_min(solver, n_steps) for n_steps in (41, 81, 161)]
    for coarse, fine in itertools.pairwise(errors):
        assert math.log2(coarse / fine) == pytest.approx(order, abs=0.1)


def test_the_printed_form_is_of_first_order_only():
    errors = [error_at_t_min(Algorithm1(ODE), n_steps) for n_steps in (161, 321)]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("solver", [Algorithm1(ODE), Heun(ODE), EulerMaruyama(ODE), EulerODE()])
def test_without_beta_no_noise_is_drawn(solver):
    noise = ConstantNoise(1.0)
    assert one_step(solver, 0.1, 0.5, 0.4, 0.0, noise) == 0
    assert noise.steps == []


@pytest.mark.parametrize("solver", [Algorithm1(SDE), Heun(SDE), EulerMaruyama(SDE)])
def test_injected_noise_and_the_last_step(solver):
    noise = ConstantNoise(1.0)
    assert one_step(solver, 0.1, 0.5, 0.4, 0.0, noise) == pytest.approx(math.sqrt(2 * 0.5 * 0.1))  # 2 beta t^2 dt
    assert noise.steps == [1]
    last = ConstantNoise(1.0)
    assert one_step(solver, 0.1, 0.05, 0.0, 1.0, last) == pytest.approx(0.01 / (0.01 + 0.0025))  # D(x, t), noise-free
    assert last.steps == []


def test_a_step_is_algorithm_1_line_by_line(normal):
    """With an arbitrary nonlinear score: lines 5 to 9 of the paper's Algorithm 1."""
    x, z = normal(2, 4, 3), normal(2, 4, 3, seed=1)

    def grad(x, t):
        return torch.sin(x) / t - x**2

    class Noise:
        def draw(self, step):
            assert step == 8
            return z

    t, t_next, beta = 0.7, 0.4, InverseTime(0.5, 0.3)
    score = lambda x, t: ScoreEval(grad(x, float(t[0])), x + 1, x.sum(dim=(1, 2)))  # noqa: E731
    state, info = Algorithm1(beta).step(score, State(x, 7, Noise()), t, t_next)
    dt = t - t_next
    x_next = x + t * grad(x, t) * dt
    d = (t + t**2 / t) * (grad(x, t) + grad(x_next, t_next)) * dt / 2
    assert torch.allclose(state.x, x + d + math.sqrt(2 * t * dt) * z, atol=1e-6)
    assert (state.step, info.step, info.t) == (8, 7, t_next)
    assert torch.equal(info.x, state.x)
    assert torch.equal(info.denoised, x + 1)  # of the first evaluation, at the time the step started from
    assert torch.equal(info.energy, x.sum(dim=(1, 2)))

    state, _ = Heun(beta).step(score, State(x, 7, Noise()), t, t_next)
    d = (t + t**2 / t) * grad(x, t) + (t_next + 0.3 * t_next**2) * grad(x_next, t_next)
    assert torch.allclose(state.x, x + d * dt / 2 + math.sqrt(2 * t * dt) * z, atol=1e-6)


@pytest.mark.parametrize(
    ("solver", "calls"), [(Algorithm1(), 79), (Heun(), 79), (EulerMaruyama(), 40), (EulerODE(), 40)]
)
def test_number_of_network_calls_in_40_steps(solver, calls):
    class Counting:
        count = 0

        def denoise(self, x, t):
            self.count += 1
            return GaussianPrior(0.0, 0.5).denoise(x, t)

    prior = Counting()
    sample(prior, None, n_samples=2, n_points=3, schedule=karras_schedule(40), solver=solver, progress=False)
    assert prior.count == calls + 1  # a trial
