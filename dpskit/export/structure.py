"""Write samples as a multi-model structure file that ChimeraX and Mol* open."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from dpskit.checks import check_points
from dpskit.cloud import Frame
from dpskit.evaluation.spread import point_spread
from dpskit.files import replacing

if TYPE_CHECKING:
    import gemmi

CHAIN_LENGTH = 9_999  # of a PDB file: residue numbers have four columns
CHAIN_NAMES = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
PDB_ATOMS = 99_999  # serial numbers have five
PDB_MODELS = 9_999


def export_structure(samples: Any, path: str | Path, *, frame: Frame, spread: Tensor | None = None) -> None:
    """Write `samples` to `path`, one model each: mmCIF if it ends in .cif, PDB if in .pdb.

    samples: (s, n, 3) in cube coordinates, or an object with such `points`; `frame` maps them to angstrom.
    spread: (n,) in cube coordinates, for points that correspond across samples already. Without it the points of every
        sample are matched and reordered, and their spread computed, by `point_spread`.

    A point is written as one sodium ion (residue and atom NA), because viewers draw no bonds between ions; its number
    is the same in all models, and its B factor is the spread in angstrom. The file appears only when it is complete.
    Raises ValueError on another suffix, and on what does not fit into the columns of a PDB file.
    """
    import gemmi

    path = Path(path)
    if not isinstance(frame, Frame):
        raise TypeError(f"frame must be a Frame, got {type(frame).__name__}.")
    if path.suffix not in (".cif", ".pdb"):
        raise ValueError(f"path must end in .cif or .pdb, got {path}.")
    points = check_points("samples", getattr(samples, "points", samples), batched=True)
    if spread is None:
        points, spread = point_spread(points)
    spread = torch.as_tensor(spread)
    if spread.shape != points.shape[1:2]:
        raise ValueError(f"spread must have shape ({points.shape[1]},), got {tuple(spread.shape)}.")
    if not bool(((spread >= 0) & spread.isfinite()).all()):
        raise ValueError("spread must be finite and not negative, got a value that is not.")
    coordinates = frame.to_physical(points.detach().cpu().double()).numpy()
    if path.suffix == ".pdb":
        _check_pdb(coordinates)
    b_factors = spread.detach().cpu().double().numpy() * frame.scale
    structure = _structure(coordinates, b_factors, CHAIN_LENGTH if path.suffix == ".pdb" else len(b_factors))
    with replacing(path) as part:
        if path.suffix == ".cif":
            groups = gemmi.MmcifOutputGroups(True, cell=False, symmetry=False)
            structure.make_mmcif_document(groups).write_file(str(part))
        else:
            structure.write_pdb(str(part))


def _check_pdb(coordinates: np.ndarray) -> None:
    models, atoms, _ = coordinates.shape
    if atoms > PDB_ATOMS or models > PDB_MODELS:
        held = f"{PDB_MODELS:,} models of {PDB_ATOMS:,} atoms"
        raise ValueError(f"a PDB file holds at most {held}, got {models:,} of {atoms:,}: export as .cif instead.")
    if coordinates.min() <= -999.9995 or coordinates.max() >= 9999.9995:
        extent = f"{coordinates.min():.0f} to {coordinates.max():.0f}"
        raise ValueError(f"a PDB file holds coordinates from -999 to 9999 angstrom, got {extent}: export as .cif.")


def _structure(coordinates: np.ndarray, b_factors: np.ndarray, chain_length: int) -> gemmi.Structure:
    """One model for each cloud of `coordinates` (s, n, 3), with B factors (n,), in chains of `chain_length` beads."""
    import gemmi

    structure = gemmi.Structure()
    structure.name = "dpskit"
    structure.info["_struct.title"] = "Samples of dpskit: one model each, B factor is the spread per point in angstrom"
    for number, cloud in enumerate(coordinates.tolist(), start=1):
        model = gemmi.Model(number)
        for name, start in zip(CHAIN_NAMES, range(0, len(cloud), chain_length), strict=False):
            chain = gemmi.Chain(name)
            part = slice(start, start + chain_length)
            for index, bead in enumerate(zip(cloud[part], b_factors[part].tolist(), strict=True), start=1):
                chain.add_residue(_bead(name, index, *bead))
            model.add_chain(chain)
        structure.add_model(model)
    entity = gemmi.Entity("1")
    entity.entity_type = gemmi.EntityType.NonPolymer
    entity.subchains = [chain.name for chain in structure[0]]
    structure.entities.append(entity)
    return structure


def _bead(chain: str, number: int, position: list[float], b_factor: float) -> gemmi.Residue:
    """A residue of one sodium ion, `number` in its chain."""
    import gemmi

    atom = gemmi.Atom()
    atom.name, atom.element, atom.b_iso, atom.occ = "NA", gemmi.Element("Na"), b_factor, 1.0
    atom.pos = gemmi.Position(*position)
    residue = gemmi.Residue()
    residue.name, residue.seqid, residue.het_flag = "NA", gemmi.SeqId(number, " "), "H"
    residue.entity_type, residue.entity_id, residue.subchain = gemmi.EntityType.NonPolymer, "1", chain
    residue.add_atom(atom)
    return residue
