"""Would data of the posterior samples look like the data?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dpskit.cloud import as_generator
from dpskit.likelihoods.protocol import Measurement


@dataclass(frozen=True, eq=False)
class PredictiveCheck:
    """Energies (s,) of the data and of data simulated from each sample; p_value: how often these fit no better.

    Near 0: the samples do not explain the data. Near 1: they fit its noise. It is no test of calibration.
    """

    observed: Tensor
    replicated: Tensor
    p_value: float


def posterior_predictive_check(
    likelihood: Measurement, samples: Tensor, *, seed: int | torch.Generator = 0
) -> PredictiveCheck:
    """Would data of these samples (s, n, d) look like the data? For projections and any likelihood that simulates.

    Each sample is asked for the energy of the data and of one replicate, with the likelihood's own noise. Gelman, Meng
    and Stern (Statistica Sinica, 1996).
    """
    generator = as_generator(seed)
    observed = likelihood.energy(samples).detach()
    replicated = torch.cat([likelihood.simulate(x0, generator).energy(x0.unsqueeze(0)) for x0 in samples]).detach()
    return PredictiveCheck(observed, replicated, float((replicated >= observed).double().mean()))
