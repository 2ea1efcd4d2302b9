"""Scores of reconstructions against the truth, in the units of the paper's tables."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dpskit.cloud import Frame
from dpskit.evaluation.alignment import overlay, rmsd_to_points
from dpskit.evaluation.distances import chamfer_distance, earth_movers_distance


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of s samples, (s,) each.

    Parameters
    ----------
    cd, emd : Tensor
        Chamfer and earth mover's distance, in the cube.
    energy : Tensor or None
        E of the data; None without data.
    rmsd : Tensor or None
        In the frame's unit; None for shapes without a physical size.
    unit : str
        The symbol of the frame's unit.
    """

    cd: Tensor
    emd: Tensor
    energy: Tensor | None
    rmsd: Tensor | None
    unit: str = "Å"

    def columns(self) -> dict[str, Tensor]:
        """The values as tables print them.

        Returns
        -------
        dict of str and Tensor
            (s,) under their names, CD and EMD times 100 and E times 1000.
        """
        columns = {"CD x 100": 100 * self.cd, "EMD x 100": 100 * self.emd}
        if self.energy is not None:
            columns["E x 1000"] = 1000 * self.energy
        if self.rmsd is not None:
            columns[f"RMSD ({self.unit})"] = self.rmsd
        return columns

    def means(self) -> dict[str, float]:
        """Means over the samples.

        Returns
        -------
        dict of str and float
            Under the names of `columns`.
        """
        return {name: float(values.mean()) for name, values in self.columns().items()}


def score(points: Tensor, truth: Tensor, energy: Tensor | None = None, frame: Frame | None = None) -> Scores:
    """Scores of clouds against a truth, both in the cube.

    Parameters
    ----------
    points : Tensor
        (s, n, 3).
    truth : Tensor
        (n, 3).
    energy : Tensor, optional
        (s,), to be listed with the others.
    frame : Frame, optional
        Of an object with a physical size, for the RMSD to the points of the truth, after `overlay`.

    Returns
    -------
    Scores
        Of every cloud.

    Notes
    -----
    Paper: section 4.3; Table 1 for CD, EMD and E.
    """
    cd, emd = chamfer_distance(points, truth), earth_movers_distance(points, truth)
    if frame is None:
        return Scores(cd, emd, energy, None)
    rmsd = rmsd_to_points(overlay(points, truth), truth) * frame.scale
    return Scores(cd, emd, energy, rmsd, frame.symbol)


def mean_and_deviation(values: Tensor) -> tuple[float, float]:
    """Mean and standard deviation over samples; the deviation of a single one is 0."""
    values = torch.as_tensor(values, dtype=torch.float64)
    return float(values.mean()), float(values.std(correction=0))
