import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dpskit import chamfer_distance, earth_movers_distance, random_rotations

seeds = st.integers(0, 10_000)
sizes = st.integers(1, 6)


def clouds(seed, *shape, ties=False):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return x.round() if ties else x


def chamfer_by_loops(a, b):
    distances = [[math.dist(p.tolist(), q.tolist()) for q in b] for p in a]
    forth = sum(min(row) for row in distances) / len(a)
    back = sum(min(row[j] for row in distances) for j in range(len(b))) / len(b)
    return forth + back


def emd_by_permutations(a, b):
    """The mean distance under the matching of least sum of squares."""
    matchings = [
        (sum(math.dist(p.tolist(), b[j].tolist()) ** 2 for p, j in zip(a, order, strict=True)), order)
        for order in itertools.permutations(range(len(b)))
    ]
    _, order = min(matchings)
    return sum(math.dist(p.tolist(), b[j].tolist()) for p, j in zip(a, order, strict=True)) / len(a)


@given(seeds, sizes, sizes, st.integers(1, 3), st.booleans())
def test_chamfer_against_loops(seed, n, m, count, ties):
    a, b = clouds(seed, count, n, 3, ties=ties), clouds(seed + 1, count, m, 3, ties=ties)
    found = chamfer_distance(a, b)
    assert found.shape == (count,)
    for k in range(count):
        assert float(found[k]) == pytest.approx(chamfer_by_loops(a[k], b[k]), abs=1e-9)


@given(seeds, st.integers(1, 5), st.integers(1, 2))
def test_earth_movers_against_permutations(seed, n, count):
    a, b = clouds(seed, count, n, 3), clouds(seed + 1, count, n, 3)
    found = earth_movers_distance(a, b)
    assert found.shape == (count,)
    for k in range(count):
        assert float(found[k]) == pytest.approx(emd_by_permutations(a[k], b[k]), abs=1e-9)


def test_conventions_by_hand():
    a = torch.tensor([[0.0, 0.0, 0.0], [10.0, 0.0, 0.0]])
    b = torch.tensor([[3.0, 4.0, 0.0], [10.0, 2.0, 0.0]])
    # Not squared, the mean of 5 and 2, and for CD both directions added.
    assert float(chamfer_distance(a, b)) == pytest.approx((5 + 2) / 2 + (5 + 2) / 2)
    assert float(earth_movers_distance(a, b)) == pytest.approx((5 + 2) / 2)
    assert float(chamfer_distance(a, b[:1])) == pytest.approx((5 + math.hypot(7, 4)) / 2 + 5)


def test_the_matching_of_the_emd_minimises_squares():
    # One by one: sqrt(1.01) twice, 2.02 squared. Crosswise: 2 and 0, which is shorter, but 4 squared.
    a, b = torch.tensor([[0.0, 0, 0], [1.0, 0.1, 0]]), torch.tensor([[1.0, 0.1, 0], [2.0, 0, 0]])
    assert float(earth_movers_distance(a, b)) == pytest.approx(math.sqrt(1.01))


@given(seeds, st.sampled_from([chamfer_distance, earth_movers_distance]))
def test_a_distance_is_symmetric_zero_on_itself_and_blind_to_order(seed, distance):
    a, b = clouds(seed, 2, 7, 3), clouds(seed + 1, 2, 7, 3)
    order = torch.randperm(7, generator=torch.Generator().manual_seed(seed))
    between = distance(a, b)
    assert bool((between > 0).all())
    assert torch.allclose(distance(b, a), between)
    assert torch.allclose(distance(a[:, order], b), between)
    assert torch.equal(distance(a, a[:, order]), torch.zeros(2, dtype=torch.float64))


@given(seeds, st.floats(0.1, 10), st.sampled_from([chamfer_distance, earth_movers_distance]))
def test_a_distance_scales_and_does_not_see_rigid_motions(seed, scale, distance):
    a, b = clouds(seed, 1, 6, 3), clouds(seed + 1, 1, 6, 3)
    q = random_rotations(1, seed, reflections=True)[0].double()
    moved = [scale * (x @ q) + 3.0 for x in (a, b)]
    assert torch.allclose(distance(*moved), scale * distance(a, b), rtol=1e-5)


@given(seeds)
def test_emd_is_at_least_half_the_chamfer_distance(seed):
    a, b = clouds(seed, 1, 9, 3), clouds(seed + 1, 1, 9, 3)
    assert float(earth_movers_distance(a, b)) >= float(chamfer_distance(a, b)) / 2 - 1e-12


def test_close_points_keep_their_digits(normal):
    """|a|^2 + |b|^2 - 2 a.b in single precision would lose them."""
    a = 100 + normal(1, 40, 3)
    found = chamfer_distance(a, a + torch.tensor([2**-10, 0.0, 0.0]))
    assert float(found) == pytest.approx(2 * 2**-10, rel=1e-3)
    assert float(chamfer_distance(a, a)) == 0


@pytest.mark.parametrize("distance", [chamfer_distance, earth_movers_distance])
def test_one_cloud_for_all_of_the_others(normal, distance):
    a, b = normal(3, 5, 3), normal(5, 3, seed=1)
    expected = torch.stack([distance(x, b)[0] for x in a])
    assert torch.allclose(distance(a, b), expected)
    assert torch.allclose(distance(b, a), expected)
    assert distance(a[0], b).shape == (1,)


@pytest.mark.parametrize("distance", [chamfer_distance, earth_movers_distance])
def test_single_and_double_precision_and_numpy_mix(normal, distance):
    a, b = normal(2, 5, 3), normal(2, 5, 3, seed=1)
    expected = distance(a, b)
    assert torch.allclose(distance(a, b.double()).float(), expected)
    assert torch.allclose(distance(a.numpy().astype(np.float64), b).float(), expected)


@pytest.mark.parametrize("distance", [chamfer_distance, earth_movers_distance])
@pytest.mark.parametrize(
    ("a", "b", "error", "words"),
    [
        (torch.zeros(2, 4, 3), torch.zeros(3, 4, 3), ValueError, ["a and b", "2 and 3"]),
        (torch.zeros(4, 2), torch.zeros(4, 3), ValueError, ["a ", "(1, 4, 2)"]),
        (torch.zeros(4, 3), torch.zeros(3), ValueError, ["b ", "(3,)"]),
        (torch.zeros(4, 3), torch.zeros(0, 3), ValueError, ["b ", "(1, 0, 3)"]),
        (torch.zeros(4, 3) / 0, torch.zeros(4, 3), ValueError, ["a ", "4 of 4"]),
        (torch.zeros(4, 3), None, TypeError, ["b ", "NoneType"]),
    ],
)
def test_bad_input(one_sentence, distance, a, b, error, words):
    with one_sentence(error, *words):
        distance(a, b)


def test_emd_needs_equal_sizes(one_sentence):
    with one_sentence(ValueError, "a and b", "4 and 5"):
        earth_movers_distance(torch.zeros(4, 3), torch.zeros(5, 3))
