"""Write samples as a multi-model structure file that ChimeraX and Mol* open."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from dpskit.checks import check_choice, check_kind, check_path, check_points
from dpskit.cloud import Frame
from dpskit.evaluation.spread import medoid, point_spread
from dpskit.files import replacing
from dpskit.version import __version__

if TYPE_CHECKING:
    import gemmi

CHAIN_LENGTH = 9_999  # of a PDB file: residue numbers have four columns
CHAIN_NAMES = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
PDB_ATOMS = 99_999  # serial numbers have five
PDB_MODELS = 9_999
PDB_B = 999.99  # six columns


def export_structure(
    samples: Any, path: str | Path, *, frame: Frame, spread: Tensor | None = None, models: str = "all"
) -> None:
    """Write samples as a multi-model structure file: mmCIF if it ends in .cif, PDB if in .pdb.

    Parameters
    ----------
    samples : Samples or Tensor
        (s, n, 3) in cube coordinates, or an object with such `points`. Settings, seed and version that it has are
        written into an mmCIF file, as items of the category "dpskit" and of "software".
    path : str or Path
        The file; it appears only when it is complete.
    frame : Frame
        Maps the cube to angstrom.
    spread : Tensor, optional
        (n,) in cube coordinates, for points that correspond across samples already. Without it the points of every
        sample are matched and reordered, and their spread computed, by `point_spread`.
    models : str
        "all", or "medoid": only the sample nearest to all others, as the one that represents them.

    Raises
    ------
    ValueError
        Another suffix, or what does not fit into the columns of a PDB file.

    Notes
    -----
    A point stands for many atoms, and is written as what the PDB has for unknown ones: residue UNX, atom UNK, element
    X. Its number is the same in all models. The B factor is 8 pi^2 u^2 / 3 with the spread u, the root mean square
    displacement, in angstrom, as an isotropic displacement would give; in a PDB file at most 999.99 (u = 6.2).

    Examples
    --------
    >>> import dpskit, pathlib
    >>> structure = dpskit.load_example("ruvab")
    >>> dpskit.export_structure(structure.points[None], "ruvab.cif", frame=structure.frame)
    >>> pathlib.Path("ruvab.cif").read_text().count("HETATM")
    1024
    """
    path = check_path("path", path)
    check_kind("frame", frame, Frame)
    if path.suffix not in (".cif", ".pdb"):
        raise ValueError(f"path must end in .cif or .pdb, got {path}.")
    check_choice("models", models, ["all", "medoid"])
    points = check_points("samples", getattr(samples, "points", samples), batched=True)
    if spread is None:
        points, spread = point_spread(points)
    spread = torch.as_tensor(spread)
    if spread.shape != points.shape[1:2]:
        raise ValueError(f"spread must have shape ({points.shape[1]},), got {tuple(spread.shape)}.")
    if not bool(((spread >= 0) & spread.isfinite()).all()):
        raise ValueError("spread must be finite and not negative, got a value that is not.")
    points = points if models == "all" else points[medoid(points)].unsqueeze(0)
    coordinates = frame.to_physical(points.detach().cpu().double()).numpy()
    b_factors = b_factor(spread.detach().cpu().double().numpy() * frame.scale)
    is_pdb = path.suffix == ".pdb"
    if is_pdb:
        _check_pdb(coordinates)
        b_factors = np.minimum(b_factors, PDB_B)
    structure = _structure(coordinates, b_factors, CHAIN_LENGTH if is_pdb else len(b_factors))
    structure.info["_struct.title"] = f"{TITLES[models]}; points of no atoms, B = 8 pi^2 u^2 / 3 of their spread u"
    text = structure.make_pdb_string() if is_pdb else _document(structure, samples).as_string()
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")  # unlike gemmi's own writers, this notices a full disk


TITLES = {"all": "Samples of dpskit, one model each", "medoid": "The medoid of the samples of dpskit"}


def b_factor(spread: np.ndarray) -> np.ndarray:
    """8 pi^2 u^2 / 3 for the root mean square displacement u in three dimensions."""
    return 8 * math.pi**2 / 3 * np.square(spread)


def _document(structure: gemmi.Structure, samples: Any) -> gemmi.cif.Document:
    """The mmCIF document, with how the samples came to be."""
    import gemmi

    document = structure.make_mmcif_document(gemmi.MmcifOutputGroups(True, cell=False, symmetry=False))
    block = document.sole_block()
    version = str(getattr(samples, "version", __version__))
    for name, value in {"name": "dpskit", "version": version, "classification": "reconstruction"}.items():
        block.set_pair(f"_software.{name}", gemmi.cif.quote(value))
    known = dict(getattr(samples, "settings", {})) | {"seed": getattr(samples, "seed", None)}
    for name, value in known.items():
        if value is not None:
            text = value if isinstance(value, str) else json.dumps(value)
            block.set_pair(f"_dpskit.{name}", gemmi.cif.quote(text))
    return document


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
    """A residue of one unknown atom, `number` in its chain."""
    import gemmi

    atom = gemmi.Atom()
    atom.name, atom.element, atom.b_iso, atom.occ = "UNK", gemmi.Element("X"), b_factor, 1.0
    atom.pos = gemmi.Position(*position)
    residue = gemmi.Residue()
    residue.name, residue.seqid, residue.het_flag = "UNX", gemmi.SeqId(number, " "), "H"
    residue.entity_type, residue.entity_id, residue.subchain = gemmi.EntityType.NonPolymer, "1", chain
    residue.add_atom(atom)
    return residue
