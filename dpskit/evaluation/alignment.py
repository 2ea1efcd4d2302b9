"""Compare a model with a structure: its scale, and root mean square deviations from points and atoms."""

from __future__ import annotations

import torch
from scipy.spatial import cKDTree
from torch import Tensor

from dpskit.checks import check_points
from dpskit.evaluation.superposition import checked_model, checked_pair, distinct_radius, superpose
from dpskit.transport.assignment import assign


def match_radius_of_gyration(model: Tensor, reference: Tensor) -> Tensor:
    """Scale a model about its centroid to the radius of gyration of a reference.

    Parameters
    ----------
    model : Tensor
        (n, 3) or (b, n, 3).
    reference : Tensor
        (m, 3).

    Returns
    -------
    Tensor
        The model scaled, of its shape.

    Raises
    ------
    ValueError
        For a wrong shape, NaN, and points that all coincide.

    Examples
    --------
    >>> import dpskit, torch
    >>> model = torch.tensor([[0.0, 0.0, 0.0], [2.0, 0.0, 0.0]])
    >>> dpskit.match_radius_of_gyration(model, [[0.0, 0.0, 0.0], [0.0, 4.0, 0.0]])
    tensor([[-1.,  0.,  0.],
            [ 3.,  0.,  0.]])
    """
    model, reference = checked_pair(model, reference)
    center = model.mean(dim=-2, keepdim=True)
    return center + (model - center) * (distinct_radius("reference", reference) / distinct_radius("model", model))


def overlay(model: Tensor, reference: Tensor) -> Tensor:
    """A model with the radius of gyration of a reference, superposed on it.

    Parameters
    ----------
    model : Tensor
        (n, 3) or (b, n, 3).
    reference : Tensor
        (m, 3).

    Returns
    -------
    Tensor
        The model moved, of its shape.

    Notes
    -----
    So the paper brings a reconstruction, whose scale is uncertain, onto the truth before it measures an RMSD. Paper:
    section 4.3.

    Examples
    --------
    >>> import dpskit
    >>> truth = dpskit.resample(dpskit.load_example("ruvab").points, 100)
    >>> moved = dpskit.overlay(0.7 * truth @ dpskit.random_rotations(1, seed=0)[0], truth)
    >>> bool(dpskit.rmsd_to_points(moved, truth) < 0.01)
    True
    """
    return superpose(match_radius_of_gyration(model, reference), reference)


def rmsd_to_atoms(model: Tensor, atoms: Tensor) -> Tensor:
    """Root mean square distance of atoms from the nearest point of a model; neither is scaled or moved.

    Parameters
    ----------
    model : Tensor
        (n, 3), or several, (b, n, 3).
    atoms : Tensor
        (N, 3), in the unit of the model.

    Returns
    -------
    Tensor
        A scalar, or (b,), in that unit.

    Raises
    ------
    ValueError
        For a wrong shape and NaN.

    Examples
    --------
    >>> import dpskit, torch
    >>> dpskit.rmsd_to_atoms(torch.zeros(1, 3), [[3.0, 0.0, 0.0], [0.0, 0.0, 4.0]])
    tensor(3.5355)
    """
    model, atoms = checked_model("model", model), check_points("atoms", atoms).detach().cpu().numpy()
    clouds = model.detach().cpu().reshape(-1, *model.shape[-2:]).numpy()
    mean = [(cKDTree(cloud).query(atoms)[0] ** 2).mean() for cloud in clouds]
    return torch.tensor(mean).sqrt().to(model).reshape(model.shape[:-2])


def rmsd_to_points(model: Tensor, points: Tensor) -> Tensor:
    """Root mean square distance of a model from points, optimally assigned; neither is scaled or moved.

    Parameters
    ----------
    model : Tensor
        (n, 3), or several, (b, n, 3).
    points : Tensor
        (n, 3), in the unit of the model.

    Returns
    -------
    Tensor
        A scalar, or (b,), in that unit.

    Raises
    ------
    ValueError
        For a wrong shape, NaN, and another number of points than the model's.

    Examples
    --------
    >>> import dpskit, torch
    >>> points = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    >>> dpskit.rmsd_to_points(points.flip(0) + torch.tensor([0.0, 0.0, 0.2]), points)
    tensor(0.2000)
    """
    model, points = checked_model("model", model), check_points("points", points)
    if model.shape[-2] != len(points):
        raise ValueError(f"points must be as many as the model's {model.shape[-2]}, got {len(points)}.")
    cost = assign(model.reshape(-1, *points.shape), points).cost
    return (cost / len(points)).sqrt().to(model).reshape(model.shape[:-2])
