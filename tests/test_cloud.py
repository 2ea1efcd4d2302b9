import json
import math
from dataclasses import asdict

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dpskit.cloud import Frame, as_generator, normalise, resample
from dpskit.rotations import (
    random_rotations,
)

clouds = hnp.arrays(
    "float64", st.tuples(st.integers(2, 8), st.just(3)), elements=st.floats(-1e3, 1e3, allow_subnormal=False)
).filter(lambda points: (points.max(axis=0) - points.min(axis=0)).max() > 1e-3)


def test_frame_by_hand():
    points = torch.tensor([[0.0, 0.0, 10.0], [4.0, 2.0, 10.0], [1.0, -6.0, 13.0]])
    frame = Frame.of(points)
    assert frame.center == (2.0, -2.0, 11.5)
    assert frame.scale == 4.0
    assert (frame.unit, frame.symbol) == ("angstrom", "Å")
    assert torch.equal(frame.to_cube(points)[2], torch.tensor([-0.25, -1.0, 0.375]))
    assert frame.to_physical(torch.tensor([1.0, 1.0, -1.0])).tolist() == [6.0, 2.0, 7.5]


@pytest.mark.parametrize("array", [torch.tensor, np.float64, np.float32, list])
def test_a_frame_is_plain_numbers_whatever_it_was_made_of(array):
    """As JSON holds them, to which runs are saved."""
    frame = Frame(array([10.0, -0.5, 0.25]), np.float32(50.0))
    assert frame == Frame((10.0, -0.5, 0.25), 50.0)
    assert json.loads(json.dumps(asdict(frame))) == {"center": [10.0, -0.5, 0.25], "scale": 50.0, "unit": "angstrom"}
    assert Frame((0.1, 0.0, 0.0), 0.3).center == (0.1, 0.0, 0.0)  # in double precision


@given(clouds)
def test_normalise_fills_the_cube_and_comes_back(points):
    cube, frame = normalise(torch.from_numpy(points), unit="nm")
    low, high = cube.amin(dim=0), cube.amax(dim=0)
    assert frame.unit == frame.symbol == "nm"
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
    ],
)
def test_bad_input(one_sentence, call, words):
    with one_sentence(ValueError, *words):
        call()
