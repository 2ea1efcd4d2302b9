"""Clouds of short runs, with which hypotheses about orientations are tried."""

from __future__ import annotations

import itertools
import math

from torch import Tensor

from dpskit.likelihoods.projection import Projections
from dpskit.likelihoods.protocol import Likelihood
from dpskit.priors.analytic import GaussianPrior
from dpskit.sampling.dps import DPS
from dpskit.sampling.noise import NoiseSource
from dpskit.sampling.protocol import State
from dpskit.sampling.schedule import karras_schedule
from dpskit.sampling.solvers import EulerODE

N_POINTS = 400  # at most
N_STEPS = 16
ALPHA = 200_000.0  # so that the clouds fit as well as their orientations allow


def trial_clouds(data: Projections, likelihood: Likelihood, count: int, seed: int) -> Tensor:
    """(count, n, 3) clouds that DPS draws from a Gaussian prior as wide as the views, without noise and from one start.

    data: of which the clouds have the size and the width; likelihood: of `count` clouds.
    """
    shape = (min(N_POINTS, max(len(y) for y in data.points)), 3)
    std = math.sqrt(sum(float(y.square().mean()) for y in data.points) / len(data.points))
    score = DPS(ALPHA)(GaussianPrior(0.0, std), likelihood)
    times, noise = karras_schedule(N_STEPS).tolist(), NoiseSource(seed, range(1), shape)
    state = State(math.hypot(times[0], std) * noise.draw(0).expand(count, -1, -1), 0, noise)
    for t, t_next in itertools.pairwise(times):
        state, _ = EulerODE().step(score, state, t, t_next)
    return state.x.detach()
