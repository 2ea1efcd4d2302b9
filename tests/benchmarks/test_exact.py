"""The table of exact cases: what it compares, and that it sees the known faults."""

import torch

import dpskit
from dpskit.benchmarks.exact import (
    Counted,
    ExactResult,
    compare,
    exact_benchmark,
    exact_cases,
    exact_samplers,
    exact_table,
)
from dpskit.evaluation.trials import Trials

CASES = exact_cases()


def test_every_case_starts_at_ten_prior_stds_and_has_a_posterior():
    for case in CASES.values():
        drawn = case.draw(5000, seed=0)
        assert drawn.shape == (5000, *case.shape)
        assert case.t_max >= 10 * float(drawn.std(dim=0).max()) * 0.96
        data = case.likelihood.simulate(drawn[0], torch.Generator().manual_seed(0))
        assert bool((case.posterior(data).std < 1.5 * case.prior_std).all())


def test_exact_draws_have_no_error_and_shrunk_ones_have():
    case = CASES["mixture of clouds"]
    truths, generator = case.draw(60, seed=0), torch.Generator().manual_seed(3)
    exact = [case.posterior(case.likelihood.simulate(truth, generator)) for truth in truths]
    drawn = torch.stack([part.sample(100, k) for k, part in enumerate(exact)])
    found = compare(case, "exact draws", Trials(truths, drawn), 0.0, seed=3)
    assert found.mean_error < 0.05
    assert abs(found.spread_error) < 0.03
    assert abs(found.coverage_error) < 0.05
    assert found.p_value > 0.05
    mean = torch.stack([part.mean for part in exact]).unsqueeze(1)
    wrong = compare(case, "shrunk", Trials(truths, mean + 0.5 * (drawn - mean)), 0.0, seed=3)
    assert -0.53 < wrong.spread_error < -0.47
    assert wrong.coverage_error < -0.15
    factor = torch.tensor([0.5, 1.5]).repeat(30)[:, None, None, None]
    mixed = compare(case, "half too narrow, half too wide", Trials(truths, mean + factor * (drawn - mean)), 0.0, seed=3)
    assert abs(mixed.spread_error) < 0.03  # the mean of the ratios, not the root of their mean square
    std = torch.stack([part.std for part in exact]).unsqueeze(1)
    moved = compare(case, "moved", Trials(truths, drawn + 0.5 * std), 0.0, seed=3)
    assert 0.47 < moved.mean_error < 0.53
    assert moved.p_value < 0.01


def test_the_table_sees_what_dps_gets_wrong():
    """One number: DPS is too narrow, moment matching is not; every method reports its cost."""
    results = {r.method: r for r in exact_benchmark([CASES["one number"]], n_trials=8, n_samples=32, progress=False)}
    exact, dps, matched = (results[name] for name in ("exact score", "likelihood score", "moment matching"))
    # 8 x 32 samples: the mean ratio of the spread is known to 4 %, and the two share their random numbers.
    assert abs(matched.spread_error - exact.spread_error) < 0.01
    assert dps.spread_error < exact.spread_error - 0.12
    assert dps.mean_error > 0.15 > matched.mean_error
    assert results["DPS, alpha 10,000"].spread_error < -0.7
    assert dps.evaluations == 32 * 79
    assert exact.evaluations == 0
    assert results["twisted SMC, 256 particles"].evaluations == 256 * 40
    table = exact_table(list(results.values()))
    assert table.columns == ["method", "one number", "network evaluations"] and len(table.rows) == len(results)
    (row,) = (row for row in table.rows if row[0] == "moment matching")
    error, spread, coverage = row[1].split(", ")
    assert float(error) == round(matched.mean_error, 2) and spread == f"{matched.spread_error:+.0%}"
    assert float(coverage) == round(100 * matched.coverage_error) and row[2] == "2,528"


def test_the_table_names_what_does_not_apply():
    found = [ExactResult(case, method, 0.1, -0.2, 0.05, 0.5, 8.0, None) for case, method in (("a", "x"), ("b", "y"))]
    assert exact_table(found).rows == [
        ["x", "0.10, -20%, +5", "does not apply", "8"],
        ["y", "does not apply", "0.10, -20%, +5", "8"],
    ]


def test_the_solver_of_the_samplers_can_be_another():
    """One number: by the flow DPS with the right noise is far too narrow, and moment matching is not."""
    case = CASES["one number"]
    data = dpskit.LinearGaussian([[1.0]], [1.0], 0.5)
    samplers = exact_samplers(case, Counted(case.prior), 500, solver=dpskit.EulerODE())
    dps, matched = (samplers[name](data, 0).flatten() for name in ("likelihood score", "moment matching"))
    assert abs(float(matched.mean()) - 0.8) < 0.08 and abs(float(matched.std()) / 0.447 - 1) < 0.12
    assert float(dps.mean()) > 1.1 and float(dps.std()) < 0.25


def test_methods_that_do_not_apply_are_left_out():
    names = {key: set(exact_samplers(case, Counted(case.prior), 2)) for key, case in CASES.items()}
    assert all(("moment matching" in found) == (key != "unknown order") for key, found in names.items())
    applies = {key for key, found in names.items() if "replacement" in found}
    assert applies == {"one number", "mixture of clouds", "i.i.d. points"}
