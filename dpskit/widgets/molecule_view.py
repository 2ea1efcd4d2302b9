"""Point-cloud samples laid over an atomic model, in nglview."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from dpskit.checks import check_points
from dpskit.cloud import Frame

if TYPE_CHECKING:
    import nglview

SAMPLE_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
"""Okabe and Ito's colours, which colour-blind readers can tell apart."""


def molecule_view(
    structure_path: str | Path, points: Tensor, frame: Frame, *, size: str = "720px"
) -> nglview.NGLWidget:
    """The atomic model as a cartoon, and each sample of `points` (s, n, 3) in cube coordinates as beads of one colour.

    frame: maps the cube to the angstrom of the structure. The beads are written as ions, because nglview draws bonds
    between close atoms of other kinds.
    """
    import gzip

    import nglview

    path = Path(structure_path)
    text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()
    kind = "cif" if ".cif" in path.suffixes else "pdb"
    view = nglview.NGLWidget()
    view.add_component(nglview.TextStructure(text, ext=kind), default_representation=False)
    view.component_0.add_representation("cartoon", color_scheme="chainid", opacity=0.55)
    for k, cloud in enumerate(check_points("points", points, batched=True)):
        beads = nglview.TextStructure(_pdb_text(frame.to_physical(cloud.double().cpu())), ext="pdb")
        view.add_component(beads, default_representation=False)
        colour = SAMPLE_COLOURS[k % len(SAMPLE_COLOURS)]
        getattr(view, f"component_{k + 1}").add_representation("spacefill", radius=1.2, color=colour)
    view._remote_call("setSize", target="Widget", args=[size, "480px"])
    view.center(component=0)
    return view


def _pdb_text(coordinates: Tensor) -> str:
    """Sodium ions in PDB format, which carry no bonds."""
    lines = [
        f"HETATM{i % 100_000:5d} NA    NA A{i % 10_000:4d}    {x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00          NA"
        for i, (x, y, z) in enumerate(coordinates.tolist(), start=1)
    ]
    return "\n".join([*lines, "END"])
