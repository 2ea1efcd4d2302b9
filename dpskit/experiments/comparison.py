"""Posterior samples beside maximum likelihood for the same data, and how far both are from a truth that is known."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from dpskit.cloud import Frame
from dpskit.evaluation.scores import Scores, score
from dpskit.likelihoods.protocol import Likelihood
from dpskit.priors.protocol import Prior
from dpskit.sampling.dps import DPS
from dpskit.sampling.maximum_likelihood import maximum_likelihood
from dpskit.sampling.noise import InverseTime
from dpskit.sampling.sample import sample
from dpskit.sampling.samples import Samples
from dpskit.sampling.schedule import karras_schedule
from dpskit.sampling.solvers import Algorithm1
from dpskit.sampling.trial import trial_clouds, try_likelihood


@dataclass(frozen=True, eq=False)
class Comparison:
    """Samples of the posterior and maximum-likelihood fits of the same data, with the scores of both.

    Attributes
    ----------
    samples, fitted : Samples
        The clouds.
    sample_scores, fitted_scores : Scores
        How far they are from the truth.
    """

    samples: Samples
    fitted: Samples
    sample_scores: Scores
    fitted_scores: Scores

    @property
    def scores(self) -> dict[str, Scores]:
        """The scores by the name of the method, for `score_table`."""
        return {"posterior samples": self.sample_scores, "maximum likelihood": self.fitted_scores}

    @property
    def cd_ratio(self) -> float:
        """Mean Chamfer distance to the truth of the samples over that of the fits: below 1 the prior helps."""
        return float(self.sample_scores.cd.mean() / self.fitted_scores.cd.mean())


def compare(
    prior: Prior,
    likelihood: Likelihood,
    truth: Tensor,
    *,
    alpha: float,
    cutoff: float = 0.0,
    frame: Frame | None = None,
    pose: Tensor | str | None = None,
    n_samples: int = 2,
    n_steps: int = 40,
    seed: int = 0,
    progress: bool = True,
) -> Comparison:
    """Reconstruct with Algorithm 1 and DPS and by maximum likelihood, and compare both with the truth.

    Parameters
    ----------
    prior, likelihood : Prior, Likelihood
        As for `dpskit.sample`.
    truth : Tensor
        (n, 3) in the cube; the samples have as many points.
    alpha : float
        The strength of the pull of the data, of `dpskit.DPS`.
    cutoff : float
        No noise is injected below this time, see `dpskit.InverseTime`.
    frame : Frame, optional
        Of a target with a physical size: the scores then hold an RMSD.
    pose, n_samples, n_steps, seed, progress
        As for `dpskit.sample`; maximum likelihood takes its own 100 steps.

    Returns
    -------
    Comparison
        The samples, the fits, and the scores of both.
    """
    try_likelihood(likelihood, trial_clouds(len(truth), 3))  # a run can use more than maximum likelihood can
    samples = sample(
        prior,
        likelihood,
        n_samples=n_samples,
        n_points=len(truth),
        pose=pose,
        schedule=karras_schedule(n_steps),
        guidance=DPS(alpha=alpha),
        solver=Algorithm1(noise=InverseTime(cutoff=cutoff)),
        seed=seed,
        progress=progress,
    )
    fitted = maximum_likelihood(likelihood, n_samples=n_samples, n_points=len(truth), seed=seed, progress=progress)
    scores = [score(found.points, truth, found.energy, frame) for found in (samples, fitted)]
    return Comparison(samples, fitted, *scores)
