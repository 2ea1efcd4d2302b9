"""Read an atomic structure: heavy polymer atoms of a PDB or mmCIF file, or of a PDB entry downloaded once."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from dpskit.checks import check_points
from dpskit.data.cache import GZIP, fetch_entry

if TYPE_CHECKING:
    import gemmi

SUFFIXES = {".cif": "mmCIF", ".mmcif": "mmCIF", ".pdb": "PDB", ".ent": "PDB"}
MAX_RESIDUE = 10_000  # atoms: alternate locations are sought among all pairs of them
MAX_BYTES = 1 << 28  # of text, unpacked: gemmi needs several times as much memory


@dataclass(frozen=True, eq=False)
class Structure:
    """Heavy polymer atoms of one model.

    atoms: (N, 3) float32, in angstrom. chains: (N,) array of author chain names; the second copy that a biological
    assembly makes of chain A is "A-2". name: the PDB code or the file's name without suffixes. assembly: name of the
    biological assembly, or None for the coordinates as deposited. left_out: what the file holds besides, as counts of
    models and, in the first of them, of atoms: in alternate locations, of hydrogen, water, and ligands. path: of the
    file. `print` it to read all this.
    """

    atoms: Tensor
    chains: np.ndarray
    name: str
    assembly: str | None = None
    left_out: dict[str, int] = field(default_factory=dict)
    path: Path | None = None

    def __str__(self) -> str:
        kind = "as deposited" if self.assembly is None else f"biological assembly {self.assembly}"
        chains = len(np.unique(self.chains))
        text = f"{self.name}: {len(self.atoms):,} heavy polymer atoms in {chains} chains, {kind}"
        left_out = ", ".join(f"{name}: {count:,}" for name, count in self.left_out.items() if count)
        return f"{text} (left out: {left_out})" if left_out else text

    def chain_atoms(self, chains: Sequence[str]) -> Tensor:
        """The atoms (n, 3) of the named chains; raises ValueError naming those that are not there."""
        return self.atoms[torch.from_numpy(self._of(chains))]

    def chain_points(self, points: Tensor, chains: Sequence[str]) -> Tensor:
        """Those of `points` (m, 3), in angstrom, whose nearest atom belongs to one of the named `chains`.

        So a subunit known by its chains becomes a part of the coarse-grained structure.
        """
        nearest = cKDTree(self.atoms.numpy()).query(check_points("points", points).numpy())[1]
        found = points[torch.from_numpy(self._of(chains)[nearest])]
        if len(found) == 0:
            raise ValueError(f"chains must hold the nearest atom of some point, but {list(chains)} hold none.")
        return found

    def _of(self, chains: Sequence[str]) -> np.ndarray:
        known = dict.fromkeys(self.chains.tolist())
        missing = [name for name in chains if name not in known]
        if missing or isinstance(chains, str) or not len(chains):
            raise ValueError(f"chains must be a list of names out of {', '.join(known)}; got {chains!r}.")
        return np.isin(self.chains, list(chains))


def read_structure(source: str | Path, *, assembly: bool = True) -> Structure:
    """Read the heavy polymer atoms of `source`: a file (.cif, .mmcif, .pdb, .ent, also .gz) or a PDB code like "7pbl".

    Only the first model counts, of alternate locations the first one listed, and of these the atoms of proteins and
    nucleic acids: no hydrogen or deuterium, water, ion or ligand. `assembly` builds the first biological assembly of
    the file; a file that describes none, and assembly=False, give the model as deposited.

    A PDB code is downloaded from the RCSB once, and kept in the folder that the environment variable DPSKIT_CACHE names
    (default: the user's cache folder).
    Raises TypeError when `source` is neither, FileNotFoundError for a missing file, ConnectionError without network,
    and ValueError for an unknown suffix, a truncated or otherwise unreadable file, one above 256 MB of text, and one
    without polymer atoms.
    """
    if not isinstance(source, str | Path):
        raise TypeError(f"source must be a path or a PDB code, got {type(source).__name__}.")
    path = fetch_entry(str(source)) if is_pdb_code(source) else Path(source)
    kind = _kind(path)
    structure, left_out = _parse(_read_text(path), kind, path)
    atoms, chains, subchains = _polymer(structure)
    if len(atoms) == 0:
        raise ValueError(f"{path} must hold heavy atoms of a protein or nucleic acid, but none were found.")
    if not np.isfinite(atoms).all():
        raise ValueError(f"{path} must hold finite coordinates, got NaN or infinity.")
    name = path.name.split(".")[0]
    made = _first_assembly(structure, atoms, chains, subchains) if assembly else None
    atoms, chains = made or (atoms, chains)
    built = structure.assemblies[0].name if made else None
    return Structure(torch.from_numpy(atoms).float(), chains, name, built, left_out, path)


def is_pdb_code(source: str | Path) -> bool:
    """Whether `source` is a code like "7pbl" rather than the path of a file."""
    return isinstance(source, str) and re.fullmatch(r"[0-9][A-Za-z0-9]{3}", source) is not None


def check_structure_files(sources: Sequence[str | Path]) -> None:
    """Raise FileNotFoundError for the first of `sources` that is neither a PDB code nor an existing file."""
    for source in sources:
        if not is_pdb_code(source):
            _check_file(Path(source))


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise FileNotFoundError(f"source must be an existing file or a PDB code, but there is no file {path}.")


def _kind(path: Path) -> str:
    """The format, "mmCIF" or "PDB", from the suffix before .gz."""
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    suffix = suffixes[-1] if suffixes else ""
    if suffix == ".bcif":
        raise ValueError(f"{path} is BinaryCIF, which gemmi does not read: bring the entry as .cif or .cif.gz.")
    if suffix not in SUFFIXES:
        known = ", ".join(SUFFIXES)
        raise ValueError(f"source must be a PDB code or a file ending in {known} (or these with .gz), got {path}.")
    return SUFFIXES[suffix]


def _read_text(path: Path) -> bytes:
    """The bytes of the file, unpacked if they are gzipped whatever the name says."""
    _check_file(path)
    with open(path, "rb") as file:
        packed = file.read(2) == GZIP
    if not packed and path.stat().st_size > MAX_BYTES:
        raise _too_long(path)
    try:
        with (gzip.open if packed else open)(path, "rb") as file:
            text = file.read(MAX_BYTES + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise ValueError(f"{path} is truncated or damaged: it could not be unpacked.") from None
    if len(text) > MAX_BYTES:
        raise _too_long(path)
    if not text.strip():
        raise ValueError(f"{path} is empty.")
    return text


def _too_long(path: Path) -> ValueError:
    return ValueError(f"{path} must hold at most {MAX_BYTES >> 20} MB of text.")


def _parse(text: bytes, kind: str, path: Path) -> tuple[gemmi.Structure, dict[str, int]]:
    """The structure in `text` with one model, one conformation and no hydrogens, and what was left out of it."""
    import gemmi

    try:
        if kind == "mmCIF":
            structure = gemmi.make_structure_from_block(gemmi.cif.read_string(text)[0])
        else:
            structure = gemmi.read_pdb_string(text.decode("latin-1"))
            if text.startswith(b"HEADER") and not text.rstrip().endswith(b"END"):
                raise ValueError("it has a HEADER, but no END")
    except (ValueError, RuntimeError, IndexError) as error:
        reason = (str(error).splitlines() or [""])[0].rstrip(".:")
        raise ValueError(f"{path} is truncated or no {kind} file: {reason}.") from None
    left_out = {"models": max(0, len(structure) - 1)}
    while len(structure) > 1:
        del structure[-1]
    largest = max((len(residue) for model in structure for chain in model for residue in chain), default=0)
    if largest > MAX_RESIDUE:
        raise ValueError(f"{path} must hold residues of at most {MAX_RESIDUE:,} atoms, got one of {largest:,}.")
    before = _count(structure)
    structure.remove_alternative_conformations()
    single = _count(structure)
    structure.remove_hydrogens()
    left_out |= {"alternate locations": before - single, "hydrogens": single - _count(structure)}
    structure.setup_entities()
    kinds = [(part.entity_type, len(part)) for chain in (structure[0] if len(structure) else []) for part in chain]
    left_out["water"] = sum(size for kind, size in kinds if kind == gemmi.EntityType.Water)
    kept = (gemmi.EntityType.Water, gemmi.EntityType.Polymer)
    left_out["ligands"] = sum(size for kind, size in kinds if kind not in kept)
    return structure, left_out


def _count(structure: gemmi.Structure) -> int:
    return structure[0].count_atom_sites() if len(structure) else 0


def _polymer(structure: gemmi.Structure) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions (N, 3), chain names (N,) and subchain names (N,) of the polymer atoms."""
    import gemmi

    positions, chains, subchains = [], [], []
    for chain in structure[0] if len(structure) else []:
        for residue in chain:
            if residue.entity_type == gemmi.EntityType.Polymer:
                positions += [atom.pos.tolist() for atom in residue]
                chains += [chain.name] * len(residue)
                subchains += [residue.subchain] * len(residue)
    atoms = np.array(positions, dtype=np.float64).reshape(-1, 3)
    return atoms, np.array(chains, dtype=str), np.array(subchains, dtype=str)


def _first_assembly(
    structure: gemmi.Structure, atoms: np.ndarray, chains: np.ndarray, subchains: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """Positions and chain names of the first biological assembly; None if the file describes none of these chains.

    PDB files list chains to be copied, mmCIF files subchains (label_asym_id).
    """
    pieces, names, copies = [], [], dict.fromkeys(chains.tolist(), 0)
    for generator in structure.assemblies[0].generators if len(structure.assemblies) else []:
        chosen = np.isin(chains, list(generator.chains)) | np.isin(subchains, list(generator.subchains))
        if not chosen.any():
            continue
        for operator in generator.operators:
            rotation = np.array(operator.transform.mat.tolist())
            pieces.append(atoms[chosen] @ rotation.T + np.array(operator.transform.vec.tolist()))
            label = {}
            for chain in dict.fromkeys(chains[chosen].tolist()):
                copies[chain] += 1
                label[chain] = chain if copies[chain] == 1 else f"{chain}-{copies[chain]}"
            names.append(np.array([label[chain] for chain in chains[chosen].tolist()], dtype=str))
    return (np.concatenate(pieces), np.concatenate(names)) if pieces else None
