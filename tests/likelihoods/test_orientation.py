"""Unknown orientations: the scores against brute force, and the search against views whose orientation is known."""

import math

import numpy as np
import pytest
import torch

import dpskit
from dpskit.likelihoods import orientation
from dpskit.likelihoods.orientation import find_rotations, refine_rotations, score_rotations, view_log_prob
from dpskit.likelihoods.projection import project
from dpskit.rotations import angles_between as degrees
from dpskit.rotations import rotations_by


@pytest.fixture(scope="module")
def cloud():
    """A bent rod with a ball at one end: no symmetry."""
    generator = torch.Generator().manual_seed(0)
    s = torch.linspace(-1, 1, 400)[:, None]
    rod = torch.cat([0.8 * s, 0.5 * s**2 - 0.3, 0.5 * s**3 * (s > 0)], dim=1)
    ball = torch.tensor([0.6, 0.4, -0.3]) + 0.12 * torch.randn(200, 3, generator=generator)
    return torch.cat([rod + 0.05 * torch.randn(400, 3, generator=generator), ball])


def test_scores_are_wasserstein_distances(cloud):
    """For a few rotations of the grid, by scipy and along exact directions."""
    view = project(cloud, dpskit.random_rotations(1, seed=1)[0])[::2]
    scores, rotations = score_rotations(cloud[None], [view])[0, 0], orientation._grid()[0]
    assert scores.shape == (orientation.N_ROTATIONS,)
    for r in (0, 5000, 18_000):
        expected = 0.0
        for a in range(orientation.N_ANGLES):
            axis = torch.tensor([math.cos(a * math.pi / 8), math.sin(a * math.pi / 8)])
            levels = (np.arange(2000) + 0.5) / 2000
            one, other = (np.quantile((y @ axis).numpy(), levels) for y in (project(cloud, rotations[r]), view))
            expected += np.square(one - other).mean() / orientation.N_ANGLES
        assert float(scores[r]) == pytest.approx(expected, rel=0.1, abs=0.002)


def test_the_best_of_the_grid_is_near_the_truth(cloud):
    rotations = dpskit.random_rotations(5, seed=2)
    views = [project(cloud, r) for r in rotations]
    best = orientation._grid()[0][score_rotations(cloud[None], views)[0].argmin(dim=1)]
    assert float(degrees(best, rotations).max()) < 12


def test_log_prob_of_a_view_by_brute_force(cloud, normal):
    rotations, view, width = dpskit.random_rotations(2, seed=3), normal(7, 2), 0.2
    clouds = torch.stack([cloud[:20], cloud[20:40]])
    found = view_log_prob(clouds, view, rotations, width)
    for b in range(2):
        square = torch.cdist(view.double(), project(clouds[b], rotations[b]).double()).square()
        density = (torch.exp(-square / (2 * width**2)) / (2 * math.pi * width**2)).mean(dim=1)
        assert float(found[b]) == pytest.approx(float(density.log().sum()), rel=1e-4)


def test_refining_climbs_and_turns_with_the_frame(cloud):
    truth = dpskit.random_rotations(1, seed=4)[0]
    view = project(cloud, truth)[::2]
    off = truth @ rotations_by(torch.tensor([0.15, -0.1, 0.12]))
    found = refine_rotations(cloud[None], view, off[None])
    assert float(degrees(off, truth)) > 10 and float(degrees(found[0], truth)) < 3
    assert float(view_log_prob(cloud[None], view, found)) > float(view_log_prob(cloud[None], view, off[None]))
    turn = dpskit.random_rotations(1, seed=5)[0]
    torch.testing.assert_close(
        refine_rotations((cloud @ turn)[None], view, (turn.T @ off)[None])[0], turn.T @ found[0], atol=1e-3, rtol=0
    )


