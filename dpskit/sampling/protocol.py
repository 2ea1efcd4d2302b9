"""The parts of a run that can be swapped, a guidance and a solver, and what they hand to each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from dpskit.likelihoods.protocol import Likelihood
from dpskit.priors.protocol import Prior
from dpskit.sampling.noise import NoiseSource


@dataclass(frozen=True, eq=False)
class ScoreEval:
    """One evaluation of a score.

    Attributes
    ----------
    score : Tensor
        (b, n, d): the gradient of the log density of the guided marginal at noise level t.
    denoised : Tensor
        (b, n, d): the mean of x0 given x.
    energy : Tensor or None
        (b,): the energy E of the denoised clouds; None without a likelihood.
    log_twist : Tensor or None
        (b,): the approximation of log p(y | x) whose gradient the guidance adds; None if it is not a gradient. See
        `twisted_smc`.
    negative_log_likelihood : Tensor or None
        (b,): -log p(y | denoised), where the guidance uses it.
    prior_score : Tensor or None
        (b, n, d): the prior's part of the score.
    longest : Tensor or None
        (b,): how far the rest, the pull of the data, may move a cloud in one step (the length of all n d coordinates);
        None: any distance.

    Examples
    --------
    >>> import dpskit, torch
    >>> data = dpskit.CoarseGrained([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    >>> score = dpskit.DPS(alpha=10.0)(dpskit.GaussianPrior(0.0, 0.5), data)
    >>> now = score(torch.randn(3, 8, 3), torch.full((3,), 0.4))
    >>> now.score.shape, now.denoised.shape, now.energy.shape
    (torch.Size([3, 8, 3]), torch.Size([3, 8, 3]), torch.Size([3]))
    """

    score: Tensor
    denoised: Tensor
    energy: Tensor | None
    log_twist: Tensor | None = None
    negative_log_likelihood: Tensor | None = None
    prior_score: Tensor | None = None
    longest: Tensor | None = None

    def for_step(self, coefficient: float) -> Tensor:
        """The score for a step that moves x by `coefficient` times it: with the pull shortened where it is too long.

        Parameters
        ----------
        coefficient : float
            What the solver multiplies the score with.

        Returns
        -------
        Tensor
            (b, n, d).
        """
        if self.prior_score is None or self.longest is None:
            return self.score
        pull = self.score - self.prior_score
        way = coefficient * pull.flatten(1).norm(dim=1)
        factor = (self.longest / way.clamp_min(torch.finfo(way.dtype).tiny))[:, None, None]
        return torch.where(factor < 1, self.prior_score + factor * pull, self.score)


Score = Callable[[Tensor, Tensor], ScoreEval]
"""score(x, t): clouds (b, n, d) at times (b,). It belongs to one run, whose assignments it keeps."""


class Guidance(Protocol):
    """How a likelihood and a prior become the score of the posterior. It never knows a step size.

    Attributes
    ----------
    uses_log_prob : bool, optional
        Whether it calls `likelihood.log_prob`, which is then tried before a run.

    Examples
    --------
    A guidance of one's own: a constant pull along the gradient of the energy, taken at the denoised cloud.

    >>> import dpskit, torch
    >>> class Constant:
    ...     def __call__(self, prior, likelihood):
    ...         def score(x, t):
    ...             denoised = prior.denoise(x, t).detach().requires_grad_()
    ...             energy = likelihood.energy(denoised)
    ...             (gradient,) = torch.autograd.grad(energy.sum(), denoised)
    ...             own = dpskit.prior_score(denoised.detach(), x, t)
    ...             return dpskit.ScoreEval(own - 10 * gradient, denoised.detach(), energy.detach())
    ...         return score
    >>> data, prior = dpskit.CoarseGrained([[0.3, 0.0, 0.0]]), dpskit.GaussianPrior(0.0, 0.5)
    >>> dpskit.sample(prior, data, n_samples=2, n_points=4, guidance=Constant(), progress=False).energy.shape
    torch.Size([2])
    """

    def __call__(self, prior: Prior, likelihood: Likelihood) -> Score:
        """The score of one run.

        Parameters
        ----------
        prior : Prior
            Anything with `denoise`.
        likelihood : Likelihood
            Anything with `energy`; `dpskit.likelihoods.start(likelihood)` is the one for a run.

        Returns
        -------
        Callable
            score(x, t) -> `ScoreEval`, for clouds x (b, n, d) at times t (b,). One call of the denoiser each.
        """
        ...


@dataclass(frozen=True, eq=False)
class State:
    """State of a run between two steps.

    Attributes
    ----------
    x : Tensor
        The clouds (b, n, d) at the current time.
    step : int
        The number of steps taken.
    noise : NoiseSource
        Where the solver draws its normal numbers, by the number of the step.

    Examples
    --------
    Where a run of two clouds of five points starts, at t = 80:

    >>> import dpskit
    >>> noise = dpskit.NoiseSource(seed=0, samples=range(2), shape=(5, 3))
    >>> state = dpskit.State(80 * noise.draw(0), 0, noise)
    """

    x: Tensor
    step: int
    noise: NoiseSource


@dataclass(frozen=True, eq=False)
class Info:
    """Diagnostics of one solver step.

    Attributes
    ----------
    step : int
        The number of the step, from 0.
    t : float
        The time it reached.
    x : Tensor
        The clouds (b, n, d) there; after the last step they are the samples.
    denoised : Tensor
        (b, n, d), from the first score evaluation of the step, at the time it started from.
    energy : Tensor or None
        (b,): the energy E of the denoised clouds; None without a likelihood.
    negative_log_likelihood : Tensor or None
        (b,): -log p(y | denoised); None unless the guidance uses it.
    pose : Tensor or None
        (b, 3, 3): how the clouds x stand, x = upright @ pose; None where the run has no poses.

    Examples
    --------
    >>> import dpskit
    >>> data = dpskit.CoarseGrained([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    >>> steps = dpskit.iterate(dpskit.GaussianPrior(0.0, 0.5), data, n_samples=3, n_points=8)
    >>> first = next(steps)
    >>> first.step, first.x.shape, first.energy.shape
    (0, torch.Size([3, 8, 3]), torch.Size([3]))
    """

    step: int
    t: float
    x: Tensor
    denoised: Tensor
    energy: Tensor | None
    negative_log_likelihood: Tensor | None = None
    pose: Tensor | None = None


class Solver(Protocol):
    """A numerical method for the reverse SDE.

    Examples
    --------
    A solver of one's own: Euler's method for the flow ODE, without the bound on the pull.

    >>> import dpskit, torch
    >>> class Euler:
    ...     def step(self, score, state, t, t_next):
    ...         now = score(state.x, torch.full((len(state.x),), t))
    ...         x = state.x + t * now.score * (t - t_next)
    ...         info = dpskit.Info(state.step, t_next, x, now.denoised, now.energy)
    ...         return dpskit.State(x, state.step + 1, state.noise), info
    >>> prior = dpskit.GaussianPrior(0.0, 0.5)
    >>> dpskit.sample(prior, None, n_samples=2, n_points=5, solver=Euler(), progress=False).points.shape
    torch.Size([2, 5, 3])
    """

    def step(self, score: Score, state: State, t: float, t_next: float) -> tuple[State, Info]:
        """One step from t to t_next < t.

        Parameters
        ----------
        score : Callable
            score(x, t) -> `ScoreEval`. Its `for_step(coefficient)` is the score with the pull of the data bounded.
        state : State
            The clouds at time t, and the noise.
        t, t_next : float
            Where the step starts and ends; t_next is 0 in the last step.

        Returns
        -------
        tuple[State, Info]
            What the next step continues from, and the diagnostics of this one.
        """
        ...
