"""Would data of the posterior samples look like the data?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dpskit.checks import check_method, check_points
from dpskit.cloud import as_generator
from dpskit.likelihoods.protocol import Measurement


@dataclass(frozen=True, eq=False)
class PredictiveCheck:
    """Result of a posterior predictive check.

    Attributes
    ----------
    observed, replicated : Tensor
        (s,): energies of the data, and of data simulated from each sample.
    p_value : float
        How often the replicates fit no better. Near 0: the samples do not explain the data. Near 1: they fit its noise.
        It is no test of calibration.
    """

    observed: Tensor
    replicated: Tensor
    p_value: float


def posterior_predictive_check(
    likelihood: Measurement, samples: Tensor, *, seed: int | torch.Generator = 0
) -> PredictiveCheck:
    """Would data of these samples look like the data?

    Parameters
    ----------
    likelihood : Measurement
        The data: projections, or any other likelihood that simulates.
    samples : Tensor
        (s, n, d).
    seed : int or Generator
        Of the noise.

    Returns
    -------
    PredictiveCheck
        The energies and a p-value.

    Raises
    ------
    ValueError, TypeError
        For clouds of another shape, NaN, and a likelihood that cannot simulate.

    Notes
    -----
    Each sample is asked for the energy of the data and of one replicate, with the likelihood's own noise. Gelman, Meng
    and Stern (Statistica Sinica, 1996).

    Examples
    --------
    Samples far from the data do not explain them.

    >>> import dpskit, torch
    >>> data = dpskit.CoarseGrained(torch.zeros(5, 3), sigma=0.1)
    >>> dpskit.posterior_predictive_check(data, torch.ones(20, 5, 3)).p_value
    0.0
    """
    check_method("likelihood", likelihood, "simulate(x0, generator)")
    samples = check_points("samples", samples, dim=None, batched=True)
    generator = as_generator(seed)
    observed = likelihood.energy(samples).detach()
    replicated = torch.cat([likelihood.simulate(x0, generator).energy(x0.unsqueeze(0)) for x0 in samples]).detach()
    return PredictiveCheck(observed, replicated, float((replicated >= observed).double().mean()))