@pytest.mark.parametrize("seed", range(4))
def test_an_unknown_orientation_is_found(cloud, seed):
    data = dpskit.Projections.observe(cloud, 1, 300, seed=seed)
    rough = cloud + 0.05 * torch.randn(cloud.shape, generator=torch.Generator().manual_seed(seed))
    rotations, log_probs = find_rotations(rough, data.points[0])
    assert float(degrees(rotations[0], data.rotations[0])) < 12
    assert log_probs.tolist() == sorted(log_probs.tolist(), reverse=True)
    torch.testing.assert_close(rotations @ rotations.mT, torch.eye(3).expand_as(rotations), atol=1e-4, rtol=0)
    assert bool((torch.linalg.det(rotations) > 0).all())


def test_a_symmetry_gives_several_hypotheses_of_equal_probability(normal):
    half = 0.15 * normal(200, 3) + torch.tensor([0.6, 0.2, 0.3])
    half[:60] += torch.tensor([0.0, 0.5, -0.2])
    turn = torch.diag(torch.tensor([-1.0, -1.0, 1.0]))
    cloud, rotation = torch.cat([half, half @ turn]), dpskit.random_rotations(1, seed=6)[0]
    rotations, log_probs = find_rotations(cloud, project(cloud, rotation), 2)
    errors = [sorted([float(degrees(r, rotation)), float(degrees(r, turn @ rotation))])[0] for r in rotations]
    assert max(errors) < 3 and float(degrees(rotations[0], rotations[1])) > 170
    assert float(log_probs[0] - log_probs[1]) < 3


def test_bad_arguments(cloud, one_sentence):
    with one_sentence(ValueError, "view", "(n, 2)"):
        find_rotations(cloud, cloud)
    with one_sentence(ValueError, "n_hypotheses", "0"):
        find_rotations(cloud, cloud[:, :2], 0)
    with one_sentence(ValueError, "width", "0"):
        find_rotations(cloud, cloud[:, :2], width=0)


# --- Projections whose orientations are unknown -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def views(cloud):
    """Three views of 300 points; the orientation of the last is unknown."""
    known = dpskit.Projections.observe(cloud, 3, 300, seed=8)
    rotations = known.rotations.clone()
    rotations[2] = torch.nan
    return known, dpskit.Projections(known.points, rotations)


def test_energies_are_those_of_the_rotations_found(views, cloud, normal):
    known, data = views
    clouds = (torch.stack([cloud, cloud]) + 0.03 * normal(2, 600, 3)).requires_grad_()
    assert data.unknown == [2] and known.unknown == []
    found = data.orientations(clouds)
    assert torch.equal(found[:, :2], known.rotations[:2].expand(2, -1, -1, -1))
    assert float(degrees(found[:, 2], known.rotations[2]).max()) < 15
    energies = data.energies(clouds)
    for b in range(2):
        fixed = dpskit.Projections(known.points, found[b])
        torch.testing.assert_close(energies[b], fixed.energies(clouds[b : b + 1])[0])
        expected = torch.autograd.grad(fixed.energy(clouds[b : b + 1]).sum(), clouds, retain_graph=True)[0][b]
        torch.testing.assert_close(torch.autograd.grad(energies[b].mean(), clouds, retain_graph=True)[0][b], expected)
    torch.testing.assert_close(energies[:, :2], known.energies(clouds)[:, :2])


def test_a_run_follows_its_rotations(views, cloud):
    run = views[1].start()
    first = run.energies(cloud[None])
    assert torch.equal(run.memory.rotations, views[1].orientations(cloud[None]))
    again = run.energies(cloud[None] + 0.0)
    assert float(again[0, 2]) < 1.3 * float(first[0, 2]) and run.memory.rotations.shape == (1, 3, 3, 3)
    with torch.no_grad():
        held = run.energies(run.memory.x0)
    assert torch.equal(held, again.detach())


