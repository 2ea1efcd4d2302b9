import itertools
import warnings
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numba.core import event
from scipy.optimize import linear_sum_assignment

from dpskit import assign
from dpskit.transport import assignment as module
from dpskit.transport import solver
from dpskit.transport.assignment import is_optimal


@pytest.fixture(autouse=True)
def _no_fallback():
    """A solve that fails its certificate warns: here that is an error, and each test hears the first one."""
    module._warn_once.cache_clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        yield


def rng(seed=0):
    return np.random.default_rng(seed)


def scipy_cost(x, y, capacity=None):
    """The least sum of squared distances between x (n, d) and y (m, d), upsampled by its capacity."""
    x, y = np.asarray(x, float), np.asarray(y, float)
    y = y if capacity is None else np.repeat(y, capacity, axis=0)
    costs = ((x[:, None] - y[None]) ** 2).sum(axis=2)
    return costs[linear_sum_assignment(costs)].sum()


def check(x, y, capacity=None, **options):
    """assign() on one problem, checked against SciPy and for what an Assignment promises."""
    x, y = np.asarray(x, float), np.asarray(y, float)
    given = None if capacity is None else torch.as_tensor(capacity)
    found = assign(torch.tensor(x)[None], torch.tensor(y), given, certify=True, **options)
    index, cost, v = found.index[0].numpy(), float(found.cost), found.duals[0].numpy()
    capacity = np.ones(len(y), int) if capacity is None else np.asarray(capacity)
    matched = index >= 0
    assert np.array_equal(np.bincount(index[matched], minlength=len(y)), capacity)
    assert matched.all() or capacity.sum() < len(x)
    assert cost == pytest.approx(((x[matched] - y[index[matched]]) ** 2).sum(), rel=1e-12)
    assert cost == pytest.approx(scipy_cost(x, y, capacity), rel=1e-9, abs=1e-14 * len(x))

    costs = ((x[:, None] - y[None]) ** 2).sum(axis=2)[:, capacity > 0]
    v, slack = v[capacity > 0], 1e-11 * max(1.0, costs.max())
    u = (costs - v).min(axis=1)
    u = u if matched.all() else np.minimum(u, 0)
    assert (costs - u[:, None] - v >= -slack).all()  # dual feasible ...
    assert cost == pytest.approx(
        u.sum() + (capacity[capacity > 0] * v).sum(), rel=1e-9, abs=len(x) * slack
    )  # ... = primal
    return found


# --- Against brute force and SciPy ------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(12))
def test_brute_force(seed):
    draw = rng(seed)
    n, d = int(draw.integers(1, 8)), int(draw.integers(1, 4))
    m = int(draw.integers(1, n + 1))
    x, y = draw.normal(size=(n, d)), draw.normal(size=(m, d))
    capacity = draw.multinomial(n, np.ones(m) / m)
    costs = ((x[:, None] - y[None]) ** 2).sum(axis=2)
    orders = np.array(list(itertools.permutations(range(n))))
    upsampled = costs[:, np.repeat(np.arange(m), capacity)]
    assert float(check(x, y, capacity).cost) == pytest.approx(upsampled[orders, np.arange(n)].sum(axis=1).min())
    assert float(check(x, y).cost) == pytest.approx(costs[orders[:, :m], np.arange(m)].sum(axis=1).min())


