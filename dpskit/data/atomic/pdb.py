"""Read a PDB file: the atoms of its first model, by columns, and the first biological assembly of its remarks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from dpskit.data.atomic.assemblies import Assembly, Generator
from dpskit.data.atomic.table import AtomTable, LabelCoder, Labels
from dpskit.data.unpacked import TooMuch

CHUNK = 1 << 23  # bytes that are split into lines at once
WIDTH = 80
RECORDS = ("HEADER", "TITLE", "REMARK", "SEQRES", "HETATM", "ANISOU", "CONECT", "ENDMDL", "MASTER", "MODEL", "ATOM",
           "TER", "END")  # fmt: skip
POINT = 50  # where the decimal point of z stands if it has three decimals
UNKNOWN = 9999.0  # all three coordinates of an atom whose place X-PLOR does not know
MD_NAMES = frozenset(  # names of four letters that begin with one of three
    ("HISA", "HISB", "HISD", "HISE", "HISH", "HIS1", "HIS2", "LYSH", "LYSN", "ARGN", "CYSH", "CYS1", "CYS2", "ASPH",
     "GLUH", "TYRH", "SERH", "THRH")
)  # fmt: skip


@dataclass
class _Reading:
    """What is known of the file so far."""

    rows: list[np.ndarray] = field(default_factory=list)  # (n, 80) bytes
    lines: list[np.ndarray] = field(default_factory=list)  # (n,) line numbers
    parts: list[np.ndarray] = field(default_factory=list)  # (n,) TER records before
    part: int = 0
    models: int = 0
    done: bool = False  # the first model with atoms has ended
    open: bool = False  # a MODEL that has not ended
    ended: bool = False  # there is an END
    pending: bool = False  # atoms since the last model ended
    remarks: list[str] = field(default_factory=list)
    sequences: set[str] = field(default_factory=set)  # chains of SEQRES


def read_pdb(text: bytes, most: int) -> tuple[AtomTable, list[str], int]:
    """The atoms of the first model, at most `most`, the lines of REMARK 350, and the number of models.

    `text` has lines that end with "\\n". A model ends at ENDMDL, at END, or where the next one begins. Elements are
    read from columns 77 and 78 where these hold one, and from names elsewhere (files of before 1996 have other things
    there). Raises ValueError for coordinates that are no numbers and atoms that do not begin in the first column,
    naming the line, and for a file that was cut off: its last line is incomplete, a MODEL does not end, or chains of
    SEQRES have no atoms, and there is no END.
    """
    reading, number = _Reading(), 1
    for lines in _chunks(text):
        _read_lines(lines, number, reading)
        number += len(lines)
        if sum(map(len, reading.rows)) > most:
            raise TooMuch(f"it must have at most {most:,} atoms")
    rows = np.concatenate(reading.rows) if reading.rows else np.zeros((0, WIDTH), dtype="S1")
    table = _table(rows, reading)
    _check_complete(text, rows, table, reading)
    return table, reading.remarks, reading.models + reading.pending


def _chunks(text: bytes) -> Iterator[list[bytes]]:
    start = 0
    while start < len(text):
        end = text.find(b"\n", start + CHUNK)
        end = len(text) if end < 0 else end
        yield text[start:end].split(b"\n")
        start = end + 1


def _read_lines(lines: list[bytes], first: int, reading: _Reading) -> None:
    """Add the `lines` of a chunk, the first of which is line number `first` of the file."""
    kept, numbers, parts = [], [], []
    for number, line in enumerate(lines, first):
        if line.startswith((b"ATOM", b"HETATM")):
            reading.pending = True
            if not reading.done:
                kept.append(line)
                numbers.append(number)
                parts.append(reading.part)
        elif line.startswith(b"TER"):
            reading.part += 1
        elif line.startswith(b"MODEL"):
            reading.open = True
            _end_model(reading)  # of the last one, if it has no ENDMDL
        elif line.startswith(b"END"):
            kind = line.rstrip()
            if kind not in (b"END", b"ENDMDL"):
                continue
            reading.open &= kind == b"END"
            reading.ended |= kind == b"END"
            _end_model(reading)
        elif line.startswith(b"REMARK 350"):
            reading.remarks.append(line[10:].decode("latin-1"))
        elif line.startswith(b"SEQRES"):
            reading.sequences.add(line[11:12].decode("latin-1").strip())
        elif line.lstrip().startswith((b"ATOM  ", b"HETATM")):
            raise ValueError(f"line {number} must begin in its first column")
    if kept:
        reading.rows.append(np.array(kept, dtype=f"S{WIDTH}").view("S1").reshape(-1, WIDTH))
        reading.lines.append(np.array(numbers))
        reading.parts.append(np.array(parts))


def _end_model(reading: _Reading) -> None:
    reading.models += reading.pending
    reading.done |= reading.pending
    reading.pending = False


def _table(rows: np.ndarray, reading: _Reading) -> AtomTable:
    lines = np.concatenate(reading.lines) if reading.lines else np.zeros(0, dtype=int)
    parts = np.concatenate(reading.parts) if reading.parts else np.zeros(0, dtype=int)
    residue, chain = _residues_and_chains(rows)
    name = _labels(rows, 12, 16)
    size = len(rows)
    return AtomTable(
        _coordinates(rows, lines),
        rows[:, 0] == b"H",
        _labels(rows, 76, 78),
        name,
        _labels(rows, 16, 17),
        residue,
        _labels(rows, 22, 27),
        chain,
        chain,
        Labels.same("", size),
        np.zeros(size, dtype=bool),
        parts,
    )


def _bytes(rows: np.ndarray, start: int, stop: int) -> list[bytes]:
    return np.ascontiguousarray(rows[:, start:stop]).view(f"S{stop - start}")[:, 0].tolist() if len(rows) else []


def _labels(rows: np.ndarray, start: int, stop: int, clean: Callable[[str], str] = str.strip) -> Labels:
    coder: LabelCoder[bytes] = LabelCoder(lambda text: clean(text.decode("latin-1")))
    coder.add(_bytes(rows, start, stop))
    return coder.labels()


def _residues_and_chains(rows: np.ndarray) -> tuple[Labels, Labels]:
    """Residue names of three or four letters, and chain names of one or two.

    Column 21 belongs to the name of the residue in some programs, and to that of the chain in others: to the chain if
    the three letters before it are a known residue, and the four none.
    """
    import gemmi

    pairs = _labels(rows, 17, 22, str)

    def split(text: str) -> tuple[str, str]:
        text = text.ljust(5)
        three, fourth, last = text[:3], text[3], text[4]
        known = gemmi.find_tabulated_residue(three.strip()).found() and text[:4] not in MD_NAMES
        if fourth.strip() and last.strip() and known:
            return three.strip(), fourth + last
        return text[:4].strip(), last.strip()

    both = [split(text) for text in pairs.names.tolist()]
    residues, chains = Labels.of([pair[0] for pair in both]), Labels.of([pair[1] for pair in both])
    return Labels(residues.codes[pairs.codes], residues.names), Labels(chains.codes[pairs.codes], chains.names)


def _coordinates(rows: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """(N, 3); each must fill its own eight columns, so that a number too wide for them is not read in pieces."""
    found = np.full((len(rows), 3), np.nan)
    if len(rows) == 0:
        return found
    for k, start in enumerate((30, 38, 46)):
        column = _bytes(rows, start, start + 8)
        try:
            found[:, k] = np.fromiter(map(float, column), np.float64, len(column))
        except ValueError:
            found[:, k] = [_number(text) for text in column]
    runs_on = (rows[:, 54] >= b"0") & (rows[:, 54] <= b"9") & (rows[:, POINT] != b".")
    unknown = (found == UNKNOWN).all(axis=1)
    bad = ~np.isfinite(found).all(axis=1) | unknown | runs_on | (rows[:, 30:54] == b"_").any(axis=1)
    if bad.any():
        row = int(bad.argmax())
        text = rows[row].tobytes().rstrip(b"\0")[30:54].decode("latin-1")
        raise ValueError(f"line {lines[row]} must hold three finite coordinates in columns 31 to 54, got {text!r}")
    return found


def _number(text: str | bytes) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _check_complete(text: bytes, rows: np.ndarray, table: AtomTable, reading: _Reading) -> None:
    if reading.ended:
        return
    if reading.open:
        raise ValueError("it is cut off in a MODEL")
    missing = reading.sequences - set(table.chain.names.tolist())
    if missing and len(table) and b"\nMASTER" not in text:
        raise ValueError(f"it is cut off before the atoms of chain {min(missing)}")
    if text.endswith(b"\n"):
        return
    last = text[text.rfind(b"\n") + 1 :].decode("latin-1").rstrip()
    partial = any(record.startswith(last) for record in RECORDS) and last not in RECORDS and last != ""
    if last.startswith(("ATOM", "HETATM")) and len(rows) > 1:
        widths = WIDTH - (np.char.strip(rows[:, ::-1]) != b"").argmax(axis=1)
        partial = widths[-1] < widths[:-1].min()
    if partial:
        raise ValueError("it is cut off in its last line")


def assembly_of_remarks(remarks: Sequence[str]) -> Assembly | None:
    """The first biomolecule of the lines of REMARK 350, or None. Raises ValueError for bad numbers."""
    name: str | None = None
    generators: list[tuple[list[str], dict[str, np.ndarray]]] = []
    chains: list[str] = []
    matrix: list[list[float]] = []
    for remark in remarks:
        text = remark.strip()
        if found := re.match(r"BIOMOLECULE:\s*(\S+)", text):
            if name is not None:
                break
            name = found[1].rstrip(",")
        elif found := re.match(r"(APPLY THE FOLLOWING TO|AND) CHAINS:\s*(.*)", text):
            if found[1].startswith("APPLY"):
                chains = []
                generators.append((chains, {}))
            chains += ["" if chain == "NULL" else chain for chain in re.split(r"[\s,;]+", found[2]) if chain]
        elif found := re.match(r"BIOMT([123])\s+(\S+)\s+(.*)", text):
            if not generators:
                generators.append((chains, {}))
            row = [_number(value) for value in found[3].split()]
            if int(found[1]) != len(matrix) + 1 or len(row) != 4 or not np.isfinite(row).all():
                raise ValueError(f"REMARK 350 must give operator {found[2]} in three rows of four numbers")
            matrix.append(row)
            if len(matrix) == 3:
                generators[-1][1][found[2]] = np.array(matrix)
                matrix = []
    if matrix:
        raise ValueError("REMARK 350 must give every operator in three rows of four numbers")
    made = tuple(Generator(frozenset(chains), operators) for chains, operators in generators if operators)
    return Assembly(name or "1", made) if made else None
