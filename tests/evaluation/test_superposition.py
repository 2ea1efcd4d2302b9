import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dpskit.data.examples import load_example
from dpskit.evaluation import superposition
from dpskit.evaluation.alignment import rmsd_to_points
from dpskit.evaluation.superposition import superpose
from dpskit.rotations import random_rotations

seeds = st.integers(0, 10_000)


def cloud(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def known_motion(moved, original):
    """The rotation that takes the rows of `original` to those of `moved`, which differ by a rigid motion."""
    u, _, vh = torch.linalg.svd((moved - moved.mean(dim=0)).double().T @ (original - original.mean(dim=0)).double())
    return u @ vh


def angle(one, other):
    """Degrees between two rotations."""
    return math.degrees(2 * math.asin(min(1.0, float((one.double() - other.double()).norm()) / math.sqrt(8))))


@pytest.mark.parametrize("name", ["ruvab", "chair"])
@pytest.mark.parametrize("seed", [0, 1])
def test_superpose_finds_a_random_motion(displaced, name, seed):
    reference = load_example(name).points[:1024]
    model, rotation = displaced(reference, seed)
    moved = superpose(model, reference)
    assert angle(known_motion(moved, model), rotation.T) < 0.5
    # an error of 0.5 degrees moves a point by at most 0.009 times its distance from the centre
    assert float(moved.mean(dim=0).dist(reference.mean(dim=0))) < 0.01


def test_superpose_keeps_the_shape_and_is_proper(displaced):
    reference = load_example("ruvab").points[:300]
    model, _ = displaced(reference, 5)
    moved = superpose(model, reference)
    torch.testing.assert_close(torch.pdist(moved), torch.pdist(model), atol=1e-4, rtol=0)
    assert float(torch.linalg.det(known_motion(moved, model))) == pytest.approx(1.0, abs=1e-6)

    mirrored = reference * torch.tensor([-1.0, 1.0, 1.0])
    moved = superpose(mirrored, reference)
    assert float(torch.linalg.det(known_motion(moved, mirrored))) == pytest.approx(1.0, abs=1e-6)
    assert float(rmsd_to_points(moved, reference)) > 0.05


def test_superpose_does_not_scale_and_takes_other_numbers_of_points(displaced):
    reference = load_example("ruvab").points
    _, rotation = displaced(reference, 3)
    model = 1.1 * load_example("ruvab").points[::3] @ rotation.T
    moved = superpose(model, reference)
    spread = [(x - x.mean(dim=0)).square().sum(dim=1).mean() for x in (moved, model)]
    torch.testing.assert_close(*spread, atol=1e-5, rtol=1e-5)
    assert angle(known_motion(moved, model), rotation.T) < 2.0


def test_superpose_works_in_any_unit_and_batch(displaced):
    example = load_example("ruvab")
    reference = example.points[:400]
    models = torch.stack([displaced(reference, seed)[0] for seed in (7, 8)])
    moved = superpose(models, reference)
    assert moved.shape == models.shape
    torch.testing.assert_close(moved[1], superpose(models[1], reference))
    physical = superpose(example.frame.to_physical(models[1]), example.frame.to_physical(reference))
    torch.testing.assert_close(example.frame.to_cube(physical), moved[1], atol=2e-3, rtol=0)


def test_superpose_subsets_large_clouds(displaced, monkeypatch):
    reference = load_example("chair").points
    monkeypatch.setattr(superposition, "MAX_POINTS", 500)
    model, rotation = displaced(reference, 4)
    moved = superpose(model, reference)
    assert moved.shape == model.shape
    assert angle(known_motion(moved, model), rotation.T) < 2.0


@given(seeds, st.integers(1, 6), st.integers(2, 6), st.sampled_from([1e-3, 1.0, 1e3]))
def test_superpose_of_any_few_points_is_finite_and_rigid(seed, n, m, scale):
    model, reference = scale * cloud(seed, n, 3), scale * cloud(seed + 1, m, 3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(superposition, "N_ROTATIONS", 60)
        moved = superpose(model, reference)
    torch.testing.assert_close(torch.pdist(moved), torch.pdist(model), atol=1e-3 * scale, rtol=1e-3)


def test_each_step_raises_the_correlation_written_out(normal):
    x, y = normal(20, 3), normal(30, 3, seed=1)

    def correlation(rotation, shift):
        square = (x @ rotation.T + shift).unsqueeze(1).sub(y).square().sum(dim=-1)
        return sum(float(torch.exp(-square / (2 * width**2)).sum()) for width in (0.2, 0.1, 0.05))

    rotations, shifts = random_rotations(3), torch.zeros(3, 3)
    before = None
    for _ in range(10):
        expected = [correlation(r, t) for r, t in zip(rotations, shifts, strict=True)]
        _, _, score = superposition._climb(x, y, rotations, shifts, 0)
        torch.testing.assert_close(score, torch.tensor(expected), rtol=1e-4, atol=1e-4)
        assert before is None or bool((score >= before - 1e-4).all())
        before = score
        rotations, shifts, _ = superposition._climb(x, y, rotations, shifts, 1)


def test_wide_correlation_on_the_grid_against_the_sum(normal):
    moved, y = normal(4, 50, 3), normal(30, 3, seed=1)
    width = superposition.WIDTH
    expected = torch.exp(-torch.cdist(moved, y).square() / (2 * width**2)).sum(dim=(1, 2))
    torch.testing.assert_close(superposition._wide_correlation(moved, y), expected, rtol=0.1, atol=0.1)
