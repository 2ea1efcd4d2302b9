"""The static twin of `molecule_view`: a matplotlib picture for pages without a live kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from dpskit.checks import check_points
from dpskit.evaluation.spread import point_spread
from dpskit.plots.colours import SAMPLE_COLOURS

if TYPE_CHECKING:
    import matplotlib.figure

MAX_ATOMS = 8_000  # drawn; the same random ones each time
BEADS = 10_000  # points squared for those of a panel, a fifth of it: atoms stay in sight between them
CHAIN_COLOURS = (*SAMPLE_COLOURS, "#F0E442", "#999999")


def molecule_figure(
    atoms: Tensor, ensembles: dict[str, Tensor], chains: np.ndarray | None = None
) -> matplotlib.figure.Figure:
    """Atoms coloured by their chains, and beside them every ensemble over the atoms in grey.

    Everything is seen along the shortest principal axis of the atoms, with the longest to the right.

    Parameters
    ----------
    atoms : Tensor
        (N, 3), in angstrom.
    ensembles : dict of str and Tensor
        Title and samples (s, n, 3), in angstrom and in the frame of the atoms. A bead of a sample has the colour of its
        spread over the samples of that ensemble, on one scale for all, up to that of 95 % of the beads. A single sample
        is drawn in grey.
    chains : array of str, optional
        (N,), of the atoms.

    Returns
    -------
    matplotlib Figure
        With a panel for the atoms and one for each ensemble.

    Raises
    ------
    ValueError
        For a wrong shape and NaN.
    """
    from matplotlib.figure import Figure

    atoms = check_points("atoms", atoms).float().cpu()
    center = atoms.mean(dim=0)
    axes = torch.linalg.eigh((atoms - center).T @ (atoms - center)).eigenvectors.flip(1)
    axes[:, 2] *= torch.linalg.det(axes).sign()  # proper: the picture is no mirror image
    keep = torch.randperm(len(atoms), generator=torch.Generator().manual_seed(0))[:MAX_ATOMS]
    seen = (atoms[keep] - center) @ axes
    order = seen[:, 2].argsort()
    parts = {name: point_spread(check_points(name, x, batched=True).float().cpu()) for name, x in ensembles.items()}
    spreads = [spread for _, spread in parts.values()]
    largest = float(torch.cat(spreads).quantile(0.95)) if spreads else 0.0
    reach = 1.05 * float(seen[:, :2].abs().max())

    figure = Figure(figsize=(3.4 * (1 + len(parts)) + 0.8, 3.9), layout="constrained", dpi=130)
    panels = figure.subplots(1, 1 + len(parts), squeeze=False, sharex=True, sharey=True)[0]
    panels[0].scatter(*seen[order, :2].T, c=_chain_colours(chains, keep[order]), s=2, linewidths=0)
    panels[0].set_title("atomic model, by chain")
    beads = None
    for panel, (name, (ordered, spread)) in zip(panels[1:], parts.items(), strict=True):
        panel.scatter(*seen[order, :2].T, c="0.75", s=2, linewidths=0)
        cloud = ((ordered - center) @ axes).reshape(-1, 3)
        depth = cloud[:, 2].argsort()
        values = spread.repeat(len(ordered))[depth]
        single = len(ordered) == 1  # which has no spread
        shade = {"c": "0.35"} if single else {"c": values, "cmap": "cividis", "vmin": 0, "vmax": largest or 1.0}
        drawn = panel.scatter(*cloud[depth, :2].T, s=BEADS / len(cloud), linewidths=0, **shade)
        beads = beads if single else drawn
        panel.set_title(name)
    for panel in panels:
        panel.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xlabel="longest axis (Å)")
        panel.tick_params(labelsize=7)
    panels[0].set_ylabel("middle axis (Å)")
    if beads is not None:
        figure.colorbar(beads, ax=panels, shrink=0.8, extend="max", label="spread over the samples (Å)")
    return figure


def _chain_colours(chains: np.ndarray | None, index: Tensor) -> list[str]:
    if chains is None:
        return [CHAIN_COLOURS[0]] * len(index)
    number = {name: k for k, name in enumerate(dict.fromkeys(chains.tolist()))}
    return [CHAIN_COLOURS[number[name] % len(CHAIN_COLOURS)] for name in chains[index.numpy()].tolist()]
