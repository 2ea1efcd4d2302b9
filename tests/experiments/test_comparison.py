"""Posterior samples beside maximum likelihood."""

import pytest
import torch

import dpskit
from dpskit.experiments import compare


@pytest.fixture(scope="module")
def small():
    """A prior that knows one cloud exactly, that cloud, and a projection of it."""
    truth = torch.randn(32, 3, generator=torch.Generator().manual_seed(0)).mul(0.4)
    data = dpskit.Projections.observe(truth, n_views=1, n_points=32, seed=1)
    return dpskit.GaussianPrior(truth, 0.01), data, truth


def test_a_prior_that_knows_the_truth_beats_maximum_likelihood(small):
    prior, data, truth = small
    found = compare(prior, data, truth, alpha=1_000, n_steps=10, progress=False)
    assert found.samples.points.shape == found.fitted.points.shape == (2, 32, 3)
    assert found.sample_scores.cd.max() < 0.05 and found.cd_ratio < 0.2
    cd = dpskit.chamfer_distance(found.fitted.points, truth)
    assert torch.equal(found.scores["maximum likelihood"].cd, cd)
    assert found.cd_ratio == pytest.approx(float(found.sample_scores.cd.mean() / cd.mean()))
    assert found.sample_scores.rmsd is None


def test_it_is_the_same_run_as_by_hand(small):
    prior, data, truth = small
    frame = dpskit.Frame((0.0, 0.0, 0.0), 50.0, "angstrom")
    found = compare(prior, data, truth, alpha=50, cutoff=0.15, frame=frame, n_steps=10, seed=3, progress=False)
    by_hand = dpskit.sample(
        prior,
        data,
        n_samples=2,
        n_points=32,
        schedule=dpskit.karras_schedule(10),
        guidance=dpskit.DPS(50),
        solver=dpskit.Algorithm1(dpskit.InverseTime(0.15)),
        seed=3,
        progress=False,
    )
    assert torch.equal(found.samples.points, by_hand.points)
    moved = dpskit.overlay(by_hand.points, truth)
    torch.testing.assert_close(found.sample_scores.rmsd, 50 * dpskit.rmsd_to_points(moved, truth))


def test_what_maximum_likelihood_cannot_use_is_refused_before_the_sampling(small, one_sentence):
    _, views, truth = small
    data = dpskit.Joint([views, dpskit.Subunit(truth[:8], placed=False)])

    class Untouched:
        def denoise(self, x, t):
            raise AssertionError("work has begun")

    with one_sentence(ValueError, "placed"):
        compare(Untouched(), data, truth, alpha=1_000, progress=False)
