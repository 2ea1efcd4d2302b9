"""Read an mmCIF file in pieces, so that a large one takes little more memory than its text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from dpskit.data.atomic.cif_block import CifBlock
from dpskit.data.atomic.cif_text import Span, split_blocks
from dpskit.data.atomic.table import LabelCoder, Labels
from dpskit.data.unpacked import TooMuch

if TYPE_CHECKING:
    import gemmi

CHUNK = 1 << 23  # bytes of atoms that gemmi parses at once: it takes up to sixteen times as much
MAX_REST = 1 << 23  # bytes of the other categories, of which it takes up to forty times as much
MAX_BLOCKS = 5_000
MAX_LINES = 4  # of a row
KEPT = frozenset((b"entity", b"entity_poly", b"struct_asym", b"pdbx_struct_assembly", b"pdbx_struct_assembly_gen",
                  b"pdbx_struct_oper_list"))  # fmt: skip
FLOATS = ("Cartn_x", "Cartn_y", "Cartn_z")
LABELS = ("group_PDB", "type_symbol", "label_atom_id", "auth_atom_id", "label_alt_id", "label_comp_id", "auth_comp_id",
          "label_asym_id", "auth_asym_id", "label_entity_id", "label_seq_id", "auth_seq_id", "pdbx_PDB_ins_code",
          "pdbx_PDB_model_num")  # fmt: skip
INSTEAD = {"auth_atom_id": "label_atom_id", "auth_comp_id": "label_comp_id"}  # read only without the latter


@dataclass
class _Atoms:
    """The columns of atom_site that are needed, filled piece by piece."""

    size: int = 0
    coders: dict[str, LabelCoder] = field(default_factory=dict)
    numbers: dict[str, list[np.ndarray]] = field(default_factory=dict)

    def labels(self, name: str) -> Labels | None:
        return self.coders[name].labels() if name in self.coders else None

    def floats(self, name: str) -> np.ndarray | None:
        return np.concatenate(self.numbers[name]) if name in self.numbers else None

    def add(self, block: gemmi.cif.Block, place: Callable[[int], str]) -> None:
        """Append the atoms of `block`; place(k) says where the k-th of them is."""
        from gemmi import cif

        size = 0
        for name in LABELS:
            column = block.find_values(f"_atom_site.{name}")
            if len(column) and not (name in INSTEAD and INSTEAD[name] in self.coders):
                self.coders.setdefault(name, LabelCoder(cif.as_string)).add(list(column))
                size = len(column)
        for name in FLOATS:
            values = list(block.find_values(f"_atom_site.{name}"))
            if values:
                self.numbers.setdefault(name, []).append(_floats(values, name, place))
                size = len(values)
        self.size += size


def _floats(values: list[str], name: str, place: Callable[[int], str]) -> np.ndarray:
    """The numbers that `values` spell, with a standard uncertainty in brackets or without."""
    from gemmi import cif

    try:
        found = np.fromiter(map(float, values), np.float64, len(values))
        if "_" in "".join(values):  # which Python takes for 10 in 1_0
            raise ValueError
    except ValueError:
        found = np.array([cif.as_number(cif.as_string(value)) for value in values])
    if not np.isfinite(found).all():
        row = int((~np.isfinite(found)).argmax())
        raise ValueError(f"{place(row)} must have a finite number in _atom_site.{name}, got {values[row]!r}")
    return found


def read_mmcif(text: bytes, most: int) -> Iterator[CifBlock]:
    """The blocks of a file one after another, with at most `most` atoms; `text` has lines that end with "\\n".

    Raises ValueError for what is no mmCIF, coordinates that are no numbers, and chains of struct_asym without atoms
    in a file that ends among its atoms; and for more atoms.
    """
    from gemmi import cif

    parts = split_blocks(text, KEPT, b"atom_site")
    if len(parts) > MAX_BLOCKS:
        raise TooMuch(f"it must have at most {MAX_BLOCKS:,} data blocks, got {len(parts):,}")
    for part in parts:
        if sum(map(len, part.kept)) > MAX_REST:
            raise TooMuch(f"it must describe entities and assemblies in at most {MAX_REST >> 20} MB")
        if len(part.tables) > 1:
            raise ValueError(f"its data block {part.name!r} must have one table of atoms, got {len(part.tables)}")
        block, atoms = cif.read_string(part.text).sole_block(), _Atoms()
        for head, rows in part.tables:
            _add_pieces(atoms, text, head, rows, most)
        if not part.tables:  # a single atom can be written without a table
            atoms.add(block, lambda row: f"atom {row + 1}")
        found = CifBlock(part.name, atoms if atoms.size else None, _rows(block))
        if any(rows[1] == len(text) for _, rows in part.tables):
            _check_complete(found)
        yield found


def _add_pieces(atoms: _Atoms, text: bytes, head: Span, rows: Span, most: int) -> None:
    """Append the atoms of a table in pieces of about `CHUNK` bytes."""
    start, stop = rows
    while start < stop:
        block, end = _parse(text, head, start, stop)
        loop = block[0].loop
        atoms.add(block, partial(_place, text, (start, end), loop.length() if loop else 0, atoms.size))
        if atoms.size > most:
            raise TooMuch(f"it must have at most {most:,} atoms")
        start = end


def _place(text: bytes, span: Span, count: int, before: int, row: int) -> str:
    """The line of a row, of `count` in a piece of `text`; if they are not one line each, its number in the table."""
    lines = text[slice(*span)].split(b"\n")
    rows = [k for k, line in enumerate(lines) if line.strip() and not line.lstrip().startswith(b"#")]
    first = text.count(b"\n", 0, span[0]) + 1
    return f"line {first + rows[row]}" if len(rows) == count else f"atom {before + row + 1}"


def _parse(text: bytes, head: Span, start: int, stop: int) -> tuple[gemmi.cif.Block, int]:
    """The rows from `start` on, and where they end: with the first line after `CHUNK` bytes that ends a row."""
    from gemmi import cif

    end, fault = start + CHUNK, None
    for _ in range(MAX_LINES):
        end = (text.find(b"\n", end, stop) + 1) or stop
        try:
            return cif.read_string(b"data_\n" + text[slice(*head)] + text[start:end]).sole_block(), end
        except (ValueError, RuntimeError) as error:
            fault = fault or error
            if end == stop:
                break
    raise ValueError(str(fault))


def _rows(block: gemmi.cif.Block) -> Callable[[str, Sequence[str]], list[tuple[str, ...]]]:
    from gemmi import cif

    def rows(category: str, names: Sequence[str]) -> list[tuple[str, ...]]:
        columns = [block.find_values(f"_{category}.{name}") for name in names]
        size = max(map(len, columns))
        texts = [[cif.as_string(value) for value in column] or [""] * size for column in columns]
        return list(zip(*texts, strict=True))

    return rows


def _check_complete(block: CifBlock) -> None:
    known = block.atoms.labels("label_asym_id") if block.atoms else None
    missing = {name for (name,) in block.rows("struct_asym", ("id",))} - set(known.names.tolist() if known else ())
    if known and missing:
        raise ValueError(f"it is cut off before the atoms of chain {min(missing)}")
