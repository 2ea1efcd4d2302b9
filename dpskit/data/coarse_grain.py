"""Coarse-grain an atomic structure: the means of a Gaussian mixture fitted to its atoms."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dpskit.arrays import open_npz
from dpskit.checks import check_integer, check_points, check_seed
from dpskit.cloud import Frame, normalise
from dpskit.data.cache import cache_folder
from dpskit.files import NPZ_ERRORS, replacing

METHOD = "2"  # part of the name of a cached result: raise it whenever the numbers change
MAX_START = 60_000  # k-means sees a random subset of larger structures
MAX_STEPS, TOLERANCE, RIDGE = 100, 1e-3, 1e-6  # of expectation maximisation: GaussianMixture's defaults
CHUNK = 8_192  # atoms that are weighed at once: 34 MB for 1,024 means


@dataclass(frozen=True, eq=False)
class CoarseGrainedStructure:
    """Points that stand for a structure.

    Parameters
    ----------
    points : Tensor
        (n, 3) float32, spanning [-1, 1].
    frame : Frame
        The map back to angstrom, `frame.to_physical(points)`.
    """

    points: Tensor
    frame: Frame


@dataclass(frozen=True, eq=False)
class TiedMixture:
    """A mixture of Gaussians with one covariance (3, 3): means (k, 3), weights (k,)."""

    means: np.ndarray
    weights: np.ndarray
    covariance: np.ndarray


def coarse_grain(
    atoms: Tensor, n_points: int = 1024, seed: int = 0, *, cache: bool = True, progress: bool = True
) -> CoarseGrainedStructure:
    """The means of a Gaussian mixture with a tied covariance, fitted to atoms: points that stand for a structure.

    Parameters
    ----------
    atoms : Tensor
        (N, 3), in angstrom.
    n_points : int
        How many means, at least 2.
    seed : int
        The same seed gives the same points.
    cache : bool
        Keep the result in the cache folder under a hash of the atoms and settings (see `cache_folder`), and take it
        from there the next time.
    progress : bool
        Whether to show a bar, if it takes longer than two seconds.

    Returns
    -------
    CoarseGrainedStructure
        points (n_points, 3) in the cube, and the frame that maps them back: that of the means, not of the atoms.

    Raises
    ------
    ValueError
        For fewer distinct atoms than `n_points`.

    Notes
    -----
    As in Möbius and Habeck (arXiv 2412.14897), who use scikit-learn's GaussianMixture: the same start from k-means
    (above 60,000 atoms on a random subset of 60,000), then the same expectation maximisation on all atoms, until the
    mean log likelihood gains less than 1e-3 in a step. It is written out here because a step in matrix products takes a
    tenth of the time, and can show its progress.

    Examples
    --------
    >>> import dpskit
    >>> atoms = dpskit.load_example("ruvab").atoms
    >>> coarse = dpskit.coarse_grain(atoms, n_points=20, cache=False, progress=False)
    >>> coarse.points.shape, coarse.frame.unit
    (torch.Size([20, 3]), 'angstrom')
    """
    atoms = check_points("atoms", atoms).detach().cpu()
    n_points, seed = check_integer("n_points", n_points, least=2), check_seed("seed", seed)
    path = _cached_path(atoms, n_points, seed) if cache else None
    found = _load(path) if path else None
    if found is None:
        distinct = len(torch.unique(atoms, dim=0)) if len(atoms) >= n_points else len(atoms)
        if distinct < n_points:
            raise ValueError(f"n_points must be at most the number of distinct atoms, {distinct}, got {n_points}.")
        found = _fit(atoms, n_points, seed, progress)
        if path:
            _save(found, path)
    return found


def _fit(atoms: Tensor, n_points: int, seed: int, progress: bool) -> CoarseGrainedStructure:
    from threadpoolctl import threadpool_limits

    from dpskit.progress import tqdm

    cube, frame = normalise(atoms.double())
    x = cube.float().numpy()
    gained, last = np.inf, -np.inf
    with (
        tqdm(desc=f"coarse-graining {len(x):,} atoms", unit="step", delay=2, disable=not progress) as bar,
        threadpool_limits(1),  # sums in an order that does not depend on the machine
    ):
        mixture = _k_means(x, n_points, seed)
        while bar.n < MAX_STEPS and abs(gained) > TOLERANCE:
            mixture, likelihood = _em_step(x, mixture)
            gained, last = likelihood - last, likelihood
            bar.update()
    means, inner = normalise(torch.from_numpy(mixture.means))
    center = frame.to_physical(torch.tensor(inner.center, dtype=torch.float64)).tolist()
    return CoarseGrainedStructure(means.float().clamp(-1, 1), Frame(tuple(center), frame.scale * inner.scale))


def _k_means(x: np.ndarray, n_points: int, seed: int) -> TiedMixture:
    """The mixture of the clusters that k-means finds in x (n, 3)."""
    from sklearn.cluster import KMeans

    if len(x) > MAX_START:
        x = x[np.random.default_rng(seed).choice(len(x), MAX_START, replace=False)]
    found = KMeans(n_points, n_init=1, max_iter=50, random_state=seed).fit(x)
    residual = (x - found.cluster_centers_[found.labels_]).astype(np.float64)
    weights = np.bincount(found.labels_, minlength=n_points) / len(x)
    covariance = residual.T @ residual / len(x) + RIDGE * np.eye(3)
    return TiedMixture(found.cluster_centers_.astype(np.float64), weights, covariance)


def _em_step(x: np.ndarray, mixture: TiedMixture) -> tuple[TiedMixture, float]:
    """One step of expectation maximisation on x (n, 3), and the mean log likelihood before it."""
    precision = np.linalg.inv(mixture.covariance)
    whiten = np.linalg.cholesky(precision)
    means = (mixture.means @ whiten).astype(x.dtype)
    log_weights = np.log(mixture.weights) + np.linalg.slogdet(precision)[1] / 2 - 1.5 * np.log(2 * np.pi)
    bias = (log_weights - np.square(means).sum(axis=1) / 2).astype(x.dtype)
    count, total, likelihood = np.zeros(len(means)), np.zeros((len(means), 3)), 0.0
    for start in range(0, len(x), CHUNK):
        part = x[start : start + CHUNK]
        white = part @ whiten.astype(x.dtype)
        share = white @ means.T + bias
        top = share.max(axis=1, keepdims=True)
        np.exp(share - top, out=share)
        scale = share.sum(axis=1, keepdims=True)
        share /= scale
        count, total = count + share.sum(axis=0), total + share.T @ part
        likelihood += float((np.log(scale) + top).sum() - np.square(white).sum() / 2)
    count += 10 * np.finfo(x.dtype).eps
    new = total / count[:, None]
    double = x.astype(np.float64)
    covariance = (double.T @ double - total.T @ new) / len(x) + RIDGE * np.eye(3)
    return TiedMixture(new, count / count.sum(), covariance), likelihood / len(x)


def _cached_path(atoms: Tensor, n_points: int, seed: int) -> Path:
    import sklearn

    about = f"{METHOD} {sklearn.__version__} {atoms.dtype} {n_points} {seed} "
    digest = hashlib.sha256(about.encode() + atoms.contiguous().cpu().numpy().tobytes()).hexdigest()
    return cache_folder() / "coarse_grained" / f"{digest[:32]}.npz"


def _load(path: Path) -> CoarseGrainedStructure | None:
    """The result at `path`; None if there is none, or none that can be read."""
    try:
        with open_npz(path) as file:
            frame = Frame(tuple(file["center"].tolist()), file["scale"].item())
            return CoarseGrainedStructure(torch.from_numpy(file["points"]), frame)
    except NPZ_ERRORS:
        return None


def _save(result: CoarseGrainedStructure, path: Path) -> None:
    """Keep `result`; a cache folder that cannot be written is no reason to fail."""
    frame = result.frame
    with contextlib.suppress(OSError), replacing(path) as part, open(part, "wb") as file:
        np.savez(file, points=result.points.numpy(), center=np.array(frame.center), scale=np.array(frame.scale))
