"""Rotations of points in space: drawn at random, spread evenly, compared; and the principal axes of clouds."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dpskit.checks import check_array, check_integer
from dpskit.cloud import as_generator


def random_rotations(n_rotations: int, seed: int | torch.Generator = 0, *, reflections: bool = False) -> Tensor:
    """Draw rotations from the Haar measure of SO(3), or of O(3).

    Parameters
    ----------
    n_rotations : int
        How many.
    seed : int or Generator
        Rotation k of a seed is the same whatever `n_rotations`.
    reflections : bool
        O(3): half of them are rotations times -1.

    Returns
    -------
    Tensor
        (n_rotations, 3, 3).

    Raises
    ------
    ValueError
        For n_rotations below 1.

    Notes
    -----
    Four uniform numbers each: three for the quaternion, one for the sign. They are uniform because torch.randn's values
    depend on how many are drawn.

    Examples
    --------
    >>> import dpskit
    >>> rotations = dpskit.random_rotations(3, seed=0)
    >>> rotations.det()
    tensor([1.0000, 1.0000, 1.0000])
    """
    n_rotations, generator = check_integer("n_rotations", n_rotations), as_generator(seed)
    uniform = torch.rand(n_rotations, 4, generator=generator, dtype=torch.float64, device=generator.device)
    share, first, second, sign = uniform.unbind(dim=1)
    rotations = rotations_of(share, 2 * math.pi * first, 2 * math.pi * second)
    if reflections:
        rotations = rotations * torch.where(sign < 0.5, -1.0, 1.0)[:, None, None]
    return rotations.float()


def rotations_of(share: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    """(k, 3, 3) rotations by the unit quaternions (sqrt(s) sin a, sqrt(s) cos a, sqrt(1 - s) sin b, sqrt(1 - s) cos b).

    share (k,) in [0, 1], angles (k,): where all three are uniform, so are the rotations. Shoemake, in Graphics Gems III
    (1992).
    """
    r, q = share.sqrt(), (1 - share).sqrt()
    x, y, z, w = r * alpha.sin(), r * alpha.cos(), q * beta.sin(), q * beta.cos()
    rows = [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)]
    rows += [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)]
    rows += [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)]
    return torch.stack(rows, dim=-1).reshape(-1, 3, 3)


def even_rotations(n_rotations: int) -> Tensor:
    """(n_rotations, 3, 3) rotations spread evenly over SO(3): super-Fibonacci spirals (Alexa, CVPR 2022)."""
    s = torch.arange(n_rotations, dtype=torch.float64) + 0.5
    return rotations_of(s / n_rotations, 2 * math.pi * s / math.sqrt(2), 2 * math.pi * s / 1.533751168755204288118041)


def rotations_by(vectors: Tensor) -> Tensor:
    """(..., 3, 3) rotations by rotation vectors w (..., 3): x @ R turns row vectors by |w| radians about w."""
    x, y, z = vectors.unbind(dim=-1)
    zero = torch.zeros_like(x)
    rows = torch.stack([zero, z, -y, -z, zero, x, y, -x, zero], dim=-1)
    return torch.linalg.matrix_exp(rows.unflatten(-1, (3, 3)))


def angles_between(a: Tensor, b: Tensor) -> Tensor:
    """The angles between rotations.

    Parameters
    ----------
    a, b : Tensor
        (..., 3, 3), of both the same handedness.

    Returns
    -------
    Tensor
        (...), in degrees from 0 to 180.

    Examples
    --------
    >>> import dpskit, torch
    >>> quarter = torch.tensor([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    >>> dpskit.angles_between(torch.eye(3), quarter)
    tensor(90.)
    """
    a, b = (check_array(name, value, "(..., 3, 3)") for name, value in (("a", a), ("b", b)))
    cosine = ((a * b).sum(dim=(-2, -1)) - 1) / 2
    return torch.rad2deg(cosine.clamp(-1, 1).arccos())


def distinct_rotations(rotations: Tensor, score: Tensor, count: int, degrees: float) -> Tensor:
    """Indices of the `count` best of `rotations` (k, 3, 3) by `score` (k,) that lie at least `degrees` apart."""
    order = score.argsort(descending=True)
    sorted_rotations = rotations[order]
    free = torch.ones(len(order), dtype=torch.bool)
    kept: list[int] = []
    while len(kept) < count and free.any():
        kept.append(int(free.int().argmax()))
        trace = (sorted_rotations * sorted_rotations[kept[-1]]).sum(dim=(1, 2))
        free &= (trace < 1 + 2 * math.cos(math.radians(degrees))).cpu()
        free[kept[-1]] = False
    return order[kept]


def kept_near(found: Tensor, last: Tensor, stated: Tensor, degrees: float) -> Tensor:
    """Rotations `found` (b, 3, 3), or the `last` ones where those differ by more than `degrees` from the one stated."""
    return torch.where((angles_between(found, stated) <= degrees)[:, None, None], found, last)


def fitted_rotation(x: Tensor, y: Tensor) -> Tensor:
    """The proper rotation R (3, 3) for which x @ R (n, 3) is nearest to the partners y (n, 3): Kabsch's algorithm."""
    u, _, v = torch.linalg.svd(x.T @ y)
    return u @ torch.diag(torch.tensor([1.0, 1.0, float(torch.linalg.det(u @ v))])) @ v


def principal_axes(x: Tensor) -> Tensor:
    """Rotations (b, 3, 3) whose columns are the principal axes of clouds (b, n, 3): x @ axes lies along x, y and z.

    They turn with the cloud, principal_axes(x R) = R^T principal_axes(x) for every R in SO(3). By rising variance; each
    points to where the cloud has its longer tail (positive third moment), but the one with the least skewness, often
    the normal of a mirror plane, makes them right-handed. They jump where two variances or skewnesses cross, and count
    as constants in derivatives.
    """
    return _uncompiled(x) if torch.compiler.is_compiling() else _principal_axes(x)


@torch.no_grad()
def _principal_axes(x: Tensor) -> Tensor:
    with torch.autocast(x.device.type, enabled=False):
        y = x.float() - x.float().mean(dim=1, keepdim=True)
        variance, axes = torch.linalg.eigh(torch.nan_to_num(y.mT @ y / y.shape[1], 0.0, 0.0, 0.0))
        skewness = (y @ axes).pow(3).mean(dim=1) / variance.clamp(min=1e-12).pow(1.5)
        axes = axes * torch.where(skewness < 0, -1.0, 1.0).unsqueeze(1)
        hand = torch.where(torch.linalg.det(axes) < 0, -1.0, 1.0).unsqueeze(1)
        least = skewness.abs().argmin(dim=1, keepdim=True)
        return axes * torch.ones_like(skewness).scatter(1, least, hand).unsqueeze(1)


_uncompiled = torch._disable_dynamo(_principal_axes)
"""torch.compiler.disable would load the compiler, for seconds, with every `import dpskit`."""
