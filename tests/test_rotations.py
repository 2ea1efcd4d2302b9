import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dpskit.cloud import as_generator
from dpskit.rotations import (
    angles_between,
    distinct_rotations,
    even_rotations,
    fitted_rotation,
    principal_axes,
    random_rotations,
    rotations_by,
)


@pytest.mark.parametrize("proper", [True, False])
def test_rotations_are_orthogonal_with_the_right_determinants(proper):
    rotations = random_rotations(400, seed=3, reflections=not proper)
    assert torch.allclose(rotations @ rotations.mT, torch.eye(3).expand(400, 3, 3), atol=1e-5)
    reflections = int((torch.linalg.det(rotations) < 0).sum())
    assert reflections == 0 if proper else abs(reflections - 200) < 4 * math.sqrt(400 / 4)


@pytest.mark.parametrize("proper", [True, False])
def test_rotations_follow_the_haar_measure(proper):
    count = 4000
    rotations = random_rotations(count, seed=1, reflections=not proper).double()
    # Under the Haar measure E[R_ij R_kl] = delta_ik delta_jl / 3, and E[R_ij^4] = 1/5.
    second = torch.einsum("kab,kcd->abcd", rotations, rotations) / count
    expected = torch.einsum("ac,bd->abcd", torch.eye(3), torch.eye(3)) / 3
    assert (second - expected).abs().max() < 4.5 * math.sqrt(1 / 9 / count)
    assert (rotations.mean(dim=0)).abs().max() < 4.5 * math.sqrt(1 / 3 / count)
    assert (rotations.pow(4).mean(dim=0) - 1 / 5).abs().max() < 4.5 * math.sqrt((1 / 9 - 1 / 25) / count)
    # The trace is the character of an irreducible representation: E[trace^2] = 1, and here E[trace^4] = 3.
    trace = torch.diagonal(rotations, dim1=1, dim2=2).sum(dim=1)
    assert abs(float(trace.square().mean()) - 1) < 4.5 * math.sqrt(2 / count)


@given(st.integers(0, 2**40), st.integers(1, 40), st.booleans())
def test_a_rotation_of_a_seed_is_the_same_however_many_are_drawn(seed, count, proper):
    many = random_rotations(count + 7, seed, reflections=not proper)
    assert torch.allclose(many[:count], random_rotations(count, seed, reflections=not proper), rtol=0, atol=1e-7)


def tailed_clouds(count, n, seed=0):
    """Clouds with three different variances and long tails."""
    generator = torch.Generator().manual_seed(seed)
    tails = torch.rand(count, n, 3, generator=generator).square() - 1 / 3
    return tails * torch.tensor([0.4, 0.7, 1.0]) + torch.tensor([0.05, -0.02, 0.1])


def test_principal_axes_are_those_of_rising_variance_along_which_the_tail_is_long():
    x = tailed_clouds(5, 400)
    y = (x @ principal_axes(x)) - (x @ principal_axes(x)).mean(dim=1, keepdim=True)
    covariance = y.mT @ y / 400
    off = covariance - torch.diag_embed(covariance.diagonal(dim1=1, dim2=2))
    assert float(off.abs().max()) < 1e-5
    assert bool((covariance.diagonal(dim1=1, dim2=2).diff(dim=1) > 0).all())
    skewness = y.pow(3).mean(dim=1) / y.square().mean(dim=1).pow(1.5)
    least = skewness.abs().argmin(dim=1, keepdim=True)
    assert bool((skewness.scatter(1, least, 1.0) > 0).all())


