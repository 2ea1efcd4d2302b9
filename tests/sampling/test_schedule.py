import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dpskit import karras_schedule
from dpskit.sampling.schedule import check_schedule


@given(st.integers(2, 200), st.floats(0.1, 100), st.floats(1e-4, 0.09), st.floats(1.0, 9.0))
def test_formula_ends_and_monotony(n, t_max, t_min, rho):
    times = karras_schedule(n, t_max, t_min, rho)
    assert times.shape == (n + 1,) and times.dtype == torch.float64
    for i in range(n):
        root = t_max ** (1 / rho) + i / (n - 1) * (t_min ** (1 / rho) - t_max ** (1 / rho))
        assert float(times[i]) == pytest.approx(root**rho, rel=1e-9)
    assert float(times[0]) == pytest.approx(t_max, rel=1e-12)
    assert float(times[n - 1]) == pytest.approx(t_min, rel=1e-9)
    assert float(times[n]) == 0
    assert bool((times.diff() < 0).all())
    assert torch.equal(check_schedule(times), times)


def test_by_hand():
    assert torch.allclose(karras_schedule(3, 27.0, 1.0, 3.0), torch.tensor([27.0, 8, 1, 0], dtype=torch.float64))
    assert torch.allclose(karras_schedule(3, 5.0, 1.0, 1.0), torch.tensor([5.0, 3, 1, 0], dtype=torch.float64))


def test_defaults_are_the_papers():
    assert torch.equal(karras_schedule(40), karras_schedule(40, t_max=1.0, t_min=0.002, rho=3.0))


def test_one_step_goes_from_the_start_to_zero():
    assert karras_schedule(1, t_max=2.0).tolist() == [2.0, 0.0]


def test_a_larger_rho_spends_more_steps_at_small_times():
    small = [int((karras_schedule(40, rho=rho) < 0.1).sum()) for rho in (1, 3, 7)]
    assert small == sorted(set(small))


@pytest.mark.parametrize("schedule", [[1.0, 0.0], [3, 2, 0], torch.tensor([0.5, 0.1, 0.0])])
def test_any_falling_sequence_is_a_schedule(schedule):
    checked = check_schedule(schedule)
    assert checked.dtype == torch.float64
    assert torch.allclose(checked, torch.as_tensor(schedule).double())


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: karras_schedule(0), ValueError, ["n_steps", "0"]),
        (lambda: karras_schedule(-3), ValueError, ["n_steps", "-3"]),
        (lambda: karras_schedule(2.5), ValueError, ["n_steps", "2.5"]),
        (lambda: karras_schedule(5, t_min=0.0), ValueError, ["t_min", "0.0"]),
        (lambda: karras_schedule(5, t_max=0.002), ValueError, ["t_max", "0.002"]),
        (lambda: karras_schedule(5, t_max=math.inf), ValueError, ["t_max", "inf"]),
        (lambda: karras_schedule(5, rho=0.5), ValueError, ["rho", "0.5"]),
        (lambda: karras_schedule(5, rho="3"), ValueError, ["rho", "'3'"]),
        (lambda: check_schedule([1.0, 0.5]), ValueError, ["schedule", "end at 0", "0.5"]),
        (lambda: check_schedule([1.0, 1.0, 0.0]), ValueError, ["schedule", "fall"]),
        (lambda: check_schedule([0.5, 1.0, 0.0]), ValueError, ["schedule", "fall"]),
        (lambda: check_schedule([math.inf, 1.0, 0.0]), ValueError, ["schedule", "finite"]),
        (lambda: check_schedule([math.nan, 0.0]), ValueError, ["schedule", "nan"]),
        (lambda: check_schedule([0.0]), ValueError, ["schedule", "two times", "(1,)"]),
        (lambda: check_schedule(40), ValueError, ["schedule", "two times", "()"]),
        (lambda: check_schedule("karras"), TypeError, ["schedule", "str"]),
    ],
)
def test_bad_input(one_sentence, call, error, words):
    with one_sentence(error, *words):
        call()
