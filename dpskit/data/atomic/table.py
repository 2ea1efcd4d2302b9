"""The atoms of one model as columns, which is what every structure format is read into."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Generic, TypeVar

import numpy as np

from dpskit.data.unpacked import TooMuch

Raw = TypeVar("Raw", str, bytes)


@dataclass(frozen=True, eq=False)
class Labels:
    """A column of N short texts of which few are distinct: names[codes] spells it out."""

    codes: np.ndarray
    names: np.ndarray

    @staticmethod
    def of(values: Sequence[str]) -> Labels:
        """The column of `values`."""
        coder: LabelCoder[str] = LabelCoder(str)
        coder.add(values)
        return coder.labels()

    @staticmethod
    def same(value: str, size: int) -> Labels:
        """A column that holds `value` everywhere."""
        return Labels(np.zeros(size, dtype=np.int32), np.array([value]))

    def values(self) -> np.ndarray:
        """The texts (N,)."""
        return self.names[self.codes]

    def map(self, function: Callable[[str], Any]) -> np.ndarray:
        """`function` of every text, (N,)."""
        return np.array([function(name) for name in self.names.tolist()])[self.codes]

    def isin(self, names: Container[str]) -> np.ndarray:
        """Which texts are among `names`, (N,)."""
        return self.map(lambda name: name in names).astype(bool)

    def __getitem__(self, rows: np.ndarray) -> Labels:
        return Labels(self.codes[rows], self.names)

    def __len__(self) -> int:
        return len(self.codes)


MAX_DISTINCT = 100_000  # texts in a column: the longest chain has a third of it


class LabelCoder(Generic[Raw]):
    """Makes a column from pieces that are read one after another; `clean` makes the text, of each distinct one once.

    Raises ValueError for more distinct texts than names and numbers of residues make.
    """

    def __init__(self, clean: Callable[[Raw], str]) -> None:
        self.clean: Callable[[Raw], str] = clean
        self.raw: dict[Raw, int] = {}
        self.known: dict[str, int] = {}
        self.pieces: list[np.ndarray] = []

    def add(self, values: Sequence[Raw]) -> None:
        """Append `values`."""
        for value in dict.fromkeys(values):
            if value not in self.raw:
                if len(self.raw) >= MAX_DISTINCT:
                    raise TooMuch(f"it must have at most {MAX_DISTINCT:,} different texts in a column of its atoms")
                self.raw[value] = self.known.setdefault(self.clean(value), len(self.known))
        self.pieces.append(np.fromiter(map(self.raw.__getitem__, values), np.int32, len(values)))

    def labels(self) -> Labels:
        """The column of all that was added."""
        return Labels(
            np.concatenate(self.pieces or [np.zeros(0, np.int32)]), np.array([*self.known] or [""], dtype=str)
        )


@dataclass(frozen=True, eq=False)
class AtomTable:
    """N atoms in the order of the file.

    xyz: (N, 3) in angstrom. hetero: (N,) whether the record says HETATM. number: of the residue, with its insertion
    code. chain: the author's name; subchain: mmCIF's label_asym_id, elsewhere the chain. entity: "" where the file has
    none. in_sequence: (N,) whether mmCIF counts the residue in a sequence (label_seq_id). part: (N,) rises by one at
    every TER record. has_altloc: whether the file has a place for the mark of alternate locations.
    """

    xyz: np.ndarray
    hetero: np.ndarray
    element: Labels
    name: Labels
    altloc: Labels
    residue: Labels
    number: Labels
    chain: Labels
    subchain: Labels
    entity: Labels
    in_sequence: np.ndarray
    part: np.ndarray
    has_altloc: bool = True

    def __len__(self) -> int:
        return len(self.xyz)

    def take(self, rows: np.ndarray) -> AtomTable:
        """The atoms of `rows`: a mask (N,), or indices."""
        columns = {field.name: getattr(self, field.name) for field in fields(self)}
        return AtomTable(**{key: value if key == "has_altloc" else value[rows] for key, value in columns.items()})

    def changes(self, *columns: np.ndarray) -> np.ndarray:
        """(N,) whether any of `columns` differs from its row before; the first row counts as a change."""
        found = np.ones(len(self), dtype=bool)
        if len(self):
            found[1:] = np.any([column[1:] != column[:-1] for column in columns], axis=0)
        return found

    def segments(self) -> np.ndarray:
        """(N,) which stretch of a chain an atom belongs to.

        One ends where the chain does, at TER, and where the numbers of residues fall: a copy under the same name, or
        numbers that start again after 9999.
        """
        numbers = self.number.map(_leading_integer)
        falls = np.zeros(len(self), dtype=bool)
        falls[1:] = (numbers[1:] < numbers[:-1]) & ~self.marked()[1:]
        return np.cumsum(self.changes(self.subchain.codes, self.part) | falls) - 1

    def marked(self) -> np.ndarray:
        """(N,) whether an atom is marked as being in an alternate location."""
        return self.altloc.map(bool).astype(bool)


def combine(columns: Iterable[np.ndarray]) -> np.ndarray:
    """One integer (N,) for each distinct combination of non-negative integer `columns`."""
    key: np.ndarray | None = None
    for column in columns:
        column = column.astype(np.int64)
        key = column if key is None else key * (int(column.max(initial=0)) + 1) + column
    return np.zeros(0, dtype=np.int64) if key is None else key


def _leading_integer(text: str) -> float:
    digits = text.rstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
    try:
        return float(int(digits))
    except ValueError:  # hybrid-36, or no number at all: nothing is said about order
        return float("nan")