def test_principal_axes_are_right_handed_and_turn_with_the_cloud():
    x, turns = tailed_clouds(6, 300), random_rotations(6, 1)
    axes, turned = principal_axes(x), principal_axes(x @ turns)
    torch.testing.assert_close(torch.linalg.det(axes), torch.ones(6))
    torch.testing.assert_close(axes.mT @ axes, torch.eye(3).expand(6, 3, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(turned, turns.mT @ axes, atol=2e-4, rtol=0)


def test_a_mirrored_cloud_is_seen_mirrored():
    x = tailed_clouds(3, 300)
    mirror = torch.diag(torch.tensor([1.0, -1.0, 1.0]))
    seen, other = x @ principal_axes(x), (x @ mirror) @ principal_axes(x @ mirror)
    for a, b in zip(seen, other, strict=True):
        flipped = ((a + b).abs().amax(dim=0) < 1e-3).sum(), ((a - b).abs().amax(dim=0) < 1e-3).sum()
        assert flipped == (1, 2)  # one axis, the least skewed one, points the other way


@pytest.mark.parametrize("cloud", [torch.zeros(1, 1, 3), torch.zeros(2, 5, 3), torch.full((1, 4, 3), torch.inf)])
def test_a_cloud_without_axes_is_given_some(cloud):
    axes = principal_axes(cloud)
    torch.testing.assert_close(axes.mT @ axes, torch.eye(3).expand(len(cloud), 3, 3))


def test_rotations_are_even_over_so3():
    rotations = even_rotations(500)
    torch.testing.assert_close(rotations @ rotations.mT, torch.eye(3, dtype=torch.float64).expand(500, 3, 3))
    assert bool((torch.linalg.det(rotations) > 0).all())
    targets = random_rotations(300).double()
    trace = torch.einsum("kij,lij->kl", targets, rotations).amax(dim=1)
    worst = math.degrees(math.acos((float(trace.min()) - 1) / 2))
    assert worst < 40  # 500 balls of 20 degrees have the volume of SO(3)


def test_distinct_takes_the_best_that_lie_apart():
    angles = torch.tensor([0.0, 5.0, 30.0, 33.0, 90.0]).deg2rad()
    zero, one = torch.zeros(5), torch.ones(5)
    rows = [angles.cos(), -angles.sin(), zero, angles.sin(), angles.cos(), zero, zero, zero, one]
    rotations = torch.stack(rows, dim=-1).reshape(5, 3, 3)
    score = torch.tensor([1.0, 2.0, 5.0, 4.0, 3.0])
    assert distinct_rotations(rotations, score, 5, 10.0).tolist() == [2, 4, 1]
    assert distinct_rotations(rotations, score, 2, 10.0).tolist() == [2, 4]


def test_a_rotation_vector_turns_rows_about_itself():
    turns = rotations_by(torch.tensor([[0.0, 0.0, 0.1], [math.pi / 2, 0.0, 0.0]]))
    x, y, z = torch.eye(3)
    torch.testing.assert_close(x @ turns[0], math.cos(0.1) * x + math.sin(0.1) * y)
    torch.testing.assert_close(y @ turns[1], z)  # y goes to z about x
    torch.testing.assert_close(x @ turns[1], x)


@given(st.integers(0, 1000))
def test_a_rotation_by_a_vector_differs_by_its_length(seed):
    vectors = torch.randn(4, 3, generator=as_generator(seed))
    vectors = vectors * (3.0 / vectors.norm(dim=1, keepdim=True)).clamp_max(1.0)
    rotations = random_rotations(4, seed)
    degrees = torch.rad2deg(vectors.norm(dim=1))
    torch.testing.assert_close(angles_between(rotations, rotations @ rotations_by(vectors)), degrees, atol=0.1, rtol=0)
    assert float(angles_between(rotations, rotations).max()) < 0.1
    assert torch.equal(angles_between(rotations.numpy(), rotations[:1]), angles_between(rotations, rotations[:1]))


def test_bad_input(one_sentence):
    with one_sentence(ValueError, "n_rotations", "0"):
        random_rotations(0)
    with one_sentence(ValueError, "seed", "0.5"):
        random_rotations(1, 0.5)


def test_the_fitted_rotation_is_the_one_between_the_points_and_proper():
    points, turn = torch.randn(20, 3, generator=torch.Generator().manual_seed(0)), random_rotations(1, seed=4)[0]
    assert torch.allclose(fitted_rotation(points, points @ turn), turn, atol=1e-5)
    mirrored = points * torch.tensor([-1.0, 1.0, 1.0])
    assert float(torch.linalg.det(fitted_rotation(points, mirrored))) == pytest.approx(1.0, abs=1e-5)
