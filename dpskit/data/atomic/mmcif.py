"""Read an mmCIF file in pieces, so that a large one takes little more memory than its text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from dpskit.data.atomic.cif_block import CifBlock
from dpskit.data.atomic.table import LabelCoder, Labels

if TYPE_CHECKING:
    import gemmi

CHUNK = 1 << 23  # bytes of atoms that gemmi parses at once: it takes up to sixteen times as much
MAX_REST = 48 << 20  # bytes of everything else
LOOP = re.compile(
    rb"^loop_[ \t]*\n((?:[ \t]*_atom_site\.[^\s]+[ \t]*\n)+)(?=ATOM|HETATM)", re.MULTILINE | re.IGNORECASE
)
ENDS = (b"\n#", b"\nloop_", b"\n_", b"\ndata_")
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

    def add(self, block: gemmi.cif.Block, line: Callable[[int], str]) -> None:
        """Append the atoms of `block`; line(k) says where the k-th of them is."""
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
                self.numbers.setdefault(name, []).append(_floats(values, name, line))
                size = len(values)
        self.size += size


def _floats(values: list[str], name: str, line: Callable[[int], str]) -> np.ndarray:
    """The numbers that `values` spell, with a standard uncertainty in brackets or without."""
    from gemmi import cif

    try:
        found = np.fromiter(map(float, values), np.float64, len(values))
    except ValueError:
        found = np.array([cif.as_number(value) for value in values])
    if not np.isfinite(found).all():
        row = int((~np.isfinite(found)).argmax())
        raise ValueError(f"{line(row)} must have a finite number in _atom_site.{name}, got {values[row]!r}")
    return found


def read_mmcif(text: bytes) -> Iterator[CifBlock]:
    """The blocks of a file one after another; `text` has lines that end with "\\n".

    Raises ValueError for what is no mmCIF, coordinates that are no numbers, and chains of struct_asym without atoms
    in a file that ends among its atoms.
    """
    from gemmi import cif

    rest, regions, cut = _without_atoms(text)
    if len(rest) > MAX_REST:
        raise ValueError(f"it must hold at most {MAX_REST >> 20} MB beside its atoms")
    for block in cif.read_string(rest):
        index = block.find_value("_dpskit_atoms.index")
        atoms = _Atoms()
        if index is None:
            atoms.add(block, lambda row: f"atom {row + 1}")
        else:
            for piece, first in _pieces(text, *regions[int(index)]):
                head = text[slice(*regions[int(index)][0])]
                atoms.add(
                    cif.read_string(b"data_\n" + head + piece).sole_block(), lambda row, k=first: f"line {k + row}"
                )
        found = CifBlock(block.name, atoms if atoms.size else None, _rows(block))
        if cut and atoms.size and index is not None and int(index) == len(regions) - 1:
            _check_complete(found)
        yield found


def _without_atoms(text: bytes) -> tuple[bytes, list[tuple[tuple[int, int], tuple[int, int]]], bool]:
    """`text` with a number in place of each loop of atoms; where their heads and rows are; whether it ends among them.

    Only loops whose rows begin with ATOM or HETATM are taken out, which are practically all.
    """
    rest: list[bytes] = []
    regions: list[tuple[tuple[int, int], tuple[int, int]]] = []
    last = 0
    while found := LOOP.search(text, last):
        ends = [end for mark in ENDS if (end := text.find(mark, found.end())) >= 0]
        end = min(ends) + 1 if ends else len(text)
        rest += [text[last : found.start()], b"_dpskit_atoms.index %d\n" % len(regions)]
        regions.append((found.span(), (found.end(), end)))
        last = end
    return b"".join([*rest, text[last:]]), regions, bool(regions) and last == len(text)


def _pieces(text: bytes, head: tuple[int, int], rows: tuple[int, int]) -> Iterator[tuple[bytes, int]]:
    """The rows of a loop in pieces of about `CHUNK` bytes, each with the number of its first line."""
    start, stop = rows
    number = text.count(b"\n", 0, start) + 1
    while start < stop:
        cuts = [text.find(mark, start + CHUNK, stop) for mark in (b"\nATOM", b"\nHETATM")]
        end = min([cut for cut in cuts if cut >= 0], default=stop - 1) + 1
        piece = text[start:end]
        yield piece, number
        number, start = number + piece.count(b"\n"), end


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
