"""Is a posterior calibrated? Truths from the prior, data from the truths, samples from the data, and then statistics.

If truth and samples come from the same distribution given the data, the truth cannot be told from one more sample. All
instruments here test that exchangeability; they need no density and no network.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dpskit.checks import check_array, check_points, check_seed
from dpskit.cloud import as_generator
from dpskit.evaluation.statistics import CLOUD_STATISTICS, Statistic
from dpskit.likelihoods.protocol import Likelihood

Sampler = Callable[[Likelihood, int], Tensor]
"""sampler(data, seed) -> clouds (s, n, d): the posterior samples to be judged."""

Distance = Callable[[Tensor, Tensor], Tensor]
"""distance(a, b) of clouds (b, n, d) each -> (b,); for points without order it must not depend on their order."""


@dataclass(frozen=True, eq=False)
class Trials:
    """Truths, and posterior samples of data of each.

    Parameters
    ----------
    truths
        (k, n, d), drawn from the prior.
    samples
        (k, s, n, d), s at least 2.

    Raises
    ------
    ValueError
        For shapes that do not fit, NaN and infinity.

    Examples
    --------
    >>> import dpskit, torch
    >>> trials = dpskit.Trials(torch.randn(30, 5, 3), torch.randn(30, 8, 5, 3))
    >>> spread, error = dpskit.spread_against_error(trials)
    """

    truths: Tensor
    samples: Tensor

    def __post_init__(self) -> None:
        truths = check_points("truths", self.truths, dim=None, batched=True)
        samples = check_array("samples", self.samples, "(k, s, n, d)").to(truths)
        if samples.ndim != 4 or (len(samples), *samples.shape[2:]) != tuple(truths.shape) or samples.shape[1] < 2:
            raise ValueError(
                f"samples must have shape (k, s, n, d) with s >= 2 for truths {tuple(truths.shape)}, "
                f"got {tuple(samples.shape)}."
            )
        bad = (~torch.isfinite(samples)).flatten(1).any(dim=1)
        if bad.any():
            trial = int(bad.int().argmax())
            raise ValueError(f"samples must be finite, got NaN or infinity in trial {trial}: its sampler diverged.")
        object.__setattr__(self, "truths", truths)
        object.__setattr__(self, "samples", samples)


@dataclass(frozen=True, eq=False)
class Ranks:
    """Result of simulation-based calibration.

    Attributes
    ----------
    pit : dict of str and Tensor
        For each statistic (k,), uniform in [0, 1] if the samples are right.
    chi2, ks : dict of str and float
        The p-values of the uniformity tests of each statistic.
    p_value : float
        The smallest of all, times their number (Bonferroni).
    """

    pit: dict[str, Tensor]
    chi2: dict[str, float]
    ks: dict[str, float]
    p_value: float

    def central_coverage(self, level: float = 0.9) -> float:
        """How often the truth lies in the central interval of `level`, over trials and statistics."""
        return float(torch.stack([(u - 0.5).abs() < level / 2 for u in self.pit.values()]).double().mean())


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


def run_trials(
    truths: Tensor,
    observe: Callable[[Tensor, torch.Generator], Likelihood],
    sampler: Sampler,
    *,
    seed: int = 0,
    progress: bool = True,
) -> Trials:
    """Observe each of the truths, and sample its posterior.

    Parameters
    ----------
    truths : Tensor
        (k, n, d), drawn from the prior.
    observe : Callable
        observe(truth (n, d), generator) -> data, for example `likelihood.simulate`.
    sampler : Callable
        sampler(data, seed) -> clouds (s, n, d): the posterior samples to be judged.
    seed : int
        Of the data; trial k samples with seed + k.
    progress : bool
        Whether to show a bar.

    Returns
    -------
    Trials
        The truths and the samples.

    Raises
    ------
    ValueError
        For truths of a wrong shape, and for a sampler that returns NaN or infinity.

    Examples
    --------
    >>> import dpskit, torch
    >>> prior, data = dpskit.GaussianPrior(0.0, 1.0), dpskit.LinearGaussian(torch.eye(1), torch.zeros(1), sigma=0.5)
    >>> truths = prior.sample(20, n_points=1, dim=1)
    >>> exact = lambda data, seed: data.posterior(prior).sample(9, seed)
    >>> dpskit.run_trials(truths, data.simulate, exact, progress=False).samples.shape
    torch.Size([20, 9, 1, 1])
    """
    from dpskit.progress import tqdm

    truths = check_points("truths", truths, dim=None, batched=True)
    seed = check_seed("seed", seed)
    generator = as_generator(seed)
    rounds = tqdm(list(enumerate(truths)), desc="trials", unit="data set", disable=not progress)
    found = []
    for k, truth in rounds:
        samples = check_array(f"the samples of trial {k}", sampler(observe(truth, generator), seed + k), "(s, n, d)")
        if not bool(torch.isfinite(samples).all()):
            raise ValueError(f"sampler must return finite clouds, got NaN or infinity in trial {k}: it diverged.")
        found.append(samples)
    return Trials(truths, torch.stack(found))


def simulation_based_calibration(
    trials: Trials, statistics: dict[str, Statistic] | None = None, *, seed: int = 0
) -> Ranks:
    """Rank each truth among its samples, by every statistic, and test that the ranks are uniform.

    Parameters
    ----------
    trials : Trials
        As `run_trials` gives them.
    statistics : dict of str and Callable, optional
        statistic(clouds (b, n, d)) -> (b,), by name. Default: `CLOUD_STATISTICS`; for points in a known order
        `coordinates(n, d)`.
    seed : int
        Ranks are spread over their cell at random, so that ties and small s do no harm.

    Returns
    -------
    Ranks
        The ranks in [0, 1], and the p-values.

    Notes
    -----
    Talts et al., arXiv 1804.06788.

    Examples
    --------
    Samples that are too narrow:

    >>> import dpskit, torch
    >>> trials = dpskit.Trials(torch.randn(200, 1, 1), 0.3 * torch.randn(200, 19, 1, 1))
    >>> dpskit.simulation_based_calibration(trials, dpskit.coordinates(1, 1)).p_value < 1e-6
    True
    """
    statistics = CLOUD_STATISTICS if statistics is None else statistics
    generator = as_generator(seed)
    k, s = trials.samples.shape[:2]
    pit = {}
    for name, statistic in statistics.items():
        truth = statistic(trials.truths).unsqueeze(1)
        others = statistic(trials.samples.flatten(0, 1)).view(k, s)
        pit[name] = _randomised_rank(truth, others, generator)
    chi2 = {name: _chi2(u) for name, u in pit.items()}
    ks = {name: _ks(u) for name, u in pit.items()}
    smallest = min([*chi2.values(), *ks.values()])
    return Ranks(pit, chi2, ks, min(1.0, 2 * len(pit) * smallest))


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
        For references of another shape than the truths', and levels outside of [0, 1].

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
    k, s = trials.samples.shape[:2]
    references = trials.truths.roll(1, dims=0) if references is None else references
    if references.shape != trials.truths.shape:
        raise ValueError(f"references must have shape {tuple(trials.truths.shape)}, got {tuple(references.shape)}.")
    truth = distance(trials.truths, references).unsqueeze(1)
    repeated = references.repeat_interleave(s, dim=0)
    others = distance(trials.samples.flatten(0, 1), repeated).view(k, s)
    return _coverage(_randomised_rank(truth, others, generator), levels)


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
    return _coverage(_randomised_rank(mean[:, :1], mean[:, 1:], generator), levels)


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
    s = trials.samples.shape[1]
    first, second = torch.triu_indices(s + 1, s + 1, offset=1)
    matrix = trials.truths.new_zeros(len(trials.truths), s + 1, s + 1)
    for k, (truth, samples) in enumerate(zip(trials.truths, trials.samples, strict=True)):
        clouds = torch.cat([truth.unsqueeze(0), samples])
        matrix[k, first, second] = distance(clouds[first], clouds[second]).to(matrix)
    return matrix + matrix.mT


def euclidean(a: Tensor, b: Tensor) -> Tensor:
    """Distance of clouds (b, n, d) whose points have an order, (b,)."""
    return (a - b).flatten(1).norm(dim=1)


def _randomised_rank(truth: Tensor, others: Tensor, generator: torch.Generator) -> Tensor:
    """(rank + U) / (s + 1) of truth (k, 1) among others (k, s), ties broken at random: uniform if exchangeable."""
    below = (others < truth).sum(dim=1)
    tied = (others == truth).sum(dim=1)
    place = below + torch.rand(len(truth), generator=generator) * (tied + 1)
    return (place / (others.shape[1] + 1)).double()


def _coverage(pit: Tensor, levels: Tensor | None) -> Coverage:
    levels = torch.linspace(0.05, 0.95, 19, dtype=torch.float64) if levels is None else _check_levels(levels)
    coverage = (pit.unsqueeze(0) < levels.unsqueeze(1)).double().mean(dim=1)
    return Coverage(levels, coverage, pit, _ks(pit))


def _check_levels(value: Tensor) -> Tensor:
    levels = check_array("levels", value, "(l,)").double()
    if levels.ndim != 1 or len(levels) == 0 or not bool(((levels >= 0) & (levels <= 1)).all()):
        raise ValueError(f"levels must be numbers from 0 to 1, got {levels.tolist()}.")
    return levels


def _ks(pit: Tensor) -> float:
    from scipy import stats

    return float(stats.kstest(pit.numpy(), "uniform").pvalue)


def _chi2(pit: Tensor) -> float:
    """Histogram of at most 20 cells, with at least 5 trials expected in each."""
    from scipy import stats

    cells = max(2, min(20, len(pit) // 5))
    count = np.bincount(np.minimum((pit.numpy() * cells).astype(int), cells - 1), minlength=cells)
    return float(stats.chisquare(count).pvalue)
