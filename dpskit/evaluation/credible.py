"""Whether credible regions hold the truth as often as they should, and whether the spread is as large as the error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from dpskit.checks import check_array, check_kind, check_points
from dpskit.cloud import as_generator
from dpskit.evaluation.statistics import one_each
from dpskit.evaluation.trials import Trials
from dpskit.evaluation.uniformity import ks_p_value, randomised_rank

Distance = Callable[[Tensor, Tensor], Tensor]
"""distance(a, b) of clouds (b, n, d) each -> (b,); for points without order it must not depend on their order."""


@dataclass(frozen=True, eq=False)
class Coverage:
    """Coverage of credible regions: the share of the k trials whose truth lies inside.

    Attributes
    ----------
    levels, coverage : Tensor
        (l,) each.
    pit : Tensor
        (k,): the smallest level whose region holds the truth.
    p_value : float
        Of the Kolmogorov-Smirnov test that they are uniform.
    """

    levels: Tensor
    coverage: Tensor
    pit: Tensor
    p_value: float

    @property
    def error(self) -> float:
        """Mean |coverage - level|."""
        return float((self.coverage - self.levels).abs().mean())

    @property
    def bias(self) -> float:
        """Mean of coverage - level: below 0 the regions are too small."""
        return float((self.coverage - self.levels).mean())

    def at(self, level: float) -> float:
        """Coverage of the region of `level`."""
        return float((self.pit < level).double().mean())


def expected_coverage(
    trials: Trials,
    distance: Distance | None = None,
    references: Tensor | None = None,
    *,
    levels: Tensor | None = None,
    seed: int = 0,
) -> Coverage:
    """Tests of accuracy with random points (TARP): how many samples lie nearer to a reference than the truth does.

    Parameters
    ----------
    trials : Trials
        As `run_trials` gives them.
    distance : Callable, optional
        distance(a, b) of clouds (b, n, d) each -> (b,). Default: `euclidean`, for points in a known order;
        `chamfer_distance` or `earth_movers_distance` for clouds.
    references : Tensor, optional
        (k, n, d), which must not depend on the truths' data. Default: the truths of other trials, hence draws of the
        prior.
    levels : Tensor, optional
        (l,), from 0 to 1. Default: 0.05, 0.10, ..., 0.95.
    seed : int
        Of ties.

    Returns
    -------
    Coverage
        Of balls around the reference: narrow samples give coverage above small levels and below large ones.

    Raises
    ------
    ValueError
        For references of another shape than the truths', one trial without references, levels outside of [0, 1], and a
        distance that does not return a finite number for each pair.

    Notes
    -----
    Lemos et al., arXiv 2302.03026.

    Examples
    --------
    Samples that are too narrow:

    >>> import dpskit, torch
    >>> trials = dpskit.Trials(torch.randn(200, 1, 1), 0.3 * torch.randn(200, 19, 1, 1))
    >>> dpskit.expected_coverage(trials).p_value < 0.01
    True
    """
    distance = euclidean if distance is None else distance
    generator = as_generator(seed)
    k, s = check_kind("trials", trials, Trials).samples.shape[:2]
    if references is None and k < 2:
        raise ValueError(f"references must be given for {k} trial, as there are no truths of others; got None.")
    references = trials.truths.roll(1, dims=0) if references is None else references
    references = check_array("references", references, "(k, n, d)").to(trials.truths)
    if references.shape != trials.truths.shape:
        raise ValueError(f"references must have shape {tuple(trials.truths.shape)}, got {tuple(references.shape)}.")
    references = check_points("references", references, dim=None, batched=True)
    truth = one_each("distance", distance(trials.truths, references), k).unsqueeze(1)
    repeated = references.repeat_interleave(s, dim=0)
    others = one_each("distance", distance(trials.samples.flatten(0, 1), repeated), k * s).view(k, s)
    return _coverage(randomised_rank(truth, others, generator), levels)


def credible_coverage(
    trials: Trials, distance: Distance | None = None, *, levels: Tensor | None = None, seed: int = 0
) -> Coverage:
    """Coverage of the regions of typical clouds: those whose mean distance to the samples is small.

    Parameters
    ----------
    trials, distance, levels, seed
        As for `expected_coverage`.

    Returns
    -------
    Coverage
        Overconfidence shows as coverage below the level everywhere.

    Notes
    -----
    The truth is ranked among the samples by the mean distance to all others, truth included: exact for any number of
    samples.

    Examples
    --------
    Samples that are too narrow:

    >>> import dpskit, torch
    >>> trials = dpskit.Trials(torch.randn(200, 1, 1), 0.3 * torch.randn(200, 19, 1, 1))
    >>> dpskit.credible_coverage(trials).at(0.9) < 0.7
    True
    """
    generator = as_generator(seed)
    mean = pairwise_distances(trials, distance).mean(dim=2)
    return _coverage(randomised_rank(mean[:, :1], mean[:, 1:], generator), levels)


def spread_against_error(trials: Trials, distance: Distance | None = None) -> tuple[Tensor, Tensor]:
    """Mean distance between two samples, and between a sample and the truth, of every trial.

    Parameters
    ----------
    trials, distance
        As for `expected_coverage`.

    Returns
    -------
    spread, error : Tensor
        (k,) each. Equal on average over the trials if the samples are right, for any distance; too small a spread is
        overconfidence.

    Examples
    --------
    Samples that are too narrow:

    >>> import dpskit, torch
    >>> trials = dpskit.Trials(torch.randn(200, 1, 1), 0.3 * torch.randn(200, 19, 1, 1))
    >>> spread, error = dpskit.spread_against_error(trials)
    >>> bool(spread.mean() < 0.6 * error.mean())
    True
    """
    pairs = pairwise_distances(trials, distance)
    s = trials.samples.shape[1]
    return pairs[:, 1:, 1:].sum(dim=(1, 2)) / (s * (s - 1)), pairs[:, 0, 1:].mean(dim=1)


def pairwise_distances(trials: Trials, distance: Distance | None = None) -> Tensor:
    """(k, s + 1, s + 1): among the truth, number 0, and the samples of every trial."""
    distance = euclidean if distance is None else distance
    s = check_kind("trials", trials, Trials).samples.shape[1]
    first, second = torch.triu_indices(s + 1, s + 1, offset=1)
    matrix = trials.truths.new_zeros(len(trials.truths), s + 1, s + 1)
    for k, (truth, samples) in enumerate(zip(trials.truths, trials.samples, strict=True)):
        clouds = torch.cat([truth.unsqueeze(0), samples])
        matrix[k, first, second] = one_each("distance", distance(clouds[first], clouds[second]), len(first)).to(matrix)
    return matrix + matrix.mT


def euclidean(a: Tensor, b: Tensor) -> Tensor:
    """Distance of clouds (b, n, d) whose points have an order, (b,)."""
    return (a - b).flatten(1).norm(dim=1)


def _coverage(pit: Tensor, levels: Tensor | None) -> Coverage:
    levels = torch.linspace(0.05, 0.95, 19, dtype=torch.float64) if levels is None else _check_levels(levels)
    coverage = (pit.unsqueeze(0) < levels.unsqueeze(1)).double().mean(dim=1)
    return Coverage(levels, coverage, pit, ks_p_value(pit))


def _check_levels(value: Tensor) -> Tensor:
    levels = check_array("levels", value, "(l,)").double()
    if levels.ndim != 1 or len(levels) == 0 or not bool(((levels >= 0) & (levels <= 1)).all()):
        raise ValueError(f"levels must be numbers from 0 to 1, got {levels.tolist()}.")
    return levels
