"""Which atoms are those of a protein or nucleic acid: by entities, names of residues, and bonds along the chain."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dpskit.data.atomic.table import AtomTable, combine

PROTEIN, NUCLEIC, WATER, ION, OTHER = range(5)
WATERS = frozenset(("HOH", "WAT", "DOD", "H2O", "OH2", "HHO", "SOL", "T3H", "T4E", "W", "PW", "WF", "WN"))
WATER_MODELS = re.compile(r"(TIP|SPC|OPC|SWM|TP[345]|T[345]P)", re.IGNORECASE)  # with something behind, or without
WATER_OXYGENS = frozenset(("OW", "OH2"))
BACKBONE = ("N", "CA", "C", "P", "O3'")  # atoms that are bonded to the next residue
SUGAR = ("C1'", "C2'", "C3'", "C4'", "C5'")
BOND, TRACE_PROTEIN, TRACE_NUCLEIC = 2.2, 4.5, 8.0  # angstrom: a bond of the backbone, and CA to CA, P to P
SAME_PLACE = 2.0  # angstrom: two atoms of one name in one residue closer than this are one atom in two places


@dataclass(frozen=True, eq=False)
class _Residues:
    """R residues in the order of the file: the first atom of each, and what decides. kind: PROTEIN, NUCLEIC, WATER or
    OTHER by name; ion: one atom, after which the residue is called; candidate: could be a part of a polymer; standard:
    one of the twenty amino acids or eight nucleotides; complete: has its whole backbone; at: names of atoms to their
    positions (R, 3), NaN where there is none."""

    start: np.ndarray
    of_atom: np.ndarray
    segment: np.ndarray
    hetero: np.ndarray
    size: np.ndarray
    ion: np.ndarray
    kind: np.ndarray
    standard: np.ndarray
    candidate: np.ndarray
    complete: np.ndarray
    at: dict[str, np.ndarray]


def is_hydrogen(table: AtomTable) -> np.ndarray:
    """(N,) which atoms are hydrogen or deuterium.

    In the usual amino acids and nucleotides, and where the file gives no element, by the first letter of the name, in
    others by the element: so neither HG of serine is mercury nor a mercury ion a hydrogen. Q begins the names of points
    that stand for several hydrogens.
    """
    import gemmi

    by_name = table.name.map(lambda name: name.lstrip("0123456789'\"*")[:1].upper() in ("H", "D", "Q")).astype(bool)
    known = table.element.map(lambda element: element.upper() == "X" or gemmi.Element(element).name != "X").astype(bool)
    by_element = table.element.map(lambda element: element.upper() in ("H", "D")).astype(bool)
    usual = table.residue.map(lambda name: gemmi.find_tabulated_residue(name).is_standard()).astype(bool)
    named = table.name.map(bool).astype(bool)
    return np.where(named & (usual | ~known), by_name, by_element)


def other_locations(table: AtomTable) -> np.ndarray:
    """(N,) which atoms are in an alternate location that is not the first one listed.

    Of two atoms of one name in one residue the second is one if either is marked so, or if they stand so close that
    only one of them can be there; and so are the atoms of another residue under the same number, if marked. A copy of
    a chain under the same name is none.
    """
    segment, marked = table.segments(), table.marked()
    residue = combine([segment, table.number.codes])
    atom = combine([segment, table.number.codes, table.name.codes])
    first, of = np.unique(atom, return_index=True, return_inverse=True)[1:]
    first = first[of]
    repeated = (first != np.arange(len(table))) & ~table.name.isin({""})
    if not repeated.any() and not marked.any():
        return repeated
    run = np.cumsum(table.changes(segment, table.number.codes, table.residue.codes))
    apart = np.linalg.norm(table.xyz - table.xyz[first], axis=1)
    within = (run == run[first]) & ((apart < SAME_PLACE) | (not table.has_altloc))
    head, of = np.unique(residue, return_index=True, return_inverse=True)[1:]
    head = head[of]
    another = (table.residue.codes != table.residue.codes[head]) & (marked | marked[head])
    return (repeated & (marked | marked[first] | within)) | another


def atom_kinds(table: AtomTable, entities: Mapping[str, str]) -> np.ndarray:
    """(N,) PROTEIN, NUCLEIC, WATER, ION or OTHER for each heavy atom of `table`, each in one location.

    Water goes by the name of the residue. Where the file has an entity of a residue (`entities`: types by id), a
    polymer's counts if it is in its sequence or has the name or the backbone of an amino acid or nucleotide, and none
    of another entity does. Elsewhere the usual amino acids and nucleotides count, others (HETATM, modified) if they
    stand between such residues or are bonded to one along the backbone, as do groups that end a chain. A residue that
    makes a chain of its own, complete and bonded to none, is a ligand if there are longer chains.
    """
    if len(table) == 0:
        return np.zeros(0, dtype=int)
    residues = _residues(table)
    known = table.entity[residues.start].map(lambda name: entities.get(name, ""))
    if not (known == "polymer").any():
        known = np.full(len(known), "")
    water = (residues.kind == WATER) | (known == "water")
    counted = table.in_sequence[residues.start] & ~((residues.kind == OTHER) & (residues.size == 1))
    polymer = np.where(known == "", _by_bonds(table, residues), (known == "polymer") & (residues.candidate | counted))
    polymer &= ~water
    kind = np.where(polymer, np.where(residues.kind == NUCLEIC, NUCLEIC, PROTEIN), OTHER)
    kind[~polymer & residues.ion] = ION
    kind[water] = WATER
    return kind[residues.of_atom]


def _residues(table: AtomTable) -> _Residues:
    import gemmi

    starts = table.changes(table.subchain.codes, table.part, table.number.codes, table.residue.codes)
    start, of_atom = np.flatnonzero(starts), np.cumsum(starts) - 1
    count = len(start)
    name = table.name.map(lambda text: text.replace("*", "'"))
    at, has = {}, {}
    for atom in (*BACKBONE, "O", *SUGAR):
        rows = np.flatnonzero(name == atom)
        has[atom] = np.zeros(count, dtype=bool)
        has[atom][of_atom[rows]] = True
        if atom in BACKBONE:
            at[atom] = np.full((count, 3), np.nan)
            at[atom][of_atom[rows]] = table.xyz[rows]
    size = np.bincount(of_atom, minlength=count)
    names = table.residue[start]

    def kind_of(residue: str) -> int:
        info = gemmi.find_tabulated_residue(residue)
        if residue.upper() in WATERS or WATER_MODELS.match(residue) or info.is_water():
            return WATER
        return NUCLEIC if info.is_nucleic_acid() else PROTEIN if info.is_amino_acid() else OTHER

    kind = names.map(kind_of)
    peptide = has["N"] & has["CA"] & has["C"]
    sugar = np.sum([has[atom] for atom in SUGAR], axis=0) >= 3
    kind[(kind == OTHER) & peptide] = PROTEIN
    kind[(kind == OTHER) & sugar] = NUCLEIC
    unknown = names.isin({"UNK"}) & ~has["CA"]
    pairs = zip(names.values().tolist(), name[start].tolist(), size.tolist(), strict=True)
    kind[(size == 1) & np.isin(name[start], [*WATER_OXYGENS])] = WATER
    ion = np.array([n == 1 and _letters(residue).startswith(_letters(atom)) for residue, atom, n in pairs], dtype=bool)
    ion &= kind == OTHER  # C1' alone is a part of cytidine, whose name is C
    candidate = ((kind == PROTEIN) | (kind == NUCLEIC)) & ~unknown
    standard = names.map(lambda residue: gemmi.find_tabulated_residue(residue).is_standard()).astype(bool) & candidate
    hetero = np.maximum.reduceat(table.hetero, start)
    complete = (peptide & has["O"]) | sugar
    segment = table.segments()[start]
    return _Residues(start, of_atom, segment, hetero, size, ion, kind, standard, candidate, complete, at)


def _by_bonds(table: AtomTable, residues: _Residues) -> np.ndarray:
    """(R,) which residues are parts of a polymer where no entity tells."""
    usual = residues.standard & ~residues.hetero
    linked = _linked(residues)
    before, after = np.append(False, linked), np.append(linked, False)
    lengths = np.bincount(residues.segment, weights=usual)
    own_chain = (lengths[residues.segment] == 1) & residues.complete & ~before & ~after
    polymer = usual & ~(own_chain & (lengths.max() > 1))
    polymer |= residues.candidate & (before | after)
    same = residues.segment[1:] == residues.segment[:-1]
    between = np.append(False, usual[:-1] & same) & np.append(usual[1:] & same, False)
    polymer |= residues.candidate & between
    return polymer | _ends(table, residues, polymer)


def _linked(residues: _Residues) -> np.ndarray:
    """(R - 1,) whether a residue is bonded to the next along the backbone, both being candidates."""

    def near(one: str, other: str, limit: float) -> np.ndarray:
        return np.linalg.norm(residues.at[one][:-1] - residues.at[other][1:], axis=1) < limit

    trace = near("CA", "CA", TRACE_PROTEIN) & np.isnan(residues.at["C"][:-1, 0])
    trace |= near("P", "P", TRACE_NUCLEIC) & np.isnan(residues.at["O3'"][:-1, 0])
    return (near("C", "N", BOND) | near("O3'", "P", BOND) | trace) & residues.candidate[:-1] & residues.candidate[1:]


def _ends(table: AtomTable, residues: _Residues, polymer: np.ndarray) -> np.ndarray:
    """(R,) which further residues have an atom that is bonded to the backbone of a polymer beside them."""
    found = np.zeros(len(polymer), dtype=bool)
    stop = np.append(residues.start[1:], len(table))
    inner = polymer.copy()
    inner[1:] |= polymer[:-1]
    inner[:-1] |= polymer[1:]
    for k in np.flatnonzero(inner & ~polymer & (residues.kind != WATER) & (residues.size > 1)).tolist():
        xyz = table.xyz[residues.start[k] : stop[k]]
        previous = [residues.at[atom][k - 1] for atom in ("C", "O3'")] if k and polymer[k - 1] else []
        following = [residues.at[atom][k + 1] for atom in ("N", "P")] if k + 1 < len(polymer) and polymer[k + 1] else []
        found[k] = any((np.linalg.norm(xyz - place, axis=1) < BOND).any() for place in [*previous, *following])
    return found


def _letters(name: str) -> str:
    return "".join(filter(str.isalpha, name.upper())) or "-"


def composition(kinds: np.ndarray) -> str:
    """What the polymer atoms among `kinds` are, in words: "174 atoms of protein", or with nucleic acid too."""
    counts = {"protein": int((kinds == PROTEIN).sum()), "nucleic acid": int((kinds == NUCLEIC).sum())}
    found = [f"{count:,} atoms of {name}" for name, count in counts.items() if count]
    return re.sub(r"(.*) and ([\d,]+) atoms of", r"\1 and \2 of", " and ".join(found))


def count_left_out(table: AtomTable, kinds: np.ndarray) -> dict[str, int]:
    """Molecules of water, and heavy atoms of ions and of ligands, which are all the rest."""
    water = kinds == WATER
    oxygen = table.name.map(lambda name: name[:1].upper() == "O").astype(bool)
    molecules = int((water & oxygen).sum()) or int(water.sum())
    return {"water": molecules, "ions": int((kinds == ION).sum()), "ligands": int((kinds == OTHER).sum())}
