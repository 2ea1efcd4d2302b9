"""beta(t), the noise that a solver injects, and the source of reproducible normal numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dpskit.checks import check_number


@dataclass(frozen=True)
class InverseTime:
    """The noise that a solver injects: beta(t) = 1/t for t > cutoff, and `below` at smaller t.

    Parameters
    ----------
    cutoff
        0: 1/t throughout, the reverse SDE. inf: no noise, the flow ODE. The paper samples unconditionally with 1.
    below
        0, or 1 as in the paper without data.

    Raises
    ------
    ValueError
        For negative values.

    Notes
    -----
    Paper: eq. (8), Table 4.

    Examples
    --------
    >>> import dpskit
    >>> noise = dpskit.InverseTime(cutoff=0.15)
    >>> noise(0.5), noise(0.1)
    (2.0, 0.0)
    """

    cutoff: float = 0.0
    below: float = 0.0

    def __post_init__(self) -> None:
        if not (isinstance(self.cutoff, float) and self.cutoff == math.inf):
            check_number("cutoff", self.cutoff, least=0.0)
        check_number("below", self.below, least=0.0)

    def __call__(self, t: float) -> float:
        return 1 / t if t > self.cutoff else self.below


@dataclass(frozen=True)
class NoiseSource:
    """Standard normal numbers that depend on (seed, sample, step) alone: not on the batch nor earlier draws.

    Parameters
    ----------
    seed
        Of the run.
    samples
        The numbers of the samples of this batch.
    shape
        (n, d) of one sample.

    Examples
    --------
    Sample 3 has the same noise in any batch.

    >>> import dpskit
    >>> alone, among = (dpskit.NoiseSource(0, batch, (5, 3)).draw(7) for batch in (range(3, 4), range(10)))
    >>> bool((alone[0] == among[3]).all())
    True
    """

    seed: int
    samples: range
    shape: tuple[int, int]

    def draw(self, step: int) -> Tensor:
        """The noise of a step.

        Parameters
        ----------
        step : int
            The number of the step; 0 is the start of the trajectory.

        Returns
        -------
        Tensor
            (b, n, d).
        """
        return torch.stack([self._one(sample, step) for sample in self.samples])

    def _one(self, sample: int, step: int) -> Tensor:
        word = np.random.SeedSequence((self.seed, sample, step)).generate_state(1, np.uint64)[0]
        return torch.randn(self.shape, generator=torch.Generator().manual_seed(int(word >> 1)))
