"""Projections with outliers: the trimmed energy against brute force, its gradient, and what it saves."""

import itertools
import math
from dataclasses import replace

import pytest
import torch

import dpskit
from dpskit.benchmarks.views.outliers import plant
from dpskit.likelihoods.projection import project


def brute_force(points, seen, trimmed):
    """1/2 the least mean squared distance of n predictions to as many of the points, each as often as it occurs."""
    n = len(seen)
    assert math.ceil(n / (1 - trimmed)) == len(points)  # each occurs once
    costs = torch.cdist(seen.double(), points.double()).square()
    matchings = itertools.permutations(range(len(points)), n)
    return min(float(sum(costs[i, j] for i, j in enumerate(chosen))) for chosen in matchings) / (2 * n)


@pytest.mark.parametrize(("n", "m", "trimmed"), [(5, 7, 0.25), (4, 8, 0.5), (6, 7, 0.1)])
def test_energy_by_brute_force(normal, n, m, trimmed):
    x, points = normal(3, n, 3), normal(m, 2, seed=1)
    rotation = dpskit.random_rotations(1, seed=2)
    data = dpskit.Projections([points], rotation, trimmed=trimmed)
    expected = [brute_force(points, project(cloud, rotation[0]), trimmed) for cloud in x]
    torch.testing.assert_close(data.energy(x).double(), torch.tensor(expected).double(), rtol=1e-5, atol=1e-7)


def test_without_trimming_it_is_the_energy_of_before(normal):
    data = dpskit.Projections.observe(normal(40, 3), 3, 30)
    x = normal(2, 50, 3, seed=1)
    assert torch.equal(replace(data, trimmed=0.0).energy(x), data.energy(x))
    assert bool((replace(data, trimmed=0.1).energy(x) < data.energy(x)).all())


def test_gradient_by_differences(normal):
    data = dpskit.Projections([normal(9, 2), normal(8, 2, seed=1)], dpskit.random_rotations(2, seed=3), trimmed=0.2)
    x = normal(1, 6, 3, seed=2).double().requires_grad_()
    assert torch.autograd.gradcheck(data.energy, x, atol=1e-6)


def test_what_lies_far_away_is_left_out(normal):
    """Outliers, as many as are trimmed, change nothing however far they are."""
    cloud, rotation = 0.4 * normal(90, 3), torch.eye(3)[None]
    seen = project(cloud, rotation[0])
    near, far = (
        dpskit.Projections([torch.cat([seen, place + 0.1 * normal(10, 2, seed=4)])], rotation, trimmed=0.1)
        for place in (5.0, 500.0)
    )
    assert float(near.energy(cloud[None])) < 1e-10
    assert float(far.energy(cloud[None])) < 1e-10
    run = far.start()
    moved = (cloud + 0.01 * normal(90, 3, seed=5))[None]
    for x in (moved, cloud[None], moved):
        torch.testing.assert_close(run.energy(x), near.energy(x), rtol=1e-4, atol=1e-9)


def test_the_log_density_counts_the_points_that_are_kept(normal):
    data = dpskit.Projections([normal(10, 2)], torch.eye(3)[None], sigma=0.3, trimmed=0.2)
    x = normal(2, 8, 3, seed=1)
    expected = -8 * data.energy(x) / 0.3**2 - 8 * math.log(2 * math.pi * 0.3**2)
    torch.testing.assert_close(data.log_prob(x), expected)
    new = data.simulate(x[0], torch.Generator().manual_seed(0))
    assert new.trimmed == 0.2
    assert len(new.points[0]) == 10


@pytest.mark.parametrize("trimmed", [-0.1, 0.6, math.nan, "much"])
def test_bad_shares(one_sentence, trimmed):
    with one_sentence(ValueError, "trimmed"):
        dpskit.Projections([torch.zeros(3, 2)], torch.eye(3)[None], trimmed=trimmed)


def test_outliers_do_not_spoil_a_run(normal):
    """A bent rod seen four times, a tenth of each view's points in a spot of its own."""
    s = torch.linspace(-1, 1, 200)[:, None]
    cloud = torch.cat([0.8 * s, 0.5 * s**2 - 0.3, 0.4 * s**3 * (s > 0)], dim=1) + 0.05 * normal(200, 3)
    clean = dpskit.Projections.observe(cloud, 4, 200, seed=1)
    settings = {"n_samples": 2, "n_points": 200, "schedule": dpskit.karras_schedule(20), "progress": False}
    found = {}
    for kind, trimmed in (("none", 0.0), ("one spot", 0.0), ("one spot", 0.1)):
        data = replace(plant(clean, kind, 3), trimmed=trimmed)
        samples = dpskit.sample(dpskit.GaussianPrior(0.0, 0.4), data, guidance=dpskit.DPS(alpha=60_000), **settings)
        found[kind, trimmed] = sum(float(dpskit.rmsd_to_points(x, cloud)) for x in samples.points) / 2
    assert found["one spot", 0.1] < 0.8 * found["one spot", 0.0], found
    assert found["one spot", 0.1] < 1.3 * found["none", 0.0], found


def test_outliers_are_no_surprise(normal):
    """Far away they would pull the cloud's nearest points; without them the view says what it said."""
    x, rotation = 0.3 * normal(2, 60, 3), dpskit.random_rotations(1, seed=2)
    clean = project(x[0], rotation[0])[:27]
    outliers = torch.tensor([[3.0, 3.0], [3.1, 3.0], [-2.0, 3.0]])
    data = dpskit.Projections([torch.cat([clean, outliers])], rotation, trimmed=0.1)
    torch.testing.assert_close(data.surprise(x, 0.05), dpskit.Projections([clean], rotation).surprise(x, 0.05))
    guidance, prior = dpskit.DPS(blur=0.05), dpskit.GaussianPrior(0.0, 0.3)
    settings = {"n_samples": 2, "n_points": 60, "guidance": guidance, "progress": False}
    assert float(dpskit.sample(prior, data, **settings).points.norm(dim=2).max()) < 1.5
