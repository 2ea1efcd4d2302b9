"""Solvers of the reverse SDE dx = -[t + beta(t) t^2] score dt + sqrt(2 beta(t) t^2) dw (paper: eq. 8), one step each.

A solver sees a score function and two times, never a likelihood. It tells an evaluation what its score will be
multiplied by (`ScoreEval.for_step`), so that a pull too long for the step is shortened. The last step, to t = 0, is a
noise-free Euler step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from dpskit.checks import check_method
from dpskit.sampling.noise import InverseTime
from dpskit.sampling.protocol import Info, Score, ScoreEval, State


@dataclass(frozen=True)
class Algorithm1:
    """The paper's Algorithm 1 as printed: Euler-Maruyama with a correction step that evaluates the score again.

    Parameters
    ----------
    noise
        beta(t).

    Notes
    -----
    Both scores carry the coefficient of t_i, also the second, which is that of t_{i+1}. With beta = 1/t this is
    accurate; with beta = 0 it contracts, and from t_max = 80 with cutoff 1 and below 0 badly: use `Heun` there.
    `docs/measurements.md` has the numbers.

    Examples
    --------
    >>> import dpskit
    >>> solver = dpskit.Algorithm1(noise=dpskit.InverseTime(cutoff=0.15))
    """

    noise: InverseTime = field(default_factory=InverseTime)

    def __post_init__(self) -> None:
        check_method("noise", self.noise, "__call__(t)")

    def step(self, score: Score, state: State, t: float, t_next: float) -> tuple[State, Info]:
        """As `Solver.step` describes; two score evaluations."""
        x, dt = state.x, t - t_next
        first = score(x, _times(x, t))
        x_next = x + t * first.for_step(t * dt) * dt
        if t_next > 0:
            beta = self.noise(t)
            second = score(x_next, _times(x, t_next))
            c = t + beta * t**2
            d = c * (first.for_step(c * dt) + second.for_step(c * dt)) * dt / 2
            x_next = x + d + _injected(state, beta, t, dt)
        return _finish(state, x_next, t_next, first)


@dataclass(frozen=True)
class Heun:
    """Algorithm 1 with each score carrying the coefficient of its own time; the noise is that of t_i.

    Parameters
    ----------
    noise
        beta(t).

    Notes
    -----
    The textbook second-order step for the flow ODE (beta = 0); with beta = 1/t it over-disperses.
    `docs/measurements.md` has the numbers.

    Examples
    --------
    The flow ODE: no noise at any t.

    >>> import dpskit, math
    >>> prior, ode = dpskit.GaussianPrior(0.0, 0.5), dpskit.Heun(dpskit.InverseTime(cutoff=math.inf))
    >>> samples = dpskit.sample(prior, None, n_samples=2, n_points=1000, solver=ode, progress=False)
    >>> round(float(samples.points.std()), 1)
    0.5
    """

    noise: InverseTime = field(default_factory=InverseTime)

    def __post_init__(self) -> None:
        check_method("noise", self.noise, "__call__(t)")

    def step(self, score: Score, state: State, t: float, t_next: float) -> tuple[State, Info]:
        """As `Solver.step` describes; two score evaluations."""
        x, dt = state.x, t - t_next
        first = score(x, _times(x, t))
        x_next = x + t * first.for_step(t * dt) * dt
        if t_next > 0:
            beta, beta_next = self.noise(t), self.noise(t_next)
            second = score(x_next, _times(x, t_next))
            c, c_next = t + beta * t**2, t_next + beta_next * t_next**2
            d = c * first.for_step(c * dt) + c_next * second.for_step(c_next * dt)
            x_next = x + d * dt / 2 + _injected(state, beta, t, dt)
        return _finish(state, x_next, t_next, first)


FLOW = Heun(InverseTime(cutoff=math.inf))
"""Without noise: the default where there are no data. It keeps the spread of a prior, which noise on the way narrows
(`Algorithm1`) or widens (`Heun`)."""


@dataclass(frozen=True)
class EulerMaruyama:
    """The first-order step of the SDE; one score evaluation.

    Parameters
    ----------
    noise
        beta(t).

    Examples
    --------
    >>> import dpskit
    >>> prior, solver = dpskit.GaussianPrior(0.0, 0.5), dpskit.EulerMaruyama()
    >>> dpskit.sample(prior, None, n_samples=2, n_points=5, solver=solver, progress=False).points.shape
    torch.Size([2, 5, 3])
    """

    noise: InverseTime = field(default_factory=InverseTime)

    def __post_init__(self) -> None:
        check_method("noise", self.noise, "__call__(t)")

    def step(self, score: Score, state: State, t: float, t_next: float) -> tuple[State, Info]:
        """As `Solver.step` describes."""
        x, dt = state.x, t - t_next
        first = score(x, _times(x, t))
        beta = self.noise(t) if t_next > 0 else 0.0
        c = t + beta * t**2
        x_next = x + c * first.for_step(c * dt) * dt + _injected(state, beta, t, dt)
        return _finish(state, x_next, t_next, first)


@dataclass(frozen=True)
class EulerODE:
    """The first-order step of the flow ODE, beta = 0; one score evaluation, no noise.

    Examples
    --------
    >>> import dpskit
    >>> prior, solver = dpskit.GaussianPrior(0.0, 0.5), dpskit.EulerODE()
    >>> dpskit.sample(prior, None, n_samples=2, n_points=5, solver=solver, progress=False).points.shape
    torch.Size([2, 5, 3])
    """

    def step(self, score: Score, state: State, t: float, t_next: float) -> tuple[State, Info]:
        """As `Solver.step` describes."""
        dt = t - t_next
        first = score(state.x, _times(state.x, t))
        return _finish(state, state.x + t * first.for_step(t * dt) * dt, t_next, first)


def _times(x: Tensor, t: float) -> Tensor:
    return torch.full((len(x),), t, device=x.device, dtype=x.dtype)


def _injected(state: State, beta: float, t: float, dt: float) -> Tensor | float:
    """n ~ N(0, 2 beta t^2 dt), or 0 without drawing when beta is 0."""
    if beta == 0:
        return 0.0
    return (2 * beta * t**2 * dt) ** 0.5 * state.noise.draw(state.step + 1).to(state.x)


def _finish(state: State, x: Tensor, t: float, first: ScoreEval) -> tuple[State, Info]:
    info = Info(state.step, t, x, first.denoised, first.energy, first.negative_log_likelihood)
    return State(x, state.step + 1, state.noise), info
