"""Simulation-based calibration: the ranks of truths among samples, which are uniform if the samples are right."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dpskit.checks import check_kind
from dpskit.cloud import as_generator
from dpskit.evaluation.statistics import CLOUD_STATISTICS, Statistic, one_each
from dpskit.evaluation.trials import Trials
from dpskit.evaluation.uniformity import chi2_p_value, ks_p_value, randomised_rank


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
        `coordinates(n_points, dim)`.
    seed : int
        Ranks are spread over their cell at random, so that ties and small s do no harm.

    Returns
    -------
    Ranks
        The ranks in [0, 1], and the p-values.

    Raises
    ------
    ValueError, TypeError
        For statistics that are none, or do not return a finite number for each cloud.

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
    dim = check_kind("trials", trials, Trials).truths.shape[-1]
    if statistics is None and dim < 2:
        raise ValueError(f"statistics must be given for points of {dim} coordinate, as dpskit.coordinates; got None.")
    statistics = CLOUD_STATISTICS if statistics is None else statistics
    if not statistics:
        raise ValueError("statistics must hold at least one, got none.")
    generator = as_generator(seed)
    k, s = trials.samples.shape[:2]
    pit = {}
    for name, statistic in statistics.items():
        truth = one_each(f"statistics[{name!r}]", statistic(trials.truths), k).unsqueeze(1)
        others = one_each(f"statistics[{name!r}]", statistic(trials.samples.flatten(0, 1)), k * s).view(k, s)
        pit[name] = randomised_rank(truth, others, generator)
    chi2 = {name: chi2_p_value(u) for name, u in pit.items()}
    ks = {name: ks_p_value(u) for name, u in pit.items()}
    smallest = min([*chi2.values(), *ks.values()])
    return Ranks(pit, chi2, ks, min(1.0, 2 * len(pit) * smallest))
