"""A low-resolution structure: fewer points that stand for the whole cloud."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from dpskit.checks import check_flag, check_integer, check_points, check_seed
from dpskit.cloud import resample
from dpskit.likelihoods.observation import (
    Memory,
    Observation,
    changed,
    check_given,
    check_sigma,
    gaussian_log_prob,
    matched_energies,
    noisy,
)
from dpskit.likelihoods.protocol import USUAL_POINTS, Measurement


@dataclass(frozen=True, eq=False)
class CoarseGrained(Measurement):
    """A low-resolution structure of the cloud, without correspondence.

    Parameters
    ----------
    points
        (m, 3): the structure.
    sigma
        Noise per coordinate, needed by `log_prob` and `simulate` alone.
    seed
        Of U, which brings the m points to the number of model points (see `Observation`).
    balanced
        Let U use every point equally often.
    means
        Take each point for the mean of a group of model points, all groups of one size. The paper draws every point of
        the group to it, which makes clusters of them where the pull is strong: take its alpha of 4,000 then.

    Notes
    -----
    E = 1/2 min_P |P U y - x|_F^2 / n. Paper: eq. (12), over 2n. With `means`, x_i in it is replaced by the mean of its
    group once P is found: what is left out is the scatter within the groups, of which the structure says nothing.

    Examples
    --------
    >>> import dpskit, torch
    >>> data = dpskit.CoarseGrained([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    >>> data.energy(torch.tensor([[[1.0, 0.0, 0.0], [0.0, 0.0, 0.2]]]))
    tensor([0.0100])
    """

    points: Tensor
    sigma: float | None = None
    seed: int = 0
    balanced: bool = False
    means: bool = False
    observation: Observation = field(init=False, repr=False)
    memory: Memory | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "points", check_points("points", self.points))
        check_sigma(self.sigma)
        for name in ("balanced", "means"):
            object.__setattr__(self, name, check_flag(name, getattr(self, name)))
        object.__setattr__(self, "seed", check_seed("seed", self.seed))
        observed = Observation(self.points, self.seed, self.balanced or self.means, means=self.means)
        object.__setattr__(self, "observation", observed)

    @staticmethod
    def observe(
        points: Tensor, n_points: int = 40, seed: int = 0, *, balanced: bool = False, means: bool = False
    ) -> CoarseGrained:
        """A low-resolution structure of a cloud: the means of a Gaussian mixture with a tied covariance.

        Parameters
        ----------
        points : Tensor
            (n, 3), the cloud.
        n_points : int
            Points of the structure, at most n.
        seed : int
            Of the fit.
        balanced, means : bool
            As for `CoarseGrained`.

        Returns
        -------
        CoarseGrained
            The likelihood of these data, without sigma.

        Raises
        ------
        ValueError
            For more points than the cloud has.

        Notes
        -----
        Paper: section 4.2.
        """
        from sklearn.mixture import GaussianMixture

        points = check_points("points", points)
        n_points, seed = check_integer("n_points", n_points), check_seed("seed", seed)
        if n_points > len(points):
            raise ValueError(f"n_points must be at most the number of points, {len(points)}, got {n_points}.")
        mixture = GaussianMixture(n_points, covariance_type="tied", random_state=seed).fit(
            points.detach().cpu().numpy()
        )
        return CoarseGrained(torch.from_numpy(mixture.means_), balanced=balanced, means=means)

    @property
    def n_observed(self) -> int:
        """Its points; of means as many as a model usually has, 1,024, since each tells of all points of its group."""
        return USUAL_POINTS if self.means else len(self.points)

    def energy(self, x0: Tensor) -> Tensor:
        """(b, n, 3) -> (b,)."""
        return matched_energies([self.observation], check_points("x0", x0, batched=True), self.memory).squeeze(1)

    def log_prob(self, x0: Tensor) -> Tensor:
        """log p(y | x0) with noise sigma, (b,); see `gaussian_log_prob`. Raises ValueError without sigma."""
        return gaussian_log_prob(self.energies(x0), [len(self.points)], 3, self.sigma)

    def start(self) -> CoarseGrained:
        """The same data for one run: each matching starts from that of the last call. Call it for the energy."""
        return changed(self, memory=Memory())

    def simulate(self, x0: Tensor, generator: torch.Generator) -> CoarseGrained:
        """New data for one cloud x0 (n, 3), as many, with noise sigma: a random subset of it; with `means`, a fit."""
        sigma, x0, count = check_given(self.sigma), check_points("x0", x0), len(self.points)
        if self.means:
            points = CoarseGrained.observe(x0, count, int(torch.randint(2**31, (1,), generator=generator))).points
        else:
            points = resample(x0, count, generator)
        return CoarseGrained(noisy(points, sigma, generator), sigma, self.seed, self.balanced, self.means)
