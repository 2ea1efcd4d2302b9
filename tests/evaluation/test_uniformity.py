import pytest
import torch

from dpskit.evaluation.uniformity import chi2_p_value, ks_p_value, randomised_rank


def test_a_rank_lies_in_its_own_cell_and_ties_share_theirs():
    truth, others = torch.tensor([[2.0], [0.0], [3.0], [1.0]]), torch.tensor([1.0, 1.0, 3.0]).expand(4, 3)
    generator = torch.Generator().manual_seed(0)
    ranks = torch.stack([randomised_rank(truth, others, generator) for _ in range(2000)])
    low, high = torch.tensor([0.5, 0.0, 0.5, 0.0]), torch.tensor([0.75, 0.25, 1.0, 0.75])  # of four cells
    assert bool((ranks >= low).all() and (ranks <= high).all())
    torch.testing.assert_close(ranks.mean(dim=0).float(), (low + high) / 2, atol=0.02, rtol=0)


def test_p_values_of_a_grid_and_of_its_half():
    grid = (torch.arange(100.0) + 0.5) / 100
    assert chi2_p_value(grid) == pytest.approx(1) and ks_p_value(grid) > 0.999
    # Half of 20 cells hold 10 instead of 5, the others nothing: chi^2 = 20 * 25 / 5 = 100 with 19 degrees of freedom.
    assert chi2_p_value(grid / 2) == pytest.approx(4.5e-13, rel=0.1)
    assert ks_p_value(grid / 2) < 1e-20


def test_few_numbers_make_few_cells():
    assert chi2_p_value(torch.tensor([0.1, 0.2, 0.6, 0.7])) == pytest.approx(1)
    assert chi2_p_value(torch.tensor([0.1, 0.2, 0.3, 0.4])) == pytest.approx(0.0455, abs=1e-4)  # chi^2 = 4, one degree
