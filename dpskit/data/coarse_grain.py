"""Coarse-grain an atomic structure: the means of a Gaussian mixture fitted to its atoms."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dpskit.checks import check_integer, check_points
from dpskit.cloud import Frame, normalise

MAX_ATOMS = 60_000  # the mixture is fitted to a random subset of larger structures
MAX_STEPS = 10  # of expectation maximisation; k-means has done most of the work


@dataclass(frozen=True, eq=False)
class CoarseGrainedStructure:
    """points: (n, 3) float32, spanning [-1, 1]; frame: the map back to angstrom, `frame.to_physical(points)`."""

    points: Tensor
    frame: Frame


def coarse_grain(atoms: Tensor, n_points: int = 1024, seed: int = 0) -> CoarseGrainedStructure:
    """The `n_points` means of a Gaussian mixture with a tied covariance, fitted to `atoms` (N, 3) in angstrom.

    As in Möbius and Habeck (arXiv 2412.14897): scikit-learn's GaussianMixture, here started from k-means (50 steps)
    and followed for at most 10 steps of expectation maximisation, or until the mean log likelihood gains less than
    1e-3. Above 60,000 atoms a random subset of 60,000 is fitted. The frame is that of the means, not of the atoms.
    The same seed gives the same points. Raises ValueError when there are fewer distinct atoms than `n_points`.
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture
    from threadpoolctl import threadpool_limits

    atoms = check_points("atoms", atoms)
    n_points, seed = check_integer("n_points", n_points, least=2), check_integer("seed", seed, least=0)
    distinct = len(torch.unique(atoms, dim=0)) if len(atoms) >= n_points else len(atoms)
    if distinct < n_points:
        raise ValueError(f"n_points must be at most the number of distinct atoms, {distinct}, got {n_points}.")

    cube, frame = normalise(atoms.double())
    x = cube.float().numpy()
    if len(x) > MAX_ATOMS:
        x = x[np.random.default_rng(seed).choice(len(x), MAX_ATOMS, replace=False)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        with threadpool_limits(1, user_api="openmp"):  # k-means sums in the order in which its threads finish
            start = KMeans(n_points, n_init=1, max_iter=50, random_state=seed).fit(x)
        residual = x - start.cluster_centers_[start.labels_]
        mixture = GaussianMixture(
            n_points,
            covariance_type="tied",
            max_iter=MAX_STEPS,
            init_params="random_from_data",  # unused: everything is given below
            weights_init=np.bincount(start.labels_, minlength=n_points).astype(np.float32) / len(x),
            means_init=start.cluster_centers_,
            precisions_init=np.linalg.inv(residual.T @ residual / len(x) + 1e-6 * np.eye(3, dtype=np.float32)),
            random_state=seed,
        ).fit(x)
    means, inner = normalise(torch.from_numpy(mixture.means_).double())
    center = frame.to_physical(torch.tensor(inner.center, dtype=torch.float64)).tolist()
    return CoarseGrainedStructure(means.float().clamp(-1, 1), Frame(tuple(center), frame.scale * inner.scale))
