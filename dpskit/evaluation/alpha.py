"""Choose the strength of guidance so that the coverage is right on data simulated from the prior."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dpskit.checks import check_number, check_share
from dpskit.evaluation.credible import Coverage, Distance, credible_coverage, spread_against_error
from dpskit.evaluation.trials import Sampler, Trials, run_trials
from dpskit.likelihoods.protocol import Likelihood


@dataclass(frozen=True, eq=False)
class AlphaCalibration:
    """Result of the choice of alpha.

    Attributes
    ----------
    alphas : tuple of float
        (a,), rising.
    coverages : tuple of Coverage
        Of each, by `credible_coverage`.
    ratios : tuple of float
        (a,): mean spread over mean error.
    alpha : float or None
        The value whose coverage fits best, None if the fit is rejected for all of them.
    nearest : float
        The best of them all the same.
    message : str
        One sentence for the reader.
    """

    alphas: tuple[float, ...]
    coverages: tuple[Coverage, ...]
    ratios: tuple[float, ...]
    alpha: float | None
    nearest: float
    message: str


def calibrate_alpha(
    truths: Tensor,
    observe: Callable[[Tensor, torch.Generator], Likelihood],
    sampler_of: Callable[[float], Sampler],
    alphas: Sequence[float],
    *,
    distance: Distance | None = None,
    significance: float = 0.05,
    seed: int = 0,
    progress: bool = True,
) -> AlphaCalibration:
    """Try every alpha on the same simulated data, and choose the one whose coverage is nearest to its level.

    Parameters
    ----------
    truths : Tensor
        (k, n, d), drawn from the prior.
    observe, seed, progress
        As for `run_trials`.
    sampler_of : Callable
        sampler_of(alpha): the sampler to judge, so that the number tried can as well be the noise of the likelihood.
    alphas : sequence of float
        Those to try.
    distance : Callable, optional
        As for `credible_coverage`.
    significance : float
        An alpha whose coverage is rejected at this level is not chosen; with few trials little is rejected.

    Returns
    -------
    AlphaCalibration
        The choice, and what it rests on. Whoever reports the coverage of the chosen alpha should measure it on new
        truths.

    Raises
    ------
    ValueError
        For alphas that are empty, negative or not finite.

    Examples
    --------
    The number tried is the standard deviation that a sampler believes the prior to have; the truth is 1.

    >>> import dpskit, torch
    >>> prior, data = dpskit.GaussianPrior(0.0, 1.0), dpskit.LinearGaussian(torch.eye(1), torch.zeros(1), sigma=1.0)
    >>> def sampler_of(std):
    ...     return lambda data, seed: data.posterior(dpskit.GaussianPrior(0.0, std)).sample(20, seed)
    >>> truths = prior.sample(60, n_points=1, dim=1)
    >>> dpskit.calibrate_alpha(truths, data.simulate, sampler_of, [0.2, 1.0], progress=False).alpha
    1.0
    """
    significance = check_share("significance", significance)
    trials = {
        alpha: run_trials(truths, observe, sampler_of(alpha), seed=seed, progress=progress)
        for alpha in check_alphas(alphas)
    }
    return choose_alpha(trials, distance=distance, significance=significance, seed=seed)


def choose_alpha(
    trials: dict[float, Trials], *, distance: Distance | None = None, significance: float = 0.05, seed: int = 0
) -> AlphaCalibration:
    """`calibrate_alpha` on trials that were run already, by alpha."""
    significance = check_share("significance", significance)
    alphas = tuple(check_alphas(list(trials)))
    coverages = tuple(credible_coverage(trials[alpha], distance, seed=seed) for alpha in alphas)
    pairs = [spread_against_error(trials[alpha], distance) for alpha in alphas]
    ratios = tuple(float(spread.mean() / error.mean()) for spread, error in pairs)
    best = min(range(len(alphas)), key=lambda i: coverages[i].error)
    nearest, coverage = alphas[best], coverages[best]
    says = f"its regions of 50 % and 90 % hold {coverage.at(0.5):.0%} and {coverage.at(0.9):.0%} of the truths"
    if coverage.p_value < significance:
        way = "too few" if coverage.bias < 0 else "too many"
        tried = ", ".join(f"{alpha:,g}" for alpha in alphas)
        message = (
            f"No alpha of {tried} is calibrated: the nearest is {nearest:,g}, but {says}, "
            f"{way} by a test at p = {coverage.p_value:.2g}."
        )
        return AlphaCalibration(alphas, coverages, ratios, None, nearest, message)
    message = f"alpha = {nearest:,g} is calibrated as far as {len(coverage.pit)} trials can tell: {says}."
    return AlphaCalibration(alphas, coverages, ratios, nearest, nearest, message)


def check_alphas(alphas: Sequence[float]) -> list[float]:
    """`alphas` as rising, distinct numbers of at least 0, or ValueError."""
    if len(alphas) == 0:
        raise ValueError("alphas must hold at least one number, got none.")
    return sorted({check_number("alphas", alpha, least=0.0) for alpha in alphas})
