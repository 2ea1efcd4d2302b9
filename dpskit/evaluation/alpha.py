"""Choose the strength of guidance so that the coverage is right on data simulated from the prior."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dpskit.checks import check_number
from dpskit.evaluation.calibration import (
    Coverage,
    Distance,
    Sampler,
    Trials,
    credible_coverage,
    run_trials,
    spread_against_error,
)
from dpskit.likelihoods.protocol import Likelihood


@dataclass(frozen=True, eq=False)
class AlphaCalibration:
    """Result of the choice of alpha.

    alphas (a,) rising; coverages: of each, by `credible_coverage`; ratios (a,): mean spread over mean error. alpha: the
    value whose coverage fits best, None if the fit is rejected for all of them; nearest: the best of them all the same;
    message: one sentence for the reader.
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

    truths (k, n, d): drawn from the prior. observe: as for `run_trials`. sampler_of(alpha): the sampler to judge, so
    that the number tried can as well be the noise of the likelihood. significance: an alpha whose coverage is rejected
    at this level is not chosen; with few trials little is rejected. Whoever reports the coverage of the chosen alpha
    should measure it on new truths. Raises ValueError for alphas that are empty, negative or not finite.
    """
    trials = {
        alpha: run_trials(truths, observe, sampler_of(alpha), seed=seed, progress=progress)
        for alpha in check_alphas(alphas)
    }
    return choose_alpha(trials, distance=distance, significance=significance, seed=seed)


def choose_alpha(
    trials: dict[float, Trials], *, distance: Distance | None = None, significance: float = 0.05, seed: int = 0
) -> AlphaCalibration:
    """`calibrate_alpha` on trials that were run already, by alpha."""
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
