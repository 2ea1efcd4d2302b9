"""How far clouds are from their nearest training cloud, whatever their pose: does a prior repeat what it was shown?"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from dpskit.checks import check_integer
from dpskit.evaluation.distances import chamfer_distance
from dpskit.evaluation.sets import check_clouds
from dpskit.evaluation.superposition import superpose
from dpskit.rotations import principal_axes

N_PAIRS = 512  # points whose pairwise distances describe a cloud
N_PROBES = 128  # points of a cloud that are held against a training cloud in each pose of the principal axes
LEAST_ALIKE, SHARE_ALIKE = 128, 0.05  # how many training clouds pass the first step
MIRROR = (-1.0, 1.0, 1.0)


def nearest_distances(
    clouds: Tensor | Sequence[Tensor],
    training: Tensor | Sequence[Tensor],
    *,
    orientation: str,
    n_candidates: int = 3,
    progress: bool = True,
) -> tuple[Tensor, Tensor]:
    """Chamfer distance (k,) of every cloud from its nearest training cloud in the best pose, and that one's number.

    Poses are random, and a search over all rotations of all training clouds would take days; so, in three steps:
    1. by what no pose changes, the distances between points and from the centroid (`shape_profile`), the twentieth of
       the training clouds that is most alike is kept, at least 128;
    2. of these, the `n_candidates` that 128 points of the cloud lie nearest to when the principal axes of both are laid
       on each other, in all 48 ways (24 if only rotated);
    3. each of them is superposed by `superpose`, which searches 4,608 rotations, and by its mirror image too if
       reflected.
    orientation: "reflected" (any pose and hand), "rotated" (any pose), or "upright": the clouds stand as those of the
    training set do, or as their mirror images, x -> -x, and only these two poses are tried, without superposing.
    Clouds that are not upright may also shift to fit. Copies are found nearly always (of 59 ModelNet chairs, drawn
    again and turned, 56 have the right one among the three); otherwise the result is an upper bound.
    """
    from dpskit.progress import tqdm

    clouds, training = check_clouds("clouds", clouds), check_clouds("training", training)
    clouds, training = [cloud.float() for cloud in clouds], [cloud.float() for cloud in training]
    n_candidates = min(check_integer("n_candidates", n_candidates), len(training))
    reading = tqdm(training, desc="profiles of the training clouds", unit="cloud", delay=2, disable=not progress)
    known = torch.stack([shape_profile(cloud) for cloud in reading])
    frame = (lambda cloud: cloud) if orientation == "upright" else on_principal_axes
    turned = [frame(cloud) for cloud in training]
    trees = [cKDTree(cloud.numpy()) for cloud in turned]
    n_alike = len(training) if orientation == "upright" else max(LEAST_ALIKE, int(SHARE_ALIKE * len(training)))
    poses = axis_poses(orientation)
    distances, numbers = [], []
    for cloud in tqdm(clouds, desc="nearest training cloud", unit="cloud", disable=not progress):
        alike = (known - shape_profile(cloud)).abs().mean(dim=1).argsort()[:n_alike].tolist()
        probes = (frame(cloud)[:N_PROBES] @ poses).numpy()
        gaps = [trees[k].query(probes.reshape(-1, 3))[0].reshape(len(poses), -1).mean(axis=1).min() for k in alike]
        order = [alike[k] for k in np.argsort(gaps)[:n_candidates]]
        posed = [pose_distance(cloud, training[k], orientation=orientation) for k in order]
        distances.append(min(posed))
        numbers.append(order[posed.index(min(posed))])
    return torch.tensor(distances), torch.tensor(numbers)


def pose_distance(a: Tensor, b: Tensor, *, orientation: str) -> float:
    """Chamfer distance of `a` (n, 3) from `b` (m, 3) in the best of the poses that `orientation` leaves open."""
    images = [a] if orientation == "rotated" else [a, a * a.new_tensor(MIRROR)]
    if orientation != "upright":
        images = [superpose(image, b) for image in images]
    return min(float(chamfer_distance(image, b)) for image in images)


def shape_profile(points: Tensor, n_quantiles: int = 64) -> Tensor:
    """Quantiles of the distances between points, and from their centroid, (2 n_quantiles,), of a cloud (n, 3).

    The mean absolute difference of two is the mean of two one-dimensional earth mover's distances. Of more than 512
    points the first 512 are paired.
    """
    grid = (torch.arange(n_quantiles, dtype=points.dtype) + 0.5) / n_quantiles
    pairs = torch.pdist(points[:N_PAIRS])
    pairs = pairs if len(pairs) else points.new_zeros(1)
    radii = (points - points.mean(dim=0)).norm(dim=1)
    return torch.cat([pairs.quantile(grid), radii.quantile(grid)])


def on_principal_axes(points: Tensor) -> Tensor:
    """The cloud (n, 3) about its centroid, turned by a proper rotation so that its principal axes are x, y and z."""
    centred = points - points.mean(dim=0)
    return centred @ principal_axes(centred[None])[0]


def axis_poses(orientation: str) -> Tensor:
    """Poses (k, 3, 3) to try: that map the axes onto each other, 24 ("rotated") or 48 ("reflected"); 2 if "upright"."""
    if orientation == "upright":
        return torch.stack([torch.eye(3), torch.tensor(MIRROR).diag()])
    signs = itertools.product((1.0, -1.0), repeat=3)
    orders = itertools.permutations(range(3))
    poses = torch.stack([torch.tensor(s).diag()[list(order)] for s, order in itertools.product(signs, orders)])
    return poses[torch.linalg.det(poses) > 0] if orientation == "rotated" else poses


def describe_nearest(samples: Sequence[float], test: Sequence[float], redrawn: Sequence[float]) -> str:
    """A Markdown table of three lists of nearest distances, and one sentence on whether the samples are copies."""
    lines = ["| CD x 10^2 from the nearest training cloud, best pose | median | least |", "|---|---|---|"]
    rows = {"samples": samples, "test clouds": test, "training clouds drawn again": redrawn}
    for name, values in rows.items():
        part = 100 * torch.tensor(values)
        lines.append(f"| {name} | {float(part.median()):.2f} | {float(part.min()):.2f} |")
    count = sum(value < min(test) for value in samples)
    lines += ["", f"{count} of {len(samples)} samples are nearer to a training cloud than any of the test clouds is."]
    return "\n".join(lines)
