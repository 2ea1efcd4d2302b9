"""The score of the prior alone."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dpskit.likelihoods.protocol import Likelihood
from dpskit.priors.protocol import Prior, checked_denoise
from dpskit.sampling.protocol import Score, ScoreEval


@dataclass(frozen=True)
class Unguided:
    """The score of the prior alone: (D(x, t) - x) / t^2.

    Examples
    --------
    >>> import dpskit, torch
    >>> score = dpskit.Unguided()(dpskit.GaussianPrior(0.0, 1.0))
    >>> score(torch.ones(1, 1, 1), torch.ones(1)).score
    tensor([[[-0.5000]]])
    """

    def __call__(self, prior: Prior, likelihood: Likelihood | None = None) -> Score:
        @torch.no_grad()
        def score(x: Tensor, t: Tensor) -> ScoreEval:
            denoised = checked_denoise(prior, x, t)
            return ScoreEval(prior_score(denoised, x, t), denoised, None)

        return score


def prior_score(denoised: Tensor, x: Tensor, t: Tensor) -> Tensor:
    """The score of the prior's marginal at noise level t from its denoised clouds.

    Parameters
    ----------
    denoised : Tensor
        D(x, t), (b, n, d).
    x : Tensor
        The noisy clouds (b, n, d).
    t : Tensor
        (b,), above 0.

    Returns
    -------
    Tensor
        (b, n, d): grad log p_t(x) = (D(x, t) - x) / t^2.

    Notes
    -----
    Paper: section 3.1.

    Examples
    --------
    >>> import dpskit, torch
    >>> x, t = torch.ones(1, 1, 1), torch.ones(1)
    >>> dpskit.prior_score(dpskit.GaussianPrior(0.0, 1.0).denoise(x, t), x, t)
    tensor([[[-0.5000]]])
    """
    return (denoised - x) / t[:, None, None].square()
