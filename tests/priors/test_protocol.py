import re

import pytest
import torch

from dpskit import GaussianPrior
from dpskit.priors.protocol import checked_denoise


class Mine:
    def __init__(self, answer):
        self.denoise = answer


def test_what_is_right_comes_back_as_it_is(normal):
    x, t = normal(2, 8, 3), torch.tensor([0.5, 2.0])
    prior = GaussianPrior(0.0, 1.0)
    assert torch.equal(checked_denoise(prior, x, t), prior.denoise(x, t))


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda x, t: x[:, :, :2], "of the shape of x, (2, 8, 3), got one of shape (2, 8, 2)"),
        (lambda x, t: x.detach().numpy(), "got ndarray"),
        (lambda x, t: x.detach(), "must be differentiable"),
        (lambda x, t: x / 0, "NaN or infinity at t = 2 for coordinates up to"),
    ],
)
def test_what_is_wrong_is_one_sentence(normal, answer, message):
    x = normal(2, 8, 3).requires_grad_()
    with pytest.raises(ValueError, match=re.escape(message)):
        checked_denoise(Mine(answer), x, torch.tensor([0.5, 2.0]))
