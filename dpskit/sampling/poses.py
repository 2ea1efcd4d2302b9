"""How the object of a run stands in the data's frame: as the prior's objects do, in known poses, or in unknown ones."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from dpskit.checks import check_array, check_rotations
from dpskit.likelihoods.protocol import Likelihood
from dpskit.pose.templates import Templates
from dpskit.priors.protocol import Prior
from dpskit.sampling.maximum_likelihood import maximum_likelihood
from dpskit.sampling.protocol import Info

N_HYPOTHESES = 4
N_STEPS = 100  # of the maximum-likelihood cloud in which they are sought
GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True, eq=False)
class Poses:
    """The poses that the samples of a run begin with, the orientations from which each is seen, or its placements.

    Parameters
    ----------
    rotations
        (k, 3, 3): a cloud in the data's frame is an upright one @ R. Or (k, v, 3, 3): sets of orientations of v views.
        Or (k, 4, 3): placements of a part.
    weights
        (k,) their probabilities, where they are hypotheses, which a run refines. None: they are known.
    """

    rotations: Tensor
    weights: Tensor | None = None

    def of_samples(self, samples: range) -> Tensor:
        """(b, 3, 3), (b, v, 3, 3) or (b, 4, 3), those of the samples with these numbers.

        Known ones in turn. Of hypotheses, sample j has the one in whose share of [0, 1] the golden-ratio sequence
        j (sqrt(5) - 1) / 2 mod 1 falls: sample 0 the first, and of any number of samples about the share of its weight.
        """
        number = torch.arange(samples.start, samples.stop)
        if self.weights is None:
            return self.rotations[number % len(self.rotations)]
        share = (number.double() * GOLDEN) % 1
        index = torch.searchsorted(self.weights.double().cumsum(dim=0), share, right=True)
        return self.rotations[index.clamp_max(len(self.rotations) - 1)]


def as_pose(pose: Tensor | str | None) -> Tensor | str | None:
    """`pose` as None, "unknown" or rotations (k, 3, 3); raises ValueError or TypeError for anything else."""
    if pose is None or (isinstance(pose, str) and pose == "unknown"):
        return pose
    if isinstance(pose, str):
        raise ValueError(f'pose must be None, "unknown" or rotations (3, 3) or (k, 3, 3), got {pose!r}.')
    rotations = check_array("pose", pose, "(3, 3) or (k, 3, 3)")
    return check_rotations("pose", rotations[None] if rotations.ndim == 2 else rotations)


def check_pose(pose: Tensor | str | None, prior: Prior, likelihood: Likelihood | None) -> Tensor | str | None:
    """`as_pose`, but None for a prior whose objects do not stand upright.

    Raises ValueError for "unknown" where the pose cannot be found: without data, or without templates.
    """
    pose = as_pose(pose)
    if getattr(prior, "orientation", None) != "upright":
        return None
    if isinstance(pose, str) and likelihood is None:
        raise ValueError("pose must be None or known rotations where likelihood is None, got 'unknown'.")
    if isinstance(pose, str) and getattr(prior, "templates", None) is None:
        raise ValueError("pose must be None or known rotations for a prior without templates, got 'unknown'.")
    return pose


def find_poses(prior: Prior, likelihood: Likelihood, n_points: int, seed: int) -> Poses:
    """Up to four hypotheses: the best poses of one maximum-likelihood cloud of the data, by the prior's templates."""
    templates: Templates | Any = getattr(prior, "templates", None)
    fit = maximum_likelihood(likelihood, n_samples=1, n_points=n_points, n_steps=N_STEPS, seed=seed, progress=False)
    rotations, scores = templates.candidates(fit.points[0], N_HYPOTHESES)
    return Poses(rotations, scores.softmax(dim=0))


def in_data_frame(steps: Iterator[Info], rotations: Tensor) -> Iterator[Info]:
    """The steps of upright clouds turned into the data's frame by `rotations` (b, 3, 3), which may change meanwhile."""
    before = rotations.clone()
    for info in steps:
        after = rotations.clone()
        yield replace(info, x=info.x @ after, denoised=info.denoised @ before, pose=after)
        before = after
