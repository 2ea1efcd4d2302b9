import numpy as np
import pytest
import torch

from dpskit import chamfer_distance
from dpskit.evaluation.calibration import simulation_based_calibration
from dpskit.evaluation.credible import (
    credible_coverage,
    euclidean,
    expected_coverage,
    pairwise_distances,
    spread_against_error,
)
from dpskit.evaluation.trials import Trials


def test_pairwise_distances_and_spread_by_hand():
    truths = torch.tensor([[[0.0]], [[1.0]]])
    samples = torch.tensor([[[[1.0]], [[3.0]]], [[[1.0]], [[1.0]]]])
    trials = Trials(truths, samples)
    expected = torch.tensor([[[0.0, 1, 3], [1, 0, 2], [3, 2, 0]], [[0, 0, 0], [0, 0, 0], [0, 0, 0]]])
    assert torch.equal(pairwise_distances(trials), expected)
    spread, error = spread_against_error(trials)
    assert spread.tolist() == [2.0, 0.0] and error.tolist() == [2.0, 0.0]


def test_clouds_without_order_are_judged_by_chamfer_distance(normal):
    """Exchangeable clouds whose points were shuffled pass; shrunk ones do not."""
    clouds = normal(150, 8, 6, 3)
    right = Trials(clouds[:, 0], clouds[:, 1:])
    assert expected_coverage(right, chamfer_distance).p_value > 0.05
    assert credible_coverage(right, chamfer_distance).p_value > 0.05
    wrong = Trials(clouds[:, 0], 0.6 * clouds[:, 1:])
    assert credible_coverage(wrong, chamfer_distance).p_value < 0.01
    assert simulation_based_calibration(wrong).p_value < 0.01
    assert simulation_based_calibration(right).p_value > 0.05


def test_coverage_of_levels(normal):
    right = Trials(normal(200, 2, 2), normal(200, 9, 2, 2, seed=1))
    coverage = credible_coverage(right, levels=torch.tensor([0.5, 0.9]))
    assert coverage.coverage.tolist() == [coverage.at(0.5), coverage.at(0.9)]
    assert torch.equal(coverage.pit, credible_coverage(right).pit)
    mean = (abs(coverage.at(0.5) - 0.5) + abs(coverage.at(0.9) - 0.9)) / 2
    assert coverage.error == pytest.approx(mean, abs=1e-6)


@pytest.mark.parametrize("levels", [[2.0, 0.5], [-1.0], [float("nan")], [], "half"])
def test_levels_are_shares(one_sentence, normal, levels):
    trials = Trials(normal(3, 5, 3), normal(3, 4, 5, 3, seed=1))
    with one_sentence((ValueError, TypeError), "levels"):
        expected_coverage(trials, levels=levels)


def test_references_fit_the_truths(one_sentence, normal):
    trials = Trials(normal(3, 5, 3), normal(3, 4, 5, 3, seed=1))
    with one_sentence(ValueError, "references", "(3, 5, 3)", "(2, 2)"):
        expected_coverage(trials, references=torch.zeros(2, 2))


def test_one_truth_is_no_reference_of_its_own(one_sentence, normal):
    """It lies at distance 0 from itself: every region would seem to hold it."""
    trials = Trials(normal(1, 5, 3), normal(1, 4, 5, 3, seed=1))
    with one_sentence(ValueError, "references", "1 trial", "None"):
        expected_coverage(trials)
    with one_sentence(ValueError, "references", "NaN"):
        expected_coverage(trials, references=torch.full((1, 5, 3), torch.nan))
    far = expected_coverage(trials, references=100 + np.zeros((1, 5, 3)))
    assert far.pit.shape == (1,)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (lambda a: a.mean(dim=1), "one number"),
        (lambda a: a.mean(), "one number"),
        (lambda a: torch.full((len(a),), torch.nan), "finite"),
        (lambda a: "far", "str"),
    ],
)
def test_a_distance_and_a_statistic_are_a_finite_number_for_each_cloud(one_sentence, normal, value, words):
    """NaN would rank as the least of all, and look like a wrong sampler."""
    trials = Trials(normal(3, 5, 3), normal(3, 4, 5, 3, seed=1))
    for instrument in (expected_coverage, credible_coverage, spread_against_error):
        with one_sentence((ValueError, TypeError), "distance", words):
            instrument(trials, lambda a, b: value(a))
    with one_sentence((ValueError, TypeError), "statistics['mine']", words):
        simulation_based_calibration(trials, {"mine": value})


def test_statistics_that_the_clouds_have(one_sentence, normal):
    with one_sentence(ValueError, "statistics", "1 coordinate", "None"):
        simulation_based_calibration(Trials(normal(3, 5, 1), normal(3, 4, 5, 1, seed=1)))
    with one_sentence(ValueError, "statistics", "none"):
        simulation_based_calibration(Trials(normal(3, 5, 3), normal(3, 4, 5, 3, seed=1)), {})


def test_euclidean_distance():
    assert euclidean(torch.zeros(1, 2, 2), torch.ones(1, 2, 2)).item() == 2
