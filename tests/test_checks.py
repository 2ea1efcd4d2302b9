import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dpskit.checks import (
    check_array,
    check_choice,
    check_integer,
    check_kind,
    check_method,
    check_number,
    check_points,
    check_rotations,
    check_seed,
)
from dpskit.rotations import random_rotations


@given(st.integers(-5, 5), st.integers(-5, 5))
def test_integer_is_returned_exactly_from_its_least_value_on(one_sentence, value, least):
    if value >= least:
        assert check_integer("count", value, least) == value
        assert type(check_integer("count", np.int64(value), least)) is int
    else:
        with one_sentence(ValueError, "count", value, least):
            check_integer("count", value, least)


@pytest.mark.parametrize(
    "value", [0, -1, 2.0, 1.5, "3", None, True, math.nan, torch.tensor(1.5), torch.ones(2), np.array([1, 2])]
)
def test_integer_rejects(one_sentence, value):
    with one_sentence(ValueError, "n_steps", "integer", repr(value)):
        check_integer("n_steps", value)


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_number_above_zero(one_sentence, value):
    if math.isfinite(value) and value > 0:
        assert check_number("sigma", value, above=0.0) == value
    else:
        with one_sentence(ValueError, "sigma", "above 0", repr(value)):
            check_number("sigma", value, above=0.0)


@pytest.mark.parametrize("value", ["1", None, True, 1j, torch.zeros(2), [1.0]])
def test_number_rejects(one_sentence, value):
    with one_sentence(ValueError, "alpha", "finite number"):
        check_number("alpha", value)


def test_number_at_its_least_value():
    assert check_number("alpha", 0, least=0.0) == 0.0


@given(st.integers(1, 4), st.integers(1, 4), st.sampled_from([np.float16, np.float32, np.float64, np.int64]))
def test_points_keep_values_and_float64(n, dim, dtype):
    value = np.arange(n * dim).reshape(n, dim).astype(dtype)
    points = check_points("points", value, dim=dim)
    assert points.dtype == (torch.float64 if dtype is np.float64 else torch.float32)
    assert points.tolist() == value.tolist()
    assert check_points("points", value.tolist(), dim=None).tolist() == value.tolist()


def test_points_of_numpy_are_copied_whatever_their_strides():
    value = np.arange(6.0).reshape(2, 3)
    points = check_points("points", value[::-1])
    value[:] = 0
    assert points.tolist() == [[3, 4, 5], [0, 1, 2]]


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        (torch.zeros(3), ValueError, ["(n, 3)", "(3,)"]),
        (torch.zeros(4, 2), ValueError, ["(n, 3)", "(4, 2)"]),
        (torch.zeros(2, 4, 3), ValueError, ["(n, 3)", "(2, 4, 3)"]),
        (torch.zeros(0, 3), ValueError, ["at least one point", "(0, 3)"]),
        (torch.tensor([[0.0, 1.0, math.nan], [0.0, 0.0, 0.0]]), ValueError, ["finite", "1 of 2"]),
        (torch.tensor([[0.0, 1.0, math.inf]]), ValueError, ["finite", "1 of 1"]),
        ("cloud", TypeError, ["(n, 3)", "str"]),
        (None, TypeError, ["(n, 3)", "NoneType"]),
        ([["a", "b", "c"]], TypeError, ["(n, 3)", "list"]),
        ([[1.0, 2.0, 3.0], [1.0]], TypeError, ["(n, 3)", "list"]),
        (torch.zeros(2, 3, dtype=torch.complex64), TypeError, ["real"]),
    ],
)
def test_points_reject(one_sentence, value, error, words):
    with one_sentence(error, "target", *words):
        check_points("target", value)


@pytest.mark.parametrize("shape", [(4, 3), (0, 4, 3), (2, 0, 3), (2, 4, 2)])
def test_batched_points_reject(one_sentence, shape):
    with one_sentence(ValueError, "x0", shape):
        check_points("x0", torch.zeros(shape), batched=True)


def test_array_names_the_expected_shape(one_sentence):
    with one_sentence(TypeError, "weights", "(3,)", "str"):
        check_array("weights", "abc", "(3,)")


