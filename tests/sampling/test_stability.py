"""No setting within reach of the panel's sliders ends in NaN or far outside of the cube, with any prior that ships."""

import itertools

import pytest
import torch

from dpskit import (
    DPS,
    Algorithm1,
    CoarseGrained,
    InverseTime,
    Joint,
    Projections,
    Subunit,
    karras_schedule,
    list_priors,
    load_example,
    load_prior,
    resample,
    sample,
)

N_POINTS = 256  # the fewest that the panel offers
ALPHAS, CUTOFFS, STEPS = (0.0, 1e6), (0.0, 1.0), (5, 15)


@pytest.fixture(scope="module")
def truth():
    return resample(load_example("chair").points, 600)


def observed(points, kind):
    view = Projections.observe(points, 1, 50, seed=1)
    if kind == "projection":
        return view
    return Joint([view, CoarseGrained.observe(points, 10, seed=1), Subunit.observe(points, 24, seed=1)])


@pytest.mark.filterwarnings("ignore:.*fit the data worse than the noise:RuntimeWarning")
@pytest.mark.parametrize("kind", ["projection", "joint"])
@pytest.mark.parametrize("name", list_priors())
def test_corners_of_the_sliders(name, kind, truth):
    prior, data = load_prior(name), observed(truth, kind)
    for alpha, cutoff, n_steps in itertools.product(ALPHAS, CUTOFFS, STEPS):
        samples = sample(prior, data, n_samples=1, n_points=N_POINTS, schedule=karras_schedule(n_steps), seed=1,
                         guidance=DPS(alpha), solver=Algorithm1(InverseTime(cutoff)), progress=False)  # fmt: skip
        largest = float(samples.points.abs().max())
        assert bool(torch.isfinite(samples.points).all()) and largest < 3, (alpha, cutoff, n_steps, largest)


@pytest.mark.filterwarnings("ignore:.*fit the data worse than the noise:RuntimeWarning")
def test_the_rule_as_printed_leaves_the_cube(truth):
    """So that the test above could fail."""
    settings = {"n_samples": 2, "n_points": N_POINTS, "schedule": karras_schedule(40), "progress": False}
    samples = sample(load_prior("chairs"), observed(truth, "projection"), guidance=DPS(1e6, reach=None), **settings)
    assert float(samples.points.abs().max()) > 3
