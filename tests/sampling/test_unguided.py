import torch
from hypothesis import given
from hypothesis import strategies as st

from dpskit import GaussianPrior
from dpskit.sampling.unguided import Unguided, prior_score


def test_prior_score_by_hand():
    x, denoised, t = torch.tensor([[[2.0]], [[2.0]]]), torch.tensor([[[1.0]], [[4.0]]]), torch.tensor([1.0, 0.5])
    assert prior_score(denoised, x, t).flatten().tolist() == [-1.0, 8.0]


@given(st.floats(-2, 2), st.floats(0.1, 2), st.floats(0.05, 5), st.integers(0, 100))
def test_unguided_score_of_a_gaussian(normal, mean, std, t, seed):
    x, times = normal(2, 4, 3, seed=seed), torch.tensor([t, 2 * t])
    found = Unguided()(GaussianPrior(mean, std))(x, times)
    assert torch.allclose(found.score, (mean - x) / (std**2 + times[:, None, None] ** 2), rtol=1e-3, atol=1e-3 / t)
    assert found.energy is None
    assert torch.allclose(found.denoised, x + times[:, None, None] ** 2 * found.score, atol=1e-5)
