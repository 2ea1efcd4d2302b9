import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dpskit.data.examples import load_example
from dpskit.evaluation.alignment import match_radius_of_gyration, overlay, rmsd_to_atoms, rmsd_to_points
from dpskit.evaluation.superposition import superpose

seeds = st.integers(0, 10_000)


def cloud(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_overlay_undoes_a_motion_and_a_scale(displaced):
    reference = load_example("ruvab").points[:300]
    model = torch.stack([1.4 * displaced(reference, seed, noise=0.0)[0] for seed in (1, 2)])
    assert rmsd_to_points(overlay(model, reference), reference).tolist() == pytest.approx([0, 0], abs=1e-3)
    assert float(rmsd_to_points(superpose(model, reference), reference).min()) > 0.1  # the scale stays


@given(seeds, st.integers(2, 8), st.integers(2, 8), st.floats(0.01, 100))
def test_radius_of_gyration(seed, n, m, scale):
    model, reference = scale * cloud(seed, 2, n, 3) + 3, cloud(seed + 1, m, 3)
    matched = match_radius_of_gyration(model, reference)
    radius = lambda x: (x - x.mean(dim=-2, keepdim=True)).square().sum(dim=-1).mean(dim=-1).sqrt()  # noqa: E731
    torch.testing.assert_close(radius(matched), radius(reference).expand(2), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(matched.mean(dim=1), model.mean(dim=1), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(matched[0], match_radius_of_gyration(model[0], reference), rtol=1e-4, atol=1e-4)


@given(seeds, st.integers(1, 6), st.integers(1, 9))
def test_rmsd_to_atoms_against_loops(seed, n, m):
    model, atoms = cloud(seed, 2, n, 3), cloud(seed + 1, m, 3)
    expected = [
        math.sqrt(sum(min(math.dist(a, p) ** 2 for p in points) for a in atoms.tolist()) / m)
        for points in model.tolist()
    ]
    torch.testing.assert_close(rmsd_to_atoms(model, atoms), torch.tensor(expected))
    assert float(rmsd_to_atoms(model[0], atoms)) == pytest.approx(expected[0], rel=1e-5)


@given(seeds, st.integers(1, 5))
def test_rmsd_to_points_against_permutations(seed, n):
    model, points = cloud(seed, 2, n, 3), cloud(seed + 1, n, 3)
    expected = [
        math.sqrt(min(float((m - points[list(p)]).square().sum()) for p in itertools.permutations(range(n))) / n)
        for m in model
    ]
    torch.testing.assert_close(rmsd_to_points(model, points), torch.tensor(expected))
    assert rmsd_to_points(model[0], points).shape == ()


def test_rmsd_closed_forms(normal):
    points = normal(50, 3)
    shuffled = points[torch.randperm(50)]
    assert float(rmsd_to_points(shuffled, points)) == float(rmsd_to_atoms(shuffled, points)) == 0.0
    far = points + torch.tensor([3.0, 4.0, 0.0])
    assert float(rmsd_to_points(far, points)) == pytest.approx(5.0, rel=1e-5)


def test_bad_input(one_sentence, normal):
    points = normal(6, 3)
    for function in (superpose, match_radius_of_gyration, rmsd_to_atoms, rmsd_to_points):
        for bad in (normal(6, 2), torch.zeros(0, 3), points * math.nan, normal(1, 2, 6, 3)):
            with one_sentence(ValueError, "model"):
                function(bad, points)
            with pytest.raises(ValueError):
                function(points, bad)
        with one_sentence(TypeError, "model", "str"):
            function("points", points)
    for function in (superpose, match_radius_of_gyration):
        with one_sentence(ValueError, "reference", "distinct"):
            function(points, points[:1].repeat(4, 1))
    with one_sentence(ValueError, "model", "distinct"):
        match_radius_of_gyration(points[:1].repeat(4, 1), points)
    with one_sentence(ValueError, "points", 6, 5):
        rmsd_to_points(points, points[:5])
    assert rmsd_to_atoms(np.asarray(points), np.asarray(points)).item() == 0
