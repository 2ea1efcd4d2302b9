"""A structure that is known: simulated observations of it, and how far a reconstruction is from it."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from torch import Tensor

from dpskit.checks import check_points
from dpskit.data.coarse_grain import CoarseGrainedStructure
from dpskit.data.observations import Observations
from dpskit.evaluation.alignment import overlay, rmsd_to_atoms, rmsd_to_points
from dpskit.experiments.reconstruction import Reconstruction
from dpskit.experiments.scenarios import Scenario
from dpskit.likelihoods.joint import Joint
from dpskit.likelihoods.subunit import Subunit


def simulate(
    model: CoarseGrainedStructure,
    *,
    n_views: int = 4,
    n_points: int = 1024,
    coarse_points: int = 0,
    subunit: Tensor | None = None,
    seed: int = 0,
) -> Observations:
    """Simulate observations of a known structure, in angstrom, as in the paper's experiments.

    A low-resolution structure is then taken for means (see `CoarseGrained`), where the paper draws points to it.

    Parameters
    ----------
    model : CoarseGrainedStructure
        The structure, as `coarse_grain` gives it.
    n_views, n_points : int
        Number of projections, from random orientations, and of points in each.
    coarse_points : int
        Points of a low-resolution structure; 0: none.
    subunit : Tensor, optional
        (l, 3), in angstrom: a known part, such as `Structure.chain_points`.
    seed : int
        Of orientations, points and fits.

    Returns
    -------
    Observations
        What is observed.
    """
    data = Scenario("simulated", n_views, n_points, coarse_points, means=True).observe(model.points, seed)
    parts = [] if data is None else list(getattr(data, "parts", [data]))
    if subunit is not None:
        parts.append(Subunit(model.frame.to_cube(check_points("subunit", subunit))))
    return Observations.of(Joint(parts), model.frame)


@dataclass(frozen=True)
class Deviation:
    """Root mean square deviations of each sample, in angstrom: to the points and to the atoms; and the atoms' floor."""

    to_points: list[float]
    to_atoms: list[float]
    floor: float

    def __str__(self) -> str:
        points, atoms = (_mean(values) for values in (self.to_points, self.to_atoms))
        return f"RMSD {points} angstrom to the coarse-grained points, {atoms} to the atoms (floor {self.floor:.2f})"


def _mean(values: list[float]) -> str:
    """The mean, of several with their standard deviation."""
    return f"{statistics.mean(values):.2f}" + f" ± {statistics.pstdev(values):.2f}" * (len(values) > 1)


def deviation(reconstruction: Reconstruction, model: CoarseGrainedStructure, atoms: Tensor) -> Deviation:
    """How far an ensemble is from the truth, as the paper measures it: radius of gyration matched, then superposed.

    Parameters
    ----------
    reconstruction
        The ensemble.
    model
        The coarse-grained points of the truth.
    atoms
        Its atoms, (N, 3) in angstrom.

    Returns
    -------
    Deviation
        Root mean square deviations of every sample; `print` it for their means.
    """
    truth = model.frame.to_physical(model.points)
    moved = overlay(reconstruction.coordinates, truth)
    floor = float(rmsd_to_atoms(truth, atoms))
    return Deviation(rmsd_to_points(moved, truth).tolist(), rmsd_to_atoms(moved, atoms).tolist(), floor)
