"""Read an atomic structure: heavy polymer atoms of an mmCIF, BinaryCIF or PDB file, or of a downloaded PDB entry."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from dpskit.checks import check_points
from dpskit.data.atomic.assemblies import Assembly, build
from dpskit.data.atomic.binary_cif import read_binary_cif
from dpskit.data.atomic.cif_block import CifBlock, atom_table, entity_types, first_assembly
from dpskit.data.atomic.mmcif import read_mmcif
from dpskit.data.atomic.pdb import assembly_of_remarks, read_pdb
from dpskit.data.atomic.polymer import (
    NUCLEIC,
    PROTEIN,
    atom_kinds,
    composition,
    count_left_out,
    is_hydrogen,
    other_locations,
)
from dpskit.data.atomic.table import AtomTable
from dpskit.data.cache import fetch_entry
from dpskit.data.text import plain_lines
from dpskit.data.unpacked import TooMuch, check_lines, is_packed, most_rows, read_unpacked

SUFFIXES = {".cif": "mmCIF", ".mmcif": "mmCIF", ".bcif": "BinaryCIF", ".pdb": "PDB", ".ent": "PDB"}
MAX_BYTES = 1 << 28  # unpacked
MAX_RATIO = 6  # of the size unpacked to that of the file: coordinates pack to a fifth
COUNTED = {  # what was left out, in words for one and for several
    "models": ("model", "models"),
    "alternate locations": ("alternate location", "alternate locations"),
    "hydrogens": ("hydrogen", "hydrogens"),
    "water": ("water", "waters"),
    "ions": ("ion", "ions"),
    "ligands": ("atom of ligands", "atoms of ligands"),
}


@dataclass(frozen=True, eq=False)
class Structure:
    """Heavy polymer atoms of one model.

    atoms: (N, 3) float32, in angstrom. chains: (N,) array of author chain names; the second copy that a biological
    assembly makes of chain A is "A-2". name: the PDB code or the file's name without suffixes. assembly: name of the
    biological assembly, or None for the coordinates as deposited. left_out: what the file holds besides, as counts of
    models and, in the first of them, of atoms in alternate locations, hydrogens, molecules of water, ions and heavy
    atoms of ligands. contents: what the atoms are, in words. path: of the file. `print` it to read all this.
    """

    atoms: Tensor
    chains: np.ndarray
    name: str
    assembly: str | None = None
    left_out: dict[str, int] = field(default_factory=dict)
    path: Path | None = None
    contents: str = ""

    def __str__(self) -> str:
        kind = "as deposited" if self.assembly is None else f"biological assembly {self.assembly}"
        chains = len(np.unique(self.chains))
        text = f"{self.name}, {kind}, {chains} chain{'s' * (chains > 1)}: "
        text += self.contents or f"{len(self.atoms):,} heavy polymer atoms"
        left_out = ", ".join(f"{n:,} {COUNTED[name][n > 1]}" for name, n in self.left_out.items() if n)
        return f"{text}; left out: {left_out}" if left_out else text

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
    """Read the heavy polymer atoms of a structure.

    Parameters
    ----------
    source : str or Path
        A .cif, .mmcif, .bcif, .pdb or .ent file (also .gz), or a PDB code, which is downloaded from the RCSB once and
        kept in the folder that the environment variable DPSKIT_CACHE names (default: the user's cache folder).
    assembly : bool
        Build the first biological assembly of the file; a file that describes none, and False, give the model as
        deposited.

    Returns
    -------
    Structure
        atoms (N, 3) in angstrom and their chains; `print` it to see what was counted and what was left out.

    Raises
    ------
    TypeError
        For a source that is neither.
    FileNotFoundError
        For a missing file.
    ConnectionError
        Without network.
    ValueError
        For an unknown suffix, a truncated or otherwise unreadable file, coordinates that are no numbers, an assembly by
        operators that are not described, one that holds more than a file of its size can (see `docs/files.md`), and
        one without polymer atoms.

    Notes
    -----
    Only the first model counts, and of alternate locations the first one listed. Data blocks of an mmCIF file that hold
    atoms are read together.

    Of the heavy atoms those of proteins and nucleic acids are kept, whatever their records are called: where mmCIF
    tells entities, all of a polymer's that are in its sequence or look like an amino acid or nucleotide; elsewhere the
    twenty amino acids and eight nucleotides, and others that have their backbone and are bonded to a neighbour in the
    chain or stand between two, or are bonded to the end of one. Left out are water (by its many names), ions, ligands
    (a free amino acid too), lipids, sugars and polysaccharides.

    Examples
    --------
    >>> import dpskit
    >>> structure = dpskit.read_structure(dpskit.load_example("ruvab").structure_path)
    >>> structure.name, structure.atoms.shape
    ('7pbl', torch.Size([15702, 3]))
    """
    if not isinstance(source, str | Path):
        raise TypeError(f"source must be a path or a PDB code, got {type(source).__name__}.")
    path = fetch_entry(str(source)) if is_pdb_code(source) else Path(source).expanduser()
    kind = _kind(path)
    content = _read_content(path)
    name = path.name.split(".")[0]
    left_out = dict.fromkeys(COUNTED, 0)
    parts = []
    try:
        for table, made, entities, models in _tables(content, kind, assembly, path.stat().st_size):
            left_out["models"] += models - 1
            parts.append(_polymer(table, made, entities, left_out))
            if made and parts[-1][3] is None and len(parts[-1][0]):
                message = f"{path} has none of the chains of its assembly {made.name}: it is read as deposited."
                warnings.warn(message, stacklevel=2)
    except TooMuch as error:
        raise ValueError(f"{path} cannot be read: {error}.") from None
    except (ValueError, RuntimeError, IndexError) as error:
        reason = re.sub(r"^data(:[\d:()]+)?( in \S+)?: ", "", (str(error).splitlines() or [""])[0]).rstrip(".:")
        raise ValueError(f"{path} is truncated or no {kind} file: {reason}.") from None
    if not sum(len(part[0]) for part in parts):
        raise ValueError(f"{path} must hold heavy atoms of a protein or nucleic acid, but none were found.")
    atoms, chains, kinds = (np.concatenate([part[k] for part in parts]) for k in range(3))
    built = next((part[3] for part in parts if part[3] is not None), None)
    contents = composition(kinds)
    return Structure(torch.from_numpy(atoms).float(), chains, name, built, left_out, path, contents)


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
    """The format, "mmCIF", "BinaryCIF" or "PDB", from the suffix before .gz."""
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    suffix = suffixes[-1] if suffixes else ""
    if suffix not in SUFFIXES:
        known = ", ".join(SUFFIXES)
        raise ValueError(f"source must be a PDB code or a file ending in {known} (or these with .gz), got {path}.")
    return SUFFIXES[suffix]


def _read_content(path: Path) -> bytes:
    """The bytes of the file, unpacked if they are gzipped whatever the name says."""
    _check_file(path)
    limit = min(MAX_BYTES, max(MAX_RATIO * path.stat().st_size, 1 << 24)) if is_packed(path) else MAX_BYTES
    content = read_unpacked(path, limit)
    if not content.strip():
        raise ValueError(f"{path} is empty.")
    return content


def _tables(
    content: bytes, kind: str, assembly: bool, size: int
) -> Iterator[tuple[AtomTable, Assembly | None, dict[str, str], int]]:
    """The atoms of the first model of each data block, its first assembly, its entities and the number of models.

    size: of the file as it is, which says how much it may hold (BinaryCIF takes half as much for each atom). Raises
    ValueError for more.
    """
    most = most_rows(2 * size if kind == "BinaryCIF" else size)
    if kind != "BinaryCIF":
        check_lines(content, size)
    if kind == "PDB":
        table, remarks, models = read_pdb(plain_lines(content), most)
        yield table, assembly_of_remarks(remarks) if assembly else None, {}, max(models, 1)
        return
    blocks: Iterator[CifBlock] = (
        read_binary_cif(content, most) if kind == "BinaryCIF" else read_mmcif(plain_lines(content), most)
    )
    for block in blocks:
        if block.atoms is not None:
            table, models = atom_table(block)
            yield table, first_assembly(block) if assembly else None, entity_types(block), models


def _polymer(
    table: AtomTable, made: Assembly | None, entities: dict[str, str], left_out: dict[str, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, str | None]:
    """Positions, chain names and kinds of the polymer atoms, and the name of the assembly that they are.

    What is left out of the model is added to `left_out`.
    """
    whole = len(table)
    table = table.take(~other_locations(table))
    single = len(table)
    table = table.take(~is_hydrogen(table))
    left_out["alternate locations"] += whole - single
    left_out["hydrogens"] += single - len(table)
    kinds = atom_kinds(table, entities)
    for name, count in count_left_out(table, kinds).items():
        left_out[name] += count
    polymer = (kinds == PROTEIN) | (kinds == NUCLEIC)
    table, kinds = table.take(polymer), kinds[polymer]
    built = build(made, table, kinds) if made else None
    if made and built:
        return *built, made.name
    return table.xyz, table.chain.values(), kinds, None
