"""Errors of guidance rules and samplers where the posterior is known in closed form."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from dpskit.checks import check_integer
from dpskit.evaluation.calibration import simulation_based_calibration
from dpskit.evaluation.statistics import coordinates
from dpskit.evaluation.trials import Sampler, Trials, run_trials
from dpskit.exact.linear_gaussian import LinearGaussian
from dpskit.exact.unknown_order import UnknownOrder
from dpskit.markdown import Table
from dpskit.priors.analytic import GaussianMixturePrior, GaussianPrior, PointMixturePrior
from dpskit.priors.full_mixture import FullGaussianMixture
from dpskit.priors.protocol import Prior
from dpskit.rotations import random_rotations
from dpskit.sampling.dps import DPS, DataSpace, LikelihoodScore
from dpskit.sampling.linear_guidance import MomentMatched, Replacement
from dpskit.sampling.protocol import Guidance, Solver
from dpskit.sampling.sample import sample
from dpskit.sampling.schedule import karras_schedule
from dpskit.sampling.smc import twisted_smc
from dpskit.sampling.solvers import Algorithm1
from dpskit.sampling.trial import LARGEST_TRIAL


@dataclass(frozen=True, eq=False)
class Case:
    """A prior and a likelihood on clouds (n, d) with a closed-form posterior; the data in `likelihood` play no role."""

    name: str
    prior: Prior
    likelihood: LinearGaussian | UnknownOrder
    shape: tuple[int, int]

    @property
    def prior_std(self) -> float:
        """The mean standard deviation of a coordinate."""
        return float(FullGaussianMixture.of(self.prior, *self.shape).std.mean())

    @property
    def t_max(self) -> float:
        """First noise level of the runs: ten times the largest standard deviation of a coordinate, rounded up."""
        return float(math.ceil(10 * FullGaussianMixture.of(self.prior, *self.shape).std.max() - 1e-6))

    def draw(self, n_samples: int, seed: int) -> Tensor:
        """Exact samples of the prior, (n_samples, n, d)."""
        return FullGaussianMixture.of(self.prior, *self.shape).sample(n_samples, seed)

    def posterior(self, data: LinearGaussian | UnknownOrder) -> FullGaussianMixture:
        """Exact, for data that `likelihood` simulated."""
        if isinstance(data, UnknownOrder):
            return data.posterior(self.prior)
        return data.posterior(self.prior, self.shape[1])


def exact_cases() -> dict[str, Case]:
    """Five cases: one number; a cloud in projection; a mixture of clouds; i.i.d. points; unknown order.

    Returns
    -------
    dict of str to Case
        By name.
    """
    plane = random_rotations(1, seed=0)[0, :, :2].T
    normal = torch.randn(3, 3, 2, generator=torch.Generator().manual_seed(1))
    clouds = GaussianMixturePrior(torch.tensor([0.5, 0.3, 0.2]), 0.7 * normal, torch.tensor([0.2, 0.3, 0.2]))
    points = PointMixturePrior(torch.tensor([[0.6, 0.5], [-0.6, 0.3], [0.5, -0.7]]), 0.2)
    first = torch.tensor([[1.0], [0.0]])
    projected = LinearGaussian(torch.block_diag(plane, plane, plane, plane), torch.zeros(8), 0.1)
    cases = [
        Case("one number", GaussianPrior(0.0, 1.0), LinearGaussian(torch.ones(1, 1), torch.zeros(1), 0.5), (1, 1)),
        Case("Gaussian cloud in projection", GaussianPrior(0.0, 0.5), projected, (4, 3)),
        Case("mixture of clouds", clouds, LinearGaussian(torch.eye(6)[::2], torch.zeros(3), 0.3), (3, 2)),
        Case("i.i.d. points", points, LinearGaussian(torch.eye(4)[::2], torch.zeros(2), 0.3), (2, 2)),
        Case("unknown order", clouds, UnknownOrder(torch.zeros(3, 1), 0.3, first), (3, 2)),
    ]
    return {case.name: case for case in cases}


@dataclass
class Counted:
    """A prior that counts the clouds it denoises, but for the few of a trial before a run."""

    prior: Prior
    clouds: int = 0

    def denoise(self, x: Tensor, t: Tensor) -> Tensor:
        self.clouds += len(x) if len(x) > LARGEST_TRIAL else 0
        return self.prior.denoise(x, t)


@dataclass(frozen=True, eq=False)
class ExactResult:
    """One method on one case, over all trials.

    mean_error: root mean square distance of the samples' mean from the true posterior mean, in true standard
    deviations, less the part that is due to the number of samples. spread_error: their standard deviation over the true
    one, less 1, on average. coverage_error: share of the truths inside the central 90 % interval, less 0.9. p_value: of
    `simulation_based_calibration`. evaluations: clouds denoised per data set.
    """

    case: str
    method: str
    mean_error: float
    spread_error: float
    coverage_error: float
    p_value: float
    evaluations: float
    trials: Trials = field(repr=False)


def exact_samplers(case: Case, prior: Prior, n_samples: int, solver: Solver | None = None) -> dict[str, Sampler]:
    """Every method that applies to the case, by name; all but the last are `sample` with another guidance.

    solver: of them (default: `Algorithm1`).
    """
    n, d = case.shape
    schedule = karras_schedule(40, t_max=case.t_max)
    draw = partial(
        sample, n_samples=n_samples, n_points=n, dim=d, schedule=schedule, solver=solver or Algorithm1(), progress=False
    )
    move = partial(twisted_smc, n_points=n, dim=d, schedule=schedule, prior_std=case.prior_std, progress=False)
    rules: dict[str, Guidance] = {
        "DPS, alpha 10,000": DPS(10_000),
        "DPS, alpha 1,000": DPS(1_000),
        "likelihood score": LikelihoodScore(),
        "likelihood score, inflated noise": LikelihoodScore(case.prior_std),
        "data-space step": DataSpace(prior_std=case.prior_std),
    }
    if isinstance(case.likelihood, LinearGaussian):
        rules["moment matching"] = MomentMatched()
        if bool((case.likelihood.A.sum(dim=1) == 1).all() and (case.likelihood.A.abs().amax(dim=1) == 1).all()):
            rules["replacement"] = Replacement()
    samplers: dict[str, Callable[[Any, int], Tensor]] = {
        "exact score": lambda data, seed: draw(case.posterior(data), None, seed=seed).points
    }
    for name, rule in rules.items():
        samplers[name] = lambda data, seed, rule=rule: draw(prior, data, guidance=rule, seed=seed).points
    samplers["twisted SMC, 256 particles"] = lambda data, seed: move(prior, data, seed=seed).resample(n_samples, seed)
    return samplers


def exact_benchmark(
    cases: Sequence[Case] | None = None,
    *,
    n_trials: int = 40,
    n_samples: int = 48,
    seed: int = 0,
    progress: bool = True,
) -> list[ExactResult]:
    """Every method on every case.

    Parameters
    ----------
    cases
        Of `exact_cases`; None: all of them.
    n_trials
        Data sets, each of another cloud of the prior.
    n_samples
        From each posterior.
    seed
        Of the data sets and samples.
    progress
        Whether to show a bar.

    Returns
    -------
    list of ExactResult
        One for each case and method that applies to it.
    """
    from dpskit.progress import tqdm

    n_trials, n_samples = check_integer("n_trials", n_trials, least=2), check_integer("n_samples", n_samples, least=2)
    results = []
    jobs = []
    for case in list(exact_cases().values()) if cases is None else cases:
        prior = Counted(case.prior)
        truths = case.draw(n_trials, seed)
        samplers = exact_samplers(case, prior, n_samples)
        jobs += [(case, prior, truths, name, sampler) for name, sampler in samplers.items()]
    for case, prior, truths, name, sampler in tqdm(jobs, desc="methods and cases", disable=not progress):
        prior.clouds = 0
        trials = run_trials(truths, case.likelihood.simulate, sampler, seed=seed, progress=False)
        results.append(compare(case, name, trials, prior.clouds / n_trials, seed))
    return results


def compare(case: Case, method: str, trials: Trials, evaluations: float, seed: int) -> ExactResult:
    """The samples of `run_trials` with `seed` beside the closed form."""
    generator = torch.Generator().manual_seed(seed)
    exact = [case.posterior(case.likelihood.simulate(truth, generator)) for truth in trials.truths]
    mean, std = (torch.stack([getattr(part, name) for part in exact]) for name in ("mean", "std"))
    samples = trials.samples.double()
    variance = samples.var(dim=1) / std.square()
    square = ((samples.mean(dim=1) - mean) / std).square() - variance / samples.shape[1]
    ranks = simulation_based_calibration(trials, coordinates(*case.shape), seed=seed)
    return ExactResult(
        case.name,
        method,
        float(square.mean().clamp_min(0).sqrt()),
        float(variance.sqrt().mean()) - 1,
        ranks.central_coverage(0.9) - 0.9,
        ranks.p_value,
        evaluations,
        trials,
    )


def exact_table(results: Sequence[ExactResult]) -> Table:
    """The results as a table: methods by cases.

    Parameters
    ----------
    results
        Of `exact_benchmark`.

    Returns
    -------
    Table
        One row for each method, one column for each case.
    """
    found = {(r.method, r.case): r for r in results}
    cases, methods = (list(dict.fromkeys(key[i] for key in found)) for i in (1, 0))
    rows = []
    for method in methods:
        of_method = [found.get((method, case)) for case in cases]
        cells = [
            f"{r.mean_error:.2f}, {r.spread_error:+.0%}, {100 * r.coverage_error:+.0f}" if r else "does not apply"
            for r in of_method
        ]
        evaluations = max(r.evaluations for r in of_method if r)
        rows.append([method, *cells, f"{evaluations:,.0f}" if evaluations else "none"])
    note = (
        "Error of the mean (root mean square, in standard deviations of the true posterior, Monte-Carlo part removed), "
        "of the spread (standard deviation over the true one, less 1), and of the coverage of the central 90 % "
        "interval (in percentage points). Network evaluations: clouds denoised for one data set."
    )
    return Table(["method", *cases, "network evaluations"], rows, note)
