import torch

from dpskit.sampling.protocol import ScoreEval


def evaluation(longest):
    """Two clouds of one point: the prior's score is (1, 0), the pull of the data (3, 4), of length 5."""
    own = torch.tensor([[[1.0, 0.0]]]).expand(2, 1, 2)
    score = own + torch.tensor([3.0, 4.0])
    longest = None if longest is None else torch.tensor(longest)
    return ScoreEval(score, own, torch.ones(2), prior_score=own, longest=longest)


def test_a_pull_is_shortened_to_the_longest_way_and_no_further():
    found = evaluation([5.0, 100.0]).for_step(2.0)  # the way is 10
    torch.testing.assert_close(found, torch.tensor([[[2.5, 2.0]], [[4.0, 4.0]]]))


def test_without_a_longest_way_the_score_is_what_it_is():
    now = evaluation(None)
    assert now.for_step(1e9) is now.score


def test_no_pull_is_no_division_by_zero():
    still = torch.zeros(1, 2, 3)
    assert torch.equal(ScoreEval(still, still, None, prior_score=still, longest=torch.zeros(1)).for_step(1.0), still)
