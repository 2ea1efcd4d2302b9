"""An honest baseline beside maximum likelihood: the training cloud that fits the data best."""

from __future__ import annotations

import torch
from torch import Tensor

from dpskit.checks import check_integer, check_method, check_points
from dpskit.cloud import as_generator, resample
from dpskit.likelihoods.joint import Joint
from dpskit.likelihoods.protocol import Likelihood
from dpskit.likelihoods.subunit import Subunit
from dpskit.rotations import random_rotations
from dpskit.sampling.samples import Samples, describe
from dpskit.sampling.trial import trial_clouds, try_likelihood
from dpskit.version import __version__

COARSE = 64  # points of a cloud while all clouds and orientations are tried


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
        For bad settings, and for a likelihood that a trial on two clouds cannot use, before any work starts.

    Notes
    -----
    All clouds are tried with 64 of their points, or with n_points where the data have a subunit, which takes so many of
    them; the best 8 n_samples are then compared with n_points.

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
    try_likelihood(likelihood, trial_clouds(n_points, 3))
    parts = likelihood.parts if isinstance(likelihood, Joint) else [likelihood]
    n_tried = n_points if any(isinstance(part, Subunit) for part in parts) else min(COARSE, n_points)
    generator = as_generator(seed)
    energy, orientations = [], []
    for cloud in tqdm(clouds, desc="training clouds", unit="cloud", disable=not progress):
        turned = random_rotations(n_rotations, generator, reflections=reflections)
        rotations = torch.eye(3)[None] if upright else turned
        energy.append(likelihood.energy(resample(cloud, n_tried, generator) @ rotations).detach())
        orientations.append(rotations)
    order = torch.cat(energy).argsort()[: 8 * n_samples]
    chosen = [resample(clouds[int(i) // n_rotations], n_points, generator) for i in order]
    points = torch.stack(chosen) @ torch.cat(orientations)[order]
    energies = likelihood.energy(points).detach()
    best = energies.argsort()[:n_samples]
    settings = {"method": "nearest_training_cloud", "likelihood": describe(likelihood), "n_rotations": n_rotations}
    return Samples(points[best], energies[best], settings, seed, __version__)