CLOUDS = {
    "random": lambda draw, n, d: draw.normal(size=(n, d)),
    "clustered": lambda draw, n, d: draw.choice([-1.0, 0.0, 2.0], (n, 1)) + 0.01 * draw.normal(size=(n, d)),
    "collinear": lambda draw, n, d: draw.normal(size=(n, 1)) * np.arange(1, d + 1),
    "identical": lambda draw, n, d: np.full((n, d), 0.3),
    "tied": lambda draw, n, d: draw.integers(-1, 2, (n, d)).astype(float),
    "far away": lambda draw, n, d: 1e4 + draw.normal(size=(n, d)),
    "tiny": lambda draw, n, d: 1e-6 * draw.normal(size=(n, d)),
    "float32": lambda draw, n, d: draw.normal(size=(n, d)).astype(np.float32),
}
CAPACITIES = {
    "ones": lambda draw, n: np.ones(n, int),
    "upsampled": lambda draw, n: 1 + draw.multinomial(n - n // 3, np.ones(n // 3) / (n // 3)),
    "with zeros": lambda draw, n: draw.multinomial(n, np.ones(n) / n),
    "one takes all": lambda draw, n: n * np.eye(9, dtype=int)[4],
    "one column": lambda draw, n: np.array([n]),
    "skewed": lambda draw, n: draw.multinomial(n, draw.dirichlet(np.full(40, 0.1))),
}


@pytest.mark.parametrize("d", [2, 3])
@pytest.mark.parametrize("capacities", CAPACITIES)
@pytest.mark.parametrize("cloud", CLOUDS)
def test_scipy(cloud, capacities, d):
    draw = rng(d)
    capacity = CAPACITIES[capacities](draw, 150)
    x, y = CLOUDS[cloud](draw, capacity.sum(), d), CLOUDS[cloud](draw, len(capacity), d)
    cold = check(x, y, capacity)
    check(x + 0.01 * draw.normal(size=x.shape), y, capacity, start=cold)


@pytest.mark.parametrize("d", [2, 3])
@pytest.mark.parametrize("m", [1, 40, 149])
@pytest.mark.parametrize("cloud", CLOUDS)
def test_scipy_partial(cloud, m, d):
    draw = rng(m)
    found = check(CLOUDS[cloud](draw, 150, d), CLOUDS[cloud](draw, m, d))
    assert int((found.index < 0).sum()) == 150 - m


@pytest.mark.parametrize("d", [1, 4, 7])
def test_scipy_other_dimensions(d):
    draw = rng(d)
    x, y = draw.normal(size=(60, d)), draw.normal(size=(40, d))
    check(x, y)
    check(x[:40], y)
    check(x, y, draw.multinomial(60, np.ones(40) / 40))


@pytest.mark.parametrize(("m", "d"), [(1024, 2), (200, 2), (30, 3)])
def test_scipy_full_size(m, d):
    draw = rng(m)
    check(draw.normal(size=(1024, d)), draw.normal(size=(m, d)), 1 + draw.multinomial(1024 - m, np.ones(m) / m))


def test_a_cloud_matches_itself():
    y = rng().normal(size=(300, 3))
    order = rng(1).permutation(300)
    found = check(y[order], y)
    assert found.index[0].tolist() == order.tolist() and float(found.cost) == 0
    nearly = check(y[order] + 1e-7 * rng(2).normal(size=y.shape), y)  # costs of 1e-14 beside distances of 1
    assert nearly.index[0].tolist() == order.tolist()


@given(st.data())
def test_any_problem(data):
    n, d = data.draw(st.integers(1, 14)), data.draw(st.integers(1, 5))
    m = data.draw(st.integers(1, 2 * n))
    numbers = st.one_of(st.integers(-2, 2).map(float), st.floats(-1e3, 1e3, allow_subnormal=False))
    x, y = (
        np.array(data.draw(st.lists(st.lists(numbers, min_size=d, max_size=d), min_size=size, max_size=size)))
        for size in (n, m)
    )
    slots = data.draw(st.lists(st.integers(0, m - 1), min_size=n, max_size=n))
    start = torch.tensor([data.draw(st.lists(st.floats(-1e6, 1e6), min_size=m, max_size=m))], dtype=torch.float64)
    for options in ({}, {"start": start}):
        check(x, y, np.bincount(slots, minlength=m), **options)
        if m <= n:
            check(x, y, **options)


# --- The start, the batch and threads ---------------------------------------------------------------------------------


@pytest.mark.parametrize("garbage", [0.0, 1.0, 1e6, 1e300])
def test_the_start_never_changes_the_cost(garbage):
    draw = rng()
    x, y, capacity = draw.normal(size=(200, 2)), draw.normal(size=(120, 2)), draw.multinomial(200, np.ones(120) / 120)
    start = torch.tensor(garbage * draw.normal(size=(1, 120)))
    before = start.clone()
    assert float(check(x, y, capacity, start=start).cost) == pytest.approx(float(check(x, y, capacity).cost), rel=1e-12)
    assert float(check(x, y, start=start).cost) == pytest.approx(float(check(x, y).cost), rel=1e-12)
    assert torch.equal(start, before)


def test_duals_alone_are_a_start(normal):
    x, y = normal(2, 90, 3), normal(90, 3, seed=1)
    cold = assign(x, y)
    for start in (cold, cold.duals, cold.duals.float()):
        assert torch.equal(assign(x, y, start=start, certify=True).index, cold.index)


def test_a_batch_is_its_problems(normal):
    x, y = normal(3, 50, 2), normal(3, 30, 2, seed=1)
    capacity = torch.stack([torch.bincount(torch.arange(50) % (10 + k), minlength=30) for k in range(3)])
    for targets, multiplicity in itertools.product((y, y[0]), (capacity, capacity[0], None)):
        whole = assign(x, targets, multiplicity)
        assert whole.index.dtype == torch.int64 and whole.index.shape == (3, 50)
        assert whole.cost.dtype == whole.duals.dtype == torch.float64 and whole.duals.shape == (3, 30)
        for k in range(3):
            own_y = targets[k] if targets.ndim == 3 else targets
            own = multiplicity[k] if multiplicity is not None and multiplicity.ndim == 2 else multiplicity
            part = assign(x[k : k + 1], own_y, own)
            assert torch.equal(part.index[0], whole.index[k]) and torch.equal(part.duals[0], whole.duals[k])


def test_repeated_points_are_points_with_a_multiplicity(normal):
    x, y = normal(2, 100, 3), normal(20, 3, seed=1)
    index = torch.arange(100) % 20
    assert torch.allclose(assign(x, y[index]).cost, assign(x, y, torch.bincount(index)).cost, rtol=1e-12)


def test_threads_change_no_bit(normal):
    x, y, capacity = normal(7, 200, 2), normal(80, 2, seed=1), torch.bincount(torch.arange(200) % 80)
    threads = torch.get_num_threads()
    found = []
    try:
        for n in (1, 2, 5):
            torch.set_num_threads(n)
            cold = assign(x, y, capacity)
            found.append((cold, assign(x + 0.1, y, capacity, start=cold), assign(x, y)))
    finally:
        torch.set_num_threads(threads)
    for other in found[1:]:
        for one, two in zip(found[0], other, strict=True):
            assert all(torch.equal(getattr(one, name), getattr(two, name)) for name in ("index", "cost", "duals"))


@pytest.mark.parametrize("threads", [1, 3])
def test_calls_together_are_the_calls_alone(normal, threads):
    """Problems of several shapes, with and without a multiplicity, rows left over and a start."""
    x, y, z = normal(3, 200, 2), normal(80, 2, seed=1), normal(2, 140, 3, seed=2)
    capacity = torch.bincount(torch.arange(200) % 80)
    calls = [(x, y, capacity, None), (z, z[0, :50], None, None), (x + 0.1, y, capacity, assign(x, y, capacity))]
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        together = module.assign_each(calls, certify=True)
    finally:
        torch.set_num_threads(before)
    for found, call in zip(together, calls, strict=True):
        alone = assign(*call)
        assert all(torch.equal(getattr(found, name), getattr(alone, name)) for name in ("index", "cost", "duals"))


@pytest.mark.parametrize("n", [128, 129, 255, 700])
def test_poor_prices_at_every_size(n):
    """A start far from the optimum, so that coarser problems must give better prices; halves of even and odd sizes."""
    draw = rng(n)
    x, y = draw.normal(size=(n, 2)), 0.2 * draw.normal(size=(n // 3, 2)) + 1
    start = torch.tensor(draw.normal(size=(1, n // 3)))
    check(x, y, 1 + draw.multinomial(n - n // 3, np.ones(n // 3) / (n // 3)), start=start)
    check(x, draw.normal(size=(n, 2)), np.ones(n, int), start=torch.zeros(1, n))


def test_callers_in_several_threads(normal):
    x, y = normal(2, 100, 2), normal(100, 2, seed=1)
    expected = assign(x, y)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: assign(x, y), range(12)):
            assert torch.equal(found.index, expected.index)


def test_no_gradient_and_no_change_of_the_input(normal):
    x, y = normal(1, 20, 3).requires_grad_(), normal(20, 3, seed=1)
    before = x.detach().clone(), y.clone()
    found = assign(x, y)
    assert not found.cost.requires_grad
    assert torch.equal(x, before[0]) and torch.equal(y, before[1])


# --- The certificate and the fallback ---------------------------------------------------------------------------------


def certificate_problem(capacity):
    draw = rng()
    x, y = draw.normal(size=(30, 2)), draw.normal(size=(len(capacity), 2))
    capacity = np.asarray(capacity)
    index, duals = solver.solve(x, solver.arrange(y, capacity), np.zeros(len(y)))
    return x, y, capacity, index, duals


@pytest.mark.parametrize("capacity", [[1] * 30, [3, 0] * 10, [2] * 20])
def test_the_certificate_can_fail(capacity):
    x, y, capacity, index, duals = certificate_problem(capacity)
    assert is_optimal(x, y, capacity, index, duals)
    swapped = index.copy()
    swapped[[0, np.flatnonzero(index != index[0])[0]]] = swapped[[np.flatnonzero(index != index[0])[0], 0]]
    assert not is_optimal(x, y, capacity, swapped, duals)  # dearer
    overfull = index.copy()
    overfull[:] = index[0]
    assert not is_optimal(x, y, capacity, overfull, duals)  # beyond a capacity
    assert not is_optimal(x, y, capacity, np.where(index == index[0], -1, index), duals)  # a row without a column
    for change in (-10, 10):
        wrong = duals.copy()
        wrong[index[0]] += change
        assert not is_optimal(x, y, capacity, index, wrong)


def test_a_failed_certificate_falls_back_to_scipy_and_says_so_once(normal, monkeypatch):
    x, y = normal(2, 30, 2), normal(30, 2, seed=1)
    expected = assign(x, y)
    honest = solver.solve

    def shifted(x, columns, duals):
        index, duals = honest(x, columns, duals)
        return np.roll(index, 1), duals

    monkeypatch.setattr(solver, "solve", shifted)
    module._warn_once.cache_clear()
    with pytest.warns(RuntimeWarning, match="SciPy") as caught:
        assert torch.equal(assign(x, y, certify=True).index, expected.index)
        part = assign(x, y[:10], certify=True)
    assert len(caught) == 1
    assert part.cost.tolist() == pytest.approx([scipy_cost(cloud, y[:10]) for cloud in x])


def test_a_function_that_cannot_be_cached_still_compiles():
    namespace = {}
    exec("def double(a): return 2 * a", namespace)  # without a source file numba finds no folder for its cache
    assert solver.compiled(namespace["double"])(3) == 6


# --- Bad input --------------------------------------------------------------------------------------------------------

X, Y = torch.zeros(2, 4, 3), torch.zeros(3, 3)


@pytest.mark.parametrize(
    ("words", "arguments"),
    [
        (["x", "(4, 3)"], (X[0], Y)),
        (["x", "NaN"], (X * float("nan"), Y)),
        (["x", "infinity"], (X + float("inf"), Y)),
        (["x", "at least one"], (X[:, :0], Y)),
        (["y", "(3, 2)"], (X, Y[:, :2])),
        (["y", "NaN"], (X, Y * float("nan"))),
        (["y", "2 clouds", "got 5"], (X, Y.expand(5, 3, 3))),
        (["y", "(4)", "got 6"], (X, Y.repeat(2, 1))),
        (["x and y", "1e+80"], (X.double() + 1e80, Y)),
        (["multiplicity", "(3,)", "(2,)"], (X, Y, [2, 2])),
        (["multiplicity", "integers", "float"], (X, Y, [2.0, 1.0, 1.0])),
        (["multiplicity", "negative", "-1"], (X, Y, [4, 1, -1])),
        (["multiplicity", "4 points", "got 5"], (X, Y, [3, 1, 1])),
        (["multiplicity", "4 points", "got 3"], (X, Y, [[2, 1, 1], [1, 1, 1]])),
        (["start", "(2, 3)", "(3,)"], (X, Y, [2, 1, 1], torch.zeros(3))),
        (["start", "finite"], (X, Y, [2, 1, 1], torch.full((2, 3), float("nan")))),
        (["start", "finite"], (X, Y, None, torch.full((2, 3), float("inf")))),
    ],
)
def test_bad_input(words, arguments, one_sentence):
    with one_sentence(ValueError, *words):
        assign(*arguments)


@pytest.mark.parametrize("arguments", [("abc", Y), (X, "abc"), (X, Y, "abc"), (X, Y, None, "abc")])
def test_what_is_not_numeric(arguments, one_sentence):
    with one_sentence(TypeError, "array"):
        assign(*arguments)


def test_without_a_place_for_the_compiled_code():
    """A function without a file stands for one in a folder that cannot be written: numba finds no cache for either."""
    namespace = {}
    exec(compile("def twice(x):\n    return 2 * x", "/nowhere/at/all.py", "exec"), namespace)
    with pytest.raises(RuntimeError, match="cannot cache"):
        numba.njit(cache=True)(namespace["twice"])
    assert solver.compiled(namespace["twice"])(21) == 42


def test_compiling_is_announced_once_and_only_for_the_engine(capsys, monkeypatch):
    monkeypatch.setattr(solver.FirstCompilation, "said", True)  # the one that listens anyway is silent
    notice = solver.FirstCompilation()
    notice.said = False

    def function(module):
        namespace = {"__name__": module}
        exec("def double(a): return 2 * a", namespace)
        return numba.njit(namespace["double"])

    with event.install_listener("numba:compile", notice):
        function("elsewhere")(1)
        assert capsys.readouterr().err == ""
        for mine in [function(solver.__name__), function(solver.__name__)]:
            mine(1)
        assert capsys.readouterr().err.count("dpskit compiles its assignment engine") == 1
