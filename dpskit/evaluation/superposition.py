"""Superpose a model on a reference by the kernel correlation of the two."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from dpskit.checks import check_points
from dpskit.rotations import distinct_rotations, even_rotations

N_ROTATIONS = 4_608  # first rotations tried, about 13 degrees apart
N_STARTS = 24  # of them refined
N_FINALISTS = 12  # of these refined on all points: a ring of eight has sixteen poses that look alike
N_LAST = 3  # of these refined to the end, since a few steps do not tell poses of a pseudo-symmetry apart
N_MODEL, N_REFERENCE = 256, 512  # points that decide among them
MAX_POINTS = 2_048  # larger clouds are superposed by a random subset
WIDTH = 0.2  # of the widest part of the kernel, in radii of gyration of the reference


@torch.no_grad()
def superpose(model: Tensor, reference: Tensor) -> Tensor:
    """Move a model rigidly onto a reference: a proper rotation and a shift, no scaling.

    Parameters
    ----------
    model : Tensor
        (n, 3) or (b, n, 3).
    reference : Tensor
        (m, 3), also of another number of points.

    Returns
    -------
    Tensor
        The model moved, of its shape.

    Raises
    ------
    ValueError
        For a wrong shape, NaN, and a reference whose points all coincide.

    Notes
    -----
    Maximises the kernel correlation sum_ij k(|R x_i + t - y_j|) of Tsin and Kanade (ECCV 2004), as in Möbius and Habeck
    (arXiv 2412.14897), where k is the sum of three Gaussians with standard deviations of 0.2, 0.1 and 0.05 radii of
    gyration of the reference: the wide one finds the way, the narrow ones settle the details. From centred clouds,
    4,608 rotations spread evenly over SO(3) are scored with the wide one; the 24 best that differ by 15 degrees are
    refined on 256 points of the model and 512 of the reference, and the twelve best of these that differ by 20 degrees
    on all, the best three to the end. Each step is a weighted Procrustes fit and can only raise the correlation. Of
    more than 2,048 points a random subset decides; it is always the same one, and so is the result.

    Examples
    --------
    >>> import dpskit
    >>> truth = dpskit.resample(dpskit.load_example("ruvab").points, 100)
    >>> moved = dpskit.superpose(truth @ dpskit.random_rotations(1, seed=0)[0] + 0.3, truth)
    >>> bool(dpskit.rmsd_to_points(moved, truth) < 0.01)
    True
    """
    model, reference = checked_pair(model, reference)
    y = _subset(reference)
    center, radius = y.mean(dim=0), distinct_radius("reference", y)
    y = (y - center) / radius
    moved = []
    with _one_thread():
        for cloud in model.reshape(-1, *model.shape[-2:]):
            x = _subset(cloud)
            middle = x.mean(dim=0)
            rotation, shift = _best_motion((x - middle) / radius, y)
            moved.append((cloud - middle) @ rotation.mT + shift * radius + center)
    return torch.stack(moved).reshape(model.shape)


@contextmanager
def _one_thread() -> Iterator[None]:
    """The arrays here are small: a second thread gains little, and on a busy machine loses much."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def checked_pair(model: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    """Both checked, in the more precise of their types."""
    model, reference = checked_model("model", model), check_points("reference", reference)
    dtype = torch.promote_types(model.dtype, reference.dtype)
    return model.to(dtype), reference.to(model.device, dtype)


def checked_model(name: str, value: Tensor) -> Tensor:
    """`value` as (n, 3), or as (b, n, 3) if it is an array of three dimensions."""
    return check_points(name, value, batched=getattr(value, "ndim", 2) == 3)


def distinct_radius(name: str, points: Tensor) -> Tensor:
    """Radius of gyration of (..., n, 3), as (..., 1, 1) for a batch; raises ValueError if it vanishes."""
    radius = (points - points.mean(dim=-2, keepdim=True)).square().sum(dim=-1).mean(dim=-1).sqrt()
    if not bool((radius > 0).all()):
        raise ValueError(f"{name} must hold distinct points, got only equal ones.")
    return radius[..., None, None] if points.ndim == 3 else radius


def _subset(points: Tensor) -> Tensor:
    order = torch.randperm(len(points), generator=torch.Generator().manual_seed(0))
    return points[order[:MAX_POINTS]]


def _best_motion(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Rotation (3, 3) and shift (3,) that maximise the kernel correlation of x (n, 3) with y (m, 3), both centred."""
    rotations = even_rotations(N_ROTATIONS).to(y)
    start = distinct_rotations(rotations, _wide_correlation(x[:N_MODEL] @ rotations.mT, y), N_STARTS, 15.0)
    rotations, shifts, score = _climb(x[:N_MODEL], y[:N_REFERENCE], rotations[start], y.new_zeros(len(start), 3), 10)
    start = distinct_rotations(rotations, score, N_FINALISTS, 20.0)
    rotations, shifts, score = _climb(x, y, rotations[start], shifts[start], 5)
    start = score.topk(min(N_LAST, len(score))).indices
    rotations, shifts, score = _climb(x, y, rotations[start], shifts[start], 20)
    best = int(score.argmax())
    return rotations[best], shifts[best]