def test_no_known_orientation_leaves_the_first_as_the_frame(cloud):
    known = dpskit.Projections.observe(cloud, 3, 300, seed=9)
    data = dpskit.Projections(known.points)
    assert data.unknown == [1, 2] and torch.equal(data.rotations[0], torch.eye(3))
    turned = cloud @ known.rotations[0]
    found = data.orientations(turned[None])[0]
    expected = known.rotations[0].T @ known.rotations
    assert float(degrees(found, expected).max()) < 12


def test_samples_hold_their_rotations(views, tmp_path):
    prior = dpskit.GaussianPrior(0.0, 0.4)
    settings = {"n_samples": 2, "n_points": 50, "schedule": dpskit.karras_schedule(4), "progress": False}
    samples = dpskit.sample(prior, dpskit.Joint([views[1]]), **settings)
    assert samples.rotations.shape == (2, 3, 3, 3)
    assert torch.equal(samples.rotations[:, :2], views[0].rotations[:2].expand(2, -1, -1, -1))
    seen = views[1].seen_from(samples.rotations)
    torch.testing.assert_close(samples.energy, seen.energy(samples.points))
    torch.testing.assert_close(
        samples.energy[1], dpskit.Projections(seen.points, samples.rotations[1]).energy(samples.points[1:])[0]
    )
    assert sum(samples.settings["orientations"]) == pytest.approx(1.0, abs=1e-5)
    samples.save(tmp_path / "s.npz")
    assert torch.equal(dpskit.load_samples(tmp_path / "s.npz").rotations, samples.rotations)
    assert dpskit.sample(prior, views[0], **settings).rotations is None


def test_rough_orientations_are_refined_within_their_tolerance(cloud):
    known = dpskit.Projections.observe(cloud, 3, 400, seed=8)
    off = rotations_by(torch.tensor([[0.1, 0.0, 0.0], [0.1, -0.08, 0.05], [-0.05, 0.1, 0.08]]))
    data = dpskit.Projections(known.points, known.rotations @ off, tolerance=10.0)
    run = data.start()
    for _ in range(8):
        run.energies(cloud[None] + 0.0)
    found = run.memory.rotations[0]
    assert torch.equal(found[0], data.rotations[0])
    assert float(degrees(data.rotations, known.rotations)[1:].min()) > 7
    assert float(degrees(found, known.rotations)[1:].max()) < 5
    narrow = dpskit.Projections(known.points, known.rotations @ off, tolerance=1.0).orientations(cloud[None])[0]
    assert float(degrees(narrow, data.rotations).max()) <= 2.01


def test_orientations_that_are_half_unknown(views, cloud, one_sentence):
    known, data = views
    rotations = known.rotations.clone()
    rotations[1, 0, 0] = torch.nan
    with one_sentence(ValueError, "rotations[1]", "NaN beside numbers"):
        dpskit.Projections(known.points, rotations)
    with one_sentence(ValueError, "equally many", "3 and 2"):
        dpskit.Projections(known.points, data.rotations[1:])
    with one_sentence(ValueError, "rotations", "view 3 of 3", "samples.rotations"):
        dpskit.Projections(data.points, data.rotations, 0.1).simulate(cloud, torch.Generator())


@pytest.mark.parametrize("tolerance", [0.0, 5.0])
def test_views_of_numpy_arrays_in_double_precision(cloud, tolerance):
    """As `np.loadtxt` reads them: rough and unknown orientations are those of the same numbers in single precision."""
    rotations = dpskit.random_rotations(3, seed=5)
    views = [project(cloud, r)[::20] for r in rotations]
    if not tolerance:
        rotations[1] = torch.nan
    single = dpskit.Projections(views, rotations, tolerance=tolerance)
    double = dpskit.Projections([y.double().numpy() for y in views], rotations, tolerance=tolerance)
    assert torch.allclose(double.energy(cloud[None]), single.energy(cloud[None]), rtol=1e-4)
    found = dpskit.sample(
        dpskit.GaussianPrior(0.0, 0.4), double, n_samples=1, n_points=40, schedule=[1.0, 0.5, 0.0], progress=False
    )
    assert found.rotations.shape == (1, 3, 3, 3)
