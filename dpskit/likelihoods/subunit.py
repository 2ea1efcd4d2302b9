"""A known part of the structure, in its place or in one to be found."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dpskit.checks import check_integer, check_points, check_seed, shown
from dpskit.cloud import as_generator, resample
from dpskit.likelihoods.observation import (
    changed,
    check_given,
    check_sigma,
    gaussian_log_prob,
    half_mean_square,
    noisy,
)
from dpskit.likelihoods.placement import place
from dpskit.likelihoods.protocol import Measurement
from dpskit.transport.assignment import assign


@dataclass(frozen=True, eq=False)
class Subunit(Measurement):
    """A known part of the cloud, without correspondence.

    Parameters
    ----------
    points
        (L, 3), with L at most the number n of model points.
    sigma
        Noise per coordinate, needed by `log_prob` and `simulate` alone.
    placed
        Whether the points lie where the part lies in the object. False: only its shape is known, and `sample` places it
        by `Projections` from known orientations, in a `Joint` with them. Then it has no energy by itself.

    Notes
    -----
    E = 1/2 min_P |P x - y|_F^2 / L over the ways to pick L of the n points. Paper: eq. (13), over 2L.

    Examples
    --------
    >>> import dpskit, torch
    >>> data = dpskit.Subunit([[1.0, 0.0, 0.0]])
    >>> data.energy(torch.tensor([[[9.0, 9.0, 9.0], [1.0, 0.2, 0.0]]]))
    tensor([0.0200])
    """

    points: Tensor
    sigma: float | None = None
    placed: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "points", check_points("points", self.points))
        check_sigma(self.sigma)
        if not isinstance(self.placed, bool):
            raise TypeError(f"placed must be True or False, got {shown(self.placed)}.")

    @staticmethod
    def observe(points: Tensor, n_points: int = 256, seed: int = 0) -> Subunit:
        """A known part of a cloud: one random k-means cluster of its points.

        Parameters
        ----------
        points : Tensor
            (n, 3), the cloud.
        n_points : int
            Points of the part, about; at most n.
        seed : int
            Of the clusters, and of which one is taken.

        Returns
        -------
        Subunit
            The likelihood of these data, without sigma.

        Raises
        ------
        ValueError
            For more points than the cloud has.

        Notes
        -----
        Paper: section 4.2.
        """
        from sklearn.cluster import KMeans

        points = check_points("points", points)
        n_points, seed = check_integer("n_points", n_points), check_seed("seed", seed)
        if n_points > len(points):
            raise ValueError(f"n_points must be at most the number of points, {len(points)}, got {n_points}.")
        n_clusters = max(1, round(len(points) / n_points))
        labels = KMeans(n_clusters, n_init=1, random_state=seed).fit(points.detach().cpu().numpy()).labels_
        chosen = int(torch.randint(n_clusters, (1,), generator=as_generator(seed)))
        return Subunit(points[torch.from_numpy(labels == chosen)])

    @property
    def n_observed(self) -> int:
        """Its points."""
        return self.points.shape[-2]

    def energy(self, x0: Tensor) -> Tensor:
        """(b, n, 3) -> (b,)."""
        self._check_placed()
        x0 = check_points("x0", x0, batched=True)
        self._check_size(x0.shape[1])
        index = assign(x0, self.points).index
        taken = index >= 0
        points = self.points.to(x0).expand(len(x0), -1, -1)
        matched = points.gather(1, index[taken].view(len(x0), -1, 1).expand(-1, -1, 3))
        return half_mean_square(x0[taken].view_as(matched) - matched)

    def placed_at(self, placements: Tensor) -> Subunit:
        """The same part of a batch of clouds, in each of which it lies as its placement says.

        Parameters
        ----------
        placements : Tensor
            (b, 4, 3), or (4, 3) for a single one: a rotation R above a shift t. The points y lie at y R + t.

        Returns
        -------
        Subunit
            Placed.
        """
        return changed(self, points=place(self.points, placements), placed=True)

    def log_prob(self, x0: Tensor) -> Tensor:
        """log p(y | x0) with noise sigma, (b,); see `gaussian_log_prob`. Raises ValueError without sigma."""
        return gaussian_log_prob(self.energies(x0), [self.points.shape[-2]], 3, self.sigma)

    def simulate(self, x0: Tensor, generator: torch.Generator) -> Subunit:
        """New data for one cloud x0 (n, 3): the L points nearest to a random one of it, with noise sigma."""
        self._check_placed()
        sigma = check_given(self.sigma)
        x0 = check_points("x0", x0)
        self._check_size(len(x0))
        nearest = (x0 - resample(x0, 1, generator)).square().sum(dim=1).topk(len(self.points), largest=False).indices
        return Subunit(noisy(x0[nearest], sigma, generator), sigma)

    def _check_placed(self) -> None:
        if not self.placed:
            raise ValueError(
                "placed must be True for an energy: only sample() and iterate() find where the subunit lies."
            )

    def _check_size(self, n: int) -> None:
        if self.points.shape[-2] > n:
            raise ValueError(f"x0 must have at least the subunit's {self.points.shape[-2]} points, got {n}.")