def _wide_correlation(moved: Tensor, y: Tensor) -> Tensor:
    """Kernel correlation (k,) of the clouds `moved` (k, n, 3) with y, read from a grid of y's density."""
    half = float(y.abs().max()) + 3 * WIDTH
    cells = min(int(4 * half / WIDTH) + 1, 96)
    axis = torch.linspace(-half, half, cells).to(y)
    kernel = torch.exp(-(axis - y.unsqueeze(-1)).square() / (2 * WIDTH**2))
    plane = (kernel[:, 0, :, None] * kernel[:, 1, None, :]).flatten(start_dim=1)
    density = (plane.mT @ kernel[:, 2]).reshape(1, 1, cells, cells, cells)
    return grid_sample(density, moved.flip(-1)[None, None] / half, align_corners=True)[0, 0, 0].sum(dim=-1)


def _climb(x: Tensor, y: Tensor, rotations: Tensor, shifts: Tensor, steps: int) -> tuple[Tensor, Tensor, Tensor]:
    """Raise the kernel correlation from k starts; returns rotations (k, 3, 3), shifts (k, 3) and correlations (k,).

    exp(-u) lies above its tangent, so the fit to the means of y, weighted by -k'(u), never lowers the correlation.
    """
    means = torch.cat([y, torch.ones_like(y[:, :1])], dim=1)
    for _ in range(steps):
        wide = _wide_kernel(x @ rotations.mT + shifts.unsqueeze(1), y)
        middle = wide.square().square_()  # half the standard deviation: the fourth power
        slope = wide.add_(middle, alpha=4).add_(middle.square_().square_(), alpha=16)
        targets, weight = (slope @ means).split([3, 1], dim=-1)
        rotations, shifts = _weighted_procrustes(x, targets / weight, weight)
    wide = _wide_kernel(x @ rotations.mT + shifts.unsqueeze(1), y)
    return rotations, shifts, (wide + wide**4 + wide**16).sum(dim=(1, 2))


def _wide_kernel(moved: Tensor, y: Tensor) -> Tensor:
    """exp(-|x_i - y_j|^2 / (2 WIDTH^2)) for clouds `moved` (k, n, 3) and y (m, 3), as (k, n, m)."""
    square = moved.square().sum(dim=-1, keepdim=True) + y.square().sum(dim=-1)
    exponent = square.baddbmm_(moved, y.mT.expand(len(moved), -1, -1), beta=-0.5).div_(WIDTH**2)
    return exponent.clamp_(min=-40).exp_()  # smaller ones would become denormal numbers, which are very slow


def _weighted_procrustes(x: Tensor, targets: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Proper rotations (k, 3, 3) and shifts (k, 3) that move x (n, 3) onto targets (k, n, 3) with weights (k, n, 1)."""
    weight = weight / weight.sum(dim=1, keepdim=True)
    from_, to = (weight * x).sum(dim=1, keepdim=True), (weight * targets).sum(dim=1, keepdim=True)
    u, _, vh = torch.linalg.svd((weight * (targets - to)).mT @ (x - from_))
    sign = x.new_ones(len(targets), 3)
    sign[:, 2] = torch.linalg.det(u @ vh).sign()
    rotations = (u * sign.unsqueeze(1)) @ vh
    return rotations, (to - from_ @ rotations.mT).squeeze(1)
