import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dpskit.cloud import (
    Frame,
    angles_between,
    as_generator,
    distinct_rotations,
    even_rotations,
    normalise,
    principal_axes,
    random_rotations,
    resample,
    rotations_by,
)

clouds = hnp.arrays(
    "float64", st.tuples(st.integers(2, 8), st.just(3)), elements=st.floats(-1e3, 1e3, allow_subnormal=False)
).filter(lambda points: (points.max(axis=0) - points.min(axis=0)).max() > 1e-3)


def test_frame_by_hand():
    points = torch.tensor([[0.0, 0.0, 10.0], [4.0, 2.0, 10.0], [1.0, -6.0, 13.0]])
    frame = Frame.of(points)
    assert frame.center == (2.0, -2.0, 11.5)
    assert frame.scale == 4.0
    assert frame.unit == "angstrom"
    assert torch.equal(frame.to_cube(points)[2], torch.tensor([-0.25, -1.0, 0.375]))
    assert frame.to_physical(torch.tensor([1.0, 1.0, -1.0])).tolist() == [6.0, 2.0, 7.5]


@given(clouds)
def test_normalise_fills_the_cube_and_comes_back(points):
    cube, frame = normalise(torch.from_numpy(points), unit="nm")
    low, high = cube.amin(dim=0), cube.amax(dim=0)
    assert frame.unit == "nm"
    assert torch.allclose(low, -high, atol=1e-9)  # centred on the bounding box
    assert float(high.max()) == pytest.approx(1, abs=1e-9)
    assert torch.allclose(frame.to_physical(cube), torch.from_numpy(points), atol=1e-9 * frame.scale + 1e-9)


@given(clouds, st.floats(0.01, 100), st.tuples(*[st.floats(-100, 100)] * 3))
def test_normalise_forgets_scale_and_position(points, scale, shift):
    points = torch.from_numpy(points)
    moved = points * scale + torch.tensor(shift, dtype=torch.float64)
    assert torch.allclose(normalise(moved)[0], normalise(points)[0], atol=1e-6)


@given(st.integers(1, 6), st.integers(1, 25), st.integers(0, 100))
def test_resample_takes_all_points_before_any_again(m, n, seed):
    points = torch.arange(m).float()[:, None].expand(m, 2)
    counts = torch.bincount(resample(points, n, seed)[:, 0].long(), minlength=m)
    assert int(counts.sum()) == n
    assert int(counts.max() - counts.min()) <= 1
    assert torch.equal(resample(points, n, seed), resample(points, n, seed))


def test_resample_draws_uniformly():
    generator = as_generator(0)
    points = torch.arange(10).float()[:, None]
    drawn = torch.cat([resample(points, 3, generator) for _ in range(2000)])
    counts = torch.bincount(drawn[:, 0].long(), minlength=10).double()
    z = (counts - 600) / math.sqrt(2000 * 0.3 * 0.7)
    assert z.abs().max() < 4


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


def test_a_generator_is_advanced_and_a_seed_is_not():
    generator = torch.Generator().manual_seed(7)
    first, second = random_rotations(1, generator), random_rotations(1, generator)
    assert not torch.equal(first, second)
    assert torch.equal(first, random_rotations(1, 7))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Frame((0, 0, 0), 0.0), ["scale", "0"]),
        (lambda: Frame((0, 0, 0), math.nan), ["scale", "nan"]),
        (lambda: Frame((0, 0), 1.0), ["center", "(0, 0)"]),
        (lambda: Frame((0, 0, math.inf), 1.0), ["center", "inf"]),
        (lambda: Frame.of(torch.ones(5, 3)), ["points", "5 equal points"]),
        (lambda: normalise(torch.zeros(0, 3)), ["points", "(0, 3)"]),
        (lambda: normalise(torch.full((2, 3), math.nan)), ["points", "2 of 2"]),
        (lambda: resample(torch.zeros(4, 3), 0), ["n_points", "0"]),
        (lambda: resample(torch.zeros(4, 3), 3, seed=-1), ["seed", "-1"]),
        (lambda: resample(torch.zeros(4), 3), ["points", "(4,)"]),
        (lambda: random_rotations(0), ["count", "0"]),
        (lambda: random_rotations(1, 0.5), ["seed", "0.5"]),
    ],
)
def test_bad_input(one_sentence, call, words):
    with one_sentence(ValueError, *words):
        call()


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