@given(st.integers(0, 1000), st.integers(1, 4), st.booleans())
def test_rotations_accept_o3_and_reject_what_is_not_orthogonal(one_sentence, seed, count, proper):
    rotations = random_rotations(count, seed, reflections=not proper)
    assert torch.equal(check_rotations("rotations", rotations.numpy()), rotations)
    bad = rotations.clone()
    bad[seed % count] *= 1.01  # |R R^T - I| = 0.0201
    with one_sentence(ValueError, f"rotations[{seed % count}]", "orthogonal", "0.0201"):
        check_rotations("rotations", bad)


@pytest.mark.parametrize(
    ("value", "error", "word"),
    [
        (torch.eye(3), ValueError, "(3, 3)"),
        (torch.eye(2)[None], ValueError, "(1, 2, 2)"),
        (torch.zeros(0, 3, 3), ValueError, "(0, 3, 3)"),
        (torch.full((1, 3, 3), math.nan), ValueError, "finite"),
        (torch.zeros(1, 3, 3), ValueError, "orthogonal"),
        ("identity", TypeError, "str"),
        (None, TypeError, "NoneType"),
    ],
)
def test_rotations_reject(one_sentence, value, error, word):
    with one_sentence(error, "rotations", word):
        check_rotations("rotations", value)


def test_choice(one_sentence):
    assert check_choice("preset", "base", ["small", "base"]) == "base"
    with one_sentence(ValueError, "preset", "small, base", "'huge'"):
        check_choice("preset", "huge", ["small", "base"])


def test_method(one_sentence):
    class Denoiser:
        def denoise(self, x, t):
            return x

    class Two:
        def denoise(self, x, t, *, steps=1, label=None):
            return x

        def energy(self, x0, warm):
            return x0

        def call(self, *anything):
            return anything

        step = max

    check_method("prior", Denoiser(), "denoise(x, t)")
    check_method("prior", Two(), "denoise(x, t)")
    check_method("guidance", len, "__call__(prior, likelihood)")
    check_method("any", Two(), "call(a, b, c)")
    check_method("solver", Two(), "step(score, state, t, t_next)")  # max does not tell what it takes
    with one_sentence(TypeError, "likelihood", "energy(x0)", "got energy(x0, warm)"):
        check_method("likelihood", Two(), "energy(x0)")
    with one_sentence(TypeError, "prior", "denoise(x)", "got denoise(x, t)"):
        check_method("prior", Denoiser(), "denoise(x)")
    with one_sentence(TypeError, "prior", "denoise(x, t)", "str"):
        check_method("prior", "chairs", "denoise(x, t)")
    with one_sentence(TypeError, "prior", "denoise(x, t)", "the class Denoiser"):
        check_method("prior", Denoiser, "denoise(x, t)")


def test_kind(one_sentence):
    assert check_kind("frame", 3, int) == 3
    with one_sentence(TypeError, "map", "of type bytes, as it was read", "got str"):
        check_kind("map", "a.mrc", bytes, ", as it was read")


@pytest.mark.parametrize("power", [12, 30, 400, 6000])
def test_counts_and_seeds_have_a_largest_value(one_sentence, power):
    value = 10**power
    with one_sentence(ValueError, "n must be an integer from 1 to 100000000"):
        check_integer("n", value)
    with one_sentence(ValueError, "seed must be an integer from 0 to 4294967295"):
        check_seed("seed", value)
    assert check_seed("seed", 2**32 - 1) == 2**32 - 1


def test_numbers_too_large_for_a_float(one_sentence):
    with one_sentence(ValueError, "x must be a finite number"):
        check_number("x", 10**400)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("sparse", torch.eye(3).to_sparse()),
        ("sparse", torch.eye(3).to_sparse_csr()),
        ("meta", torch.zeros(3, 3, device="meta")),
        ("quantised", torch.quantize_per_tensor(torch.ones(3, 3), 0.1, 0, torch.qint8)),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_tensors_without_numbers_are_refused(one_sentence, kind, value):
    with one_sentence(TypeError, "x must be a dense array", kind):
        check_points("x", value)


def test_arrays_of_the_other_byte_order():
    rows = np.arange(6, dtype=">f8").reshape(2, 3)
    assert check_points("x", rows).tolist() == [[0, 1, 2], [3, 4, 5]]


def test_a_long_value_is_cut_in_the_message():
    with pytest.raises(ValueError, match=r"got \[0, 1, 2.* \.\.\.\.") as caught:
        check_integer("n", list(range(1000)))
    assert len(str(caught.value)) < 150
