"""Honest baselines beside maximum likelihood: a smooth cloud, and the training cloud that fits best."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from dpskit.checks import check_integer, check_method, check_number, check_points
from dpskit.cloud import as_generator, random_rotations, resample
from dpskit.likelihoods.protocol import Likelihood, start
from dpskit.sampling.maximum_likelihood import maximum_likelihood
from dpskit.sampling.samples import Samples, describe
from dpskit.version import __version__

COARSE = 64  # points of a cloud while all clouds and orientations are tried


@dataclass(frozen=True, eq=False)
class Smoothed:
    """E + weight R of a likelihood: R is the roughness of the cloud, see `roughness`."""

    likelihood: Likelihood
    weight: float
    n_neighbours: int

    def energy(self, x0: Tensor) -> Tensor:
        return self.likelihood.energy(x0) + self.weight * roughness(x0, self.n_neighbours)

    def start(self) -> Smoothed:
        return replace(self, likelihood=start(self.likelihood))


def roughness(x: Tensor, n_neighbours: int = 8) -> Tensor:
    """Half the mean squared distance of points from the centre of their nearest neighbours, (b, n, d) -> (b,).

    The graph Laplacian of the cloud, in the normalisation of the energy: it draws points onto smooth surfaces.
    """
    with torch.no_grad():
        nearest = torch.cdist(x, x).topk(n_neighbours + 1, largest=False).indices[:, :, 1:]
    neighbours = torch.stack([cloud[index] for cloud, index in zip(x, nearest, strict=True)])
    return (x - neighbours.mean(dim=2)).square().sum(dim=2).mean(dim=1) / 2


def smooth_map(
    likelihood: Likelihood,
    *,
    weight: float = 0.2,
    n_neighbours: int = 8,
    n_samples: int = 10,
    n_points: int = 1024,
    n_steps: int = 100,
    learning_rate: float = 0.01,
    seed: int = 0,
    progress: bool = True,
) -> Samples:
    """`maximum_likelihood` with a penalty on rough clouds: a prior that knows surfaces, but no shapes.

    Parameters
    ----------
    likelihood
        The data: anything with `energy`.
    weight
        Of the penalty, at least 0; 0 is maximum likelihood.
    n_neighbours
        Points that a point is drawn to the centre of, fewer than n_points.
    n_samples, n_points, n_steps, learning_rate, seed, progress
        As for `maximum_likelihood`.

    Returns
    -------
    Samples
        points (n_samples, n_points, 3), and their energies E, without the penalty.

    Raises
    ------
    ValueError, TypeError
        For bad settings, and for a likelihood that a trial on two clouds cannot use.

    Notes
    -----
    Minimises E + weight R with the `roughness` R.

    Examples
    --------
    >>> import dpskit
    >>> data = dpskit.Projections.observe(dpskit.load_example("chair").points, n_views=2, n_points=60)
    >>> fit = dpskit.smooth_map(data, n_samples=1, n_points=60, n_steps=5, progress=False)
    >>> fit.points.shape
    torch.Size([1, 60, 3])
    """
    check_method("likelihood", likelihood, "energy(x0)")
    weight = check_number("weight", weight, least=0.0)
    n_neighbours, n_points = check_integer("n_neighbours", n_neighbours), check_integer("n_points", n_points)
    if n_neighbours >= n_points:
        raise ValueError(f"n_neighbours must be less than n_points, {n_points}, got {n_neighbours}.")
    counts = {"n_samples": n_samples, "n_points": n_points, "n_steps": n_steps, "seed": seed}
    smoothed = Smoothed(likelihood, weight, n_neighbours)
    fit = maximum_likelihood(smoothed, learning_rate=learning_rate, progress=progress, **counts)
    settings = fit.settings | {"method": "smooth_map", "weight": weight, "n_neighbours": n_neighbours}
    settings["likelihood"] = describe(likelihood)
    return replace(fit, energy=likelihood.energy(fit.points).detach(), settings=settings)


def nearest_training_cloud(
    likelihood: Likelihood,
    clouds: Tensor,
    *,
    n_samples: int = 1,
    n_points: int = 1024,
    n_rotations: int = 24,
    reflections: bool = True,
    seed: int = 0,
    progress: bool = True,
) -> Samples:
    """The training clouds that fit the data best, each under random orientations: retrieval.

    Parameters
    ----------
    likelihood
        The data: anything with `energy`.
    clouds : Tensor
        (k, m, 3), those of the training.
    n_samples
        How many are returned.
    n_points
        Of each.
    n_rotations
        Orientations that each cloud is tried in; 0: only as it stands.
    reflections
        Whether the orientations come from O(3), or else from SO(3).
    seed
        Of the orientations, and of the points that are compared.
    progress
        Whether to show a bar.

    Returns
    -------
    Samples
        points (n_samples, n_points, 3), rising in energy, and their energies.

    Raises
    ------
    ValueError, TypeError
        For bad settings, and for a likelihood without `energy`.

    Notes
    -----
    All clouds are tried with 64 of their points; the best 8 n_samples are then compared with n_points.

    Examples
    --------
    >>> import dpskit, torch
    >>> chair, bench = (dpskit.load_example(name).points for name in ("chair", "bench"))
    >>> data = dpskit.Projections.observe(chair, n_views=2, n_points=200)
    >>> clouds = torch.stack([bench, chair])
    >>> found = dpskit.nearest_training_cloud(data, clouds, n_points=200, n_rotations=0, progress=False)
    >>> bool(dpskit.chamfer_distance(found.points, chair) < dpskit.chamfer_distance(found.points, bench))
    True
    """
    from dpskit.progress import tqdm

    check_method("likelihood", likelihood, "energy(x0)")
    clouds = check_points("clouds", clouds, batched=True)
    n_samples, n_points = check_integer("n_samples", n_samples), check_integer("n_points", n_points)
    upright = check_integer("n_rotations", n_rotations, least=0) == 0
    n_rotations = max(1, n_rotations)
    generator = as_generator(seed)
    energy, orientations = [], []
    for cloud in tqdm(clouds, desc="training clouds", unit="cloud", disable=not progress):
        turned = random_rotations(n_rotations, generator, reflections=reflections)
        rotations = torch.eye(3)[None] if upright else turned
        energy.append(likelihood.energy(resample(cloud, min(COARSE, n_points), generator) @ rotations).detach())
        orientations.append(rotations)
    order = torch.cat(energy).argsort()[: 8 * n_samples]
    chosen = [resample(clouds[int(i) // n_rotations], n_points, generator) for i in order]
    points = torch.stack(chosen) @ torch.cat(orientations)[order]
    energies = likelihood.energy(points).detach()
    best = energies.argsort()[:n_samples]
    settings = {"method": "nearest_training_cloud", "likelihood": describe(likelihood), "n_rotations": n_rotations}
    return Samples(points[best], energies[best], settings, seed, __version__)
