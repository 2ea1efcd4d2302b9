"""Trials of a sampler: truths from the prior, data from the truths, and samples from the data.

If truth and samples come from the same distribution given the data, the truth cannot be told from one more sample. All
instruments that judge trials test that exchangeability; they need no density and no network.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from dpskit.checks import check_array, check_method, check_points, check_seed
from dpskit.cloud import as_generator
from dpskit.likelihoods.protocol import Likelihood

Sampler = Callable[[Likelihood, int], Tensor]
"""sampler(data, seed) -> clouds (s, n, d): the posterior samples to be judged."""


@dataclass(frozen=True, eq=False)
class Trials:
    """Truths, and posterior samples of data of each.

    Parameters
    ----------
    truths
        (k, n, d), drawn from the prior.
    samples
        (k, s, n, d), s at least 2.

    Raises
    ------
    ValueError
        For shapes that do not fit, NaN and infinity.

    Examples
    --------
    >>> import dpskit, torch
    >>> trials = dpskit.Trials(torch.randn(30, 5, 3), torch.randn(30, 8, 5, 3))
    >>> spread, error = dpskit.spread_against_error(trials)
    """

    truths: Tensor
    samples: Tensor

    def __post_init__(self) -> None:
        truths = check_points("truths", self.truths, dim=None, batched=True)
        samples = check_array("samples", self.samples, "(k, s, n, d)").to(truths)
        if samples.ndim != 4 or (len(samples), *samples.shape[2:]) != tuple(truths.shape) or samples.shape[1] < 2:
            raise ValueError(
                f"samples must have shape (k, s, n, d) with s >= 2 for truths {tuple(truths.shape)}, "
                f"got {tuple(samples.shape)}."
            )
        bad = (~torch.isfinite(samples)).flatten(1).any(dim=1)
        if bad.any():
            trial = int(bad.int().argmax())
            raise ValueError(f"samples must be finite, got NaN or infinity in trial {trial}: its sampler diverged.")
        object.__setattr__(self, "truths", truths)
        object.__setattr__(self, "samples", samples)


def run_trials(
    truths: Tensor,
    observe: Callable[[Tensor, torch.Generator], Likelihood],
    sampler: Sampler,
    *,
    seed: int = 0,
    progress: bool = True,
) -> Trials:
    """Observe each of the truths, and sample its posterior.

    Parameters
    ----------
    truths : Tensor
        (k, n, d), drawn from the prior.
    observe : Callable
        observe(truth (n, d), generator) -> data, for example `likelihood.simulate`.
    sampler : Callable
        sampler(data, seed) -> clouds (s, n, d): the posterior samples to be judged.
    seed : int
        Of the data; trial k samples with seed + k.
    progress : bool
        Whether to show a bar.

    Returns
    -------
    Trials
        The truths and the samples.

    Raises
    ------
    ValueError, TypeError
        For truths of a wrong shape, functions of other arguments, and a sampler that returns another shape, NaN or
        infinity.

    Examples
    --------
    >>> import dpskit, torch
    >>> prior, data = dpskit.GaussianPrior(0.0, 1.0), dpskit.LinearGaussian(torch.eye(1), torch.zeros(1), sigma=0.5)
    >>> truths = prior.sample(20, n_points=1, dim=1)
    >>> exact = lambda data, seed: data.posterior(prior).sample(9, seed)
    >>> dpskit.run_trials(truths, data.simulate, exact, progress=False).samples.shape
    torch.Size([20, 9, 1, 1])
    """
    from dpskit.progress import tqdm

    truths = check_points("truths", truths, dim=None, batched=True)
    check_method("observe", observe, "__call__(truth, generator)")
    check_method("sampler", sampler, "__call__(data, seed)")
    seed = check_seed("seed", seed)
    generator = as_generator(seed)
    rounds = tqdm(list(enumerate(truths)), desc="trials", unit="data set", disable=not progress)
    found: list[Tensor] = []
    for k, truth in rounds:
        samples = check_array(f"the samples of trial {k}", sampler(observe(truth, generator), seed + k), "(s, n, d)")
        wanted = tuple(found[0].shape) if found else (max([2, *samples.shape[:1]]), *truth.shape)
        if samples.shape != wanted:
            text = f"{wanted}, as in trial 0" if found else f"(s, {', '.join(map(str, truth.shape))}) with s >= 2"
            raise ValueError(f"sampler must return clouds of shape {text}, got {tuple(samples.shape)} in trial {k}.")
        if not bool(torch.isfinite(samples).all()):
            raise ValueError(f"sampler must return finite clouds, got NaN or infinity in trial {k}: it diverged.")
        found.append(samples)
    return Trials(truths, torch.stack(found))
