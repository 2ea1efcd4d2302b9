"""One data block of an mmCIF or BinaryCIF file, in the form that both are read into."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from dpskit.data.atomic.assemblies import MAX_COPIES, Assembly, Generator, multiply, operator_names
from dpskit.data.atomic.table import AtomTable, Labels

Rows = Callable[[str, Sequence[str]], list[tuple[str, ...]]]


class AtomColumns(Protocol):
    """The category atom_site, column by column; names without "_atom_site."; "" for what is "." or "?"."""

    @property
    def size(self) -> int:
        """The number of atoms."""

    def labels(self, name: str) -> Labels | None:
        """A column of text, None if there is none."""

    def floats(self, name: str) -> np.ndarray | None:
        """A column of finite numbers, None if there is none. Raises ValueError for others."""


@dataclass(frozen=True, eq=False)
class CifBlock:
    """rows(category, names): the rows of a small category, with "" for what is not given or has no such column."""

    name: str
    atoms: AtomColumns | None
    rows: Rows


def atom_table(block: CifBlock) -> tuple[AtomTable, int]:
    """The atoms of the first model of `block`, and the number of models.

    Where the author's column is missing the label's stands in, and the other way round. Raises ValueError that names
    the column for what cannot be done without: coordinates, and names of residues.
    """
    atoms = block.atoms
    if atoms is None:
        raise ValueError("it has no category _atom_site")
    size = atoms.size

    def label(*names: str, needed: bool = False) -> Labels:
        for name in names:
            found = atoms.labels(name)
            if found is not None and bool((found.names != "").any()):
                return found
        if needed:
            raise ValueError(f"it must have the column _atom_site.{names[0]}")
        return Labels.same("", size)

    xyz = []
    for axis in "xyz":
        column = atoms.floats(f"Cartn_{axis}")
        if column is None:
            raise ValueError(f"it must have the column _atom_site.Cartn_{axis}")
        xyz.append(column)
    number = label("auth_seq_id", "label_seq_id")
    insertion = label("pdbx_PDB_ins_code")
    if (insertion.names != "").any():
        number = Labels.of([a + b for a, b in zip(number.values().tolist(), insertion.values().tolist(), strict=True)])
    model = label("pdbx_PDB_model_num")
    table = AtomTable(
        np.column_stack(xyz),
        label("group_PDB").isin({"HETATM", "hetatm"}),
        label("type_symbol"),
        label("label_atom_id", "auth_atom_id"),
        label("label_alt_id"),
        label("label_comp_id", "auth_comp_id", needed=True),
        number,
        label("auth_asym_id", "label_asym_id"),
        label("label_asym_id", "auth_asym_id"),
        label("label_entity_id"),
        ~label("label_seq_id").isin({""}),
        np.zeros(size, dtype=int),
        atoms.labels("label_alt_id") is not None,
    )
    models = len(np.unique(model.codes))
    return (table.take(model.codes == model.codes[0]) if models > 1 else table), models


def entity_types(block: CifBlock) -> dict[str, str]:
    """The type of each entity that `block` describes: "polymer", "water", "non-polymer", "polysaccharide" ..."""
    types = {name: kind.lower() for name, kind in block.rows("entity", ("id", "type")) if kind}
    for name, kind in block.rows("entity_poly", ("entity_id", "type")):
        types[name] = "polysaccharide" if "saccharide" in kind.lower() else "polymer"
    return types


def first_assembly(block: CifBlock) -> Assembly | None:
    """The first biological assembly of `block`, None if it describes none.

    It is the first of pdbx_struct_assembly, or of pdbx_struct_assembly_gen where that lists none that is made there.
    Raises ValueError for operators that are not described, or twice, and for an assembly without operators or chains.
    """
    names = ("assembly_id", "oper_expression", "asym_id_list")
    made = [row for row in block.rows("pdbx_struct_assembly_gen", names) if any(text.strip() for text in row)]
    listed = [name for (name,) in block.rows("pdbx_struct_assembly", ("id",)) if any(row[0] == name for row in made)]
    if not made:
        return None
    first = listed[0] if listed else made[0][0]
    operators = _operators(block)
    same: dict[bytes, str] = {}  # of operators that are equal the first one
    names_of = {name: same.setdefault((matrix.round(4) + 0.0).tobytes(), name) for name, matrix in operators.items()}
    generators = []
    for name, expression, chains in made:
        if name == first:
            listed_chains = frozenset(re.split(r"[\s,;]+", chains.strip(" \t\n,;")))
            if not (expression.strip() and any(listed_chains)):
                raise ValueError(f"its assembly {name} must have operators and chains (read it with assembly=False)")
            copies = {"*".join(map(names_of.__getitem__, factors)): factors for factors in _some(expression, operators)}
            found = {name: multiply(factors, operators) for name, factors in copies.items()}
            generators.append(Generator(listed_chains, found))
    return Assembly(first, tuple(generators))


def _some(expression: str, operators: dict[str, np.ndarray]) -> Iterator[tuple[str, ...]]:
    for count, factors in enumerate(operator_names(expression, operators), start=1):
        if count > MAX_COPIES:
            raise ValueError(f"its assembly must have at most {MAX_COPIES:,} copies of a chain")
        yield factors


def _operators(block: CifBlock) -> dict[str, np.ndarray]:
    """Those of pdbx_struct_oper_list whose twelve numbers are there, as (3, 4)."""
    names = [f"matrix[{i}][{j}]" if j < 4 else f"vector[{i}]" for i in (1, 2, 3) for j in (1, 2, 3, 4)]
    found: dict[str, np.ndarray] = {}
    for name, *values in block.rows("pdbx_struct_oper_list", ("id", *names)):
        try:
            matrix = np.array([float(value) for value in values]).reshape(3, 4)
        except ValueError:
            continue
        if np.isfinite(matrix).all():
            if name in found and not np.allclose(found[name], matrix, atol=1e-4):
                raise ValueError(f"it must describe operator {name} once, and does so twice")
            found[name] = matrix
    return found
