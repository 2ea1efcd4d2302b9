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


def test_euclidean_distance():
    assert euclidean(torch.zeros(1, 2, 2), torch.ones(1, 2, 2)).item() == 2
