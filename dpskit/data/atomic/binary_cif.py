"""Read BinaryCIF: the same tables as mmCIF, as packed arrays (Sehnal et al., PLOS Comput. Biol. 16, e1008247, 2020)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dpskit.data.atomic.cif_block import CifBlock
from dpskit.data.atomic.table import Labels
from dpskit.data.unpacked import TooMuch

TYPES = {1: "<i1", 2: "<i2", 3: "<i4", 4: "<u1", 5: "<u2", 6: "<u4", 32: "<f4", 33: "<f8"}
MAX_PARTS = 1_000_000  # in lists and maps: atoms are none
MAX_RUN = 100_000  # of the texts of a column
MAX_TEXT = 50_000_000  # distinct texts times the length of the longest
ERRORS = (KeyError, TypeError, IndexError, AttributeError, OverflowError, RecursionError, ValueError, MemoryError)


@dataclass(frozen=True, eq=False)
class _Category:
    """One table; columns by name."""

    size: int
    columns: dict[str, Any]

    def labels(self, name: str) -> Labels | None:
        if name not in self.columns:
            return None
        data = self.columns[name]["data"]
        if [step["kind"] for step in data["encoding"]] == ["StringArray"]:  # has few texts, and the number of each
            values, codes = _texts(data["encoding"][0], data["data"], self.size)
        else:
            values, codes = np.unique(_decode(data, self.size), return_inverse=True)
        codes = np.where(self._given(name), self._checked(name, codes), len(values))
        names, distinct = np.unique([*map(_text, values.tolist()), ""], return_inverse=True)
        return Labels(distinct[codes].astype(np.int32), names)

    def floats(self, name: str) -> np.ndarray | None:
        if name not in self.columns:
            return None
        values, given = self._checked(name, _decode(self.columns[name]["data"], self.size)), self._given(name)
        found = np.where(given, values.astype(np.float64), np.nan)
        if not np.isfinite(found).all():
            row = int((~np.isfinite(found)).argmax())
            raise ValueError(f"atom {row + 1} must have a finite number in _atom_site.{name}")
        return found

    def _given(self, name: str) -> np.ndarray:
        mask = self.columns[name].get("mask")
        return np.ones(self.size, bool) if mask is None else self._checked(name, _decode(mask, self.size)) == 0

    def _checked(self, name: str, values: np.ndarray) -> np.ndarray:
        if len(values) != self.size:
            raise ValueError(f"column {name} must have {self.size} rows")
        return values


def read_binary_cif(content: bytes, most: int) -> Iterator[CifBlock]:
    """The blocks of a file one after another, of tables with at most `most` rows. Raises ValueError for others, and for
    what is no BinaryCIF, or damaged."""
    import msgpack

    try:
        count = _Count()
        hooks: dict[str, Any] = {"list_hook": count, "object_hook": count, "max_array_len": MAX_PARTS}
        blocks = msgpack.unpackb(content, strict_map_key=False, **hooks)["dataBlocks"]
        found = [_block(block, most) for block in blocks]
    except TooMuch:
        raise
    except (msgpack.UnpackException, *ERRORS) as error:
        reason = str(error) if isinstance(error, ValueError) else type(error).__name__
        raise ValueError(f"its tables cannot be read ({reason})") from None
    yield from found


class _Count:
    """Passes lists and maps through, and raises TooMuch when all of them together have more than `MAX_PARTS` parts."""

    def __init__(self) -> None:
        self.parts = 0

    def __call__(self, part: Any) -> Any:
        self.parts += 1 + len(part)
        if self.parts > MAX_PARTS:
            raise TooMuch(f"it must have at most {MAX_PARTS:,} parts")
        return part


def _block(block: dict[str, Any], most: int) -> CifBlock:
    for category in block["categories"]:
        for column in category["columns"]:
            [step["kind"] for step in column["data"]["encoding"]]  # KeyError or TypeError where there is none
    categories = {
        category["name"].lstrip("_"): _Category(
            int(category["rowCount"]), {column["name"]: column for column in category["columns"]}
        )
        for category in block["categories"]
    }
    if any(not 0 <= category.size <= most for category in categories.values()):
        raise TooMuch(f"it must have at most {most:,} rows in a table")

    def rows(category: str, names: Sequence[str]) -> list[tuple[str, ...]]:
        found = categories.get(category)
        if found is None:
            return []
        columns = [found.labels(name) for name in names]
        texts = [column.values().tolist() if column else [""] * found.size for column in columns]
        return list(zip(*texts, strict=True))

    atoms = categories.get("atom_site")
    return CifBlock(str(block["header"]), atoms if atoms and atoms.size else None, rows)


def _decode(data: dict[str, Any], size: int) -> np.ndarray:
    """The array that was packed by the steps of `encoding`, undone from the last to the first."""
    try:
        values: Any = data["data"]
        for step in reversed(data["encoding"]):
            values = _undo(step, values, size)
        return np.asarray(values)
    except ERRORS as error:
        raise ValueError(f"a table is damaged ({type(error).__name__})") from None


def _undo(step: dict[str, Any], values: Any, size: int) -> np.ndarray:
    kind = step["kind"]
    if kind == "ByteArray":
        return np.frombuffer(values, TYPES[step["type"]])
    if kind == "FixedPoint":
        return values / step["factor"]
    if kind == "IntervalQuantization":
        return step["min"] + values * ((step["max"] - step["min"]) / (step["numSteps"] - 1))
    if kind == "RunLength":
        pairs = values.reshape(-1, 2)
        if not 0 <= pairs[:, 1].astype(np.int64).sum() <= max(size, MAX_RUN) or (pairs[:, 1] < 0).any():
            raise ValueError("a run is too long")
        return np.repeat(pairs[:, 0], pairs[:, 1])
    if kind == "Delta":
        return step["origin"] + np.cumsum(values, dtype=np.int64)
    if kind == "IntegerPacking":
        return _unpack(values.astype(np.int64), step["byteCount"], step["isUnsigned"])
    if kind == "StringArray":
        texts, codes = _texts(step, values, size)
        return texts[codes]
    raise ValueError(f"the encoding {kind} is not known")


def _texts(step: dict[str, Any], values: Any, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The texts of a StringArray and the number of each row's; what is not given (-1) has the last one, ""."""
    try:
        offsets = _decode({"data": step["offsets"], "encoding": step["offsetEncoding"]}, size)
        codes = _decode({"data": values, "encoding": step["dataEncoding"]}, size)
        pairs = zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)
        texts = [*(str(step["stringData"][a:b]) for a, b in pairs), ""]
    except (KeyError, TypeError) as error:
        raise ValueError(f"a table is damaged ({type(error).__name__})") from None
    if len(texts) * max(map(len, texts)) > MAX_TEXT:
        raise ValueError("its texts are too long")
    codes = np.where(codes < 0, len(texts) - 1, codes)
    if len(codes) and codes.max() >= len(texts):
        raise ValueError("a row has a text that is not there")
    return np.array(texts, dtype=str), codes


def _unpack(values: np.ndarray, width: int, unsigned: bool) -> np.ndarray:
    """Integers of which each is the sum of packed ones up to the first that is not at an end of their range."""
    top = (1 << 8 * width) - 1 if unsigned else (1 << 8 * width - 1) - 1
    last = values != top
    if not unsigned:
        last &= values != -top - 1
    ends = np.flatnonzero(last)
    totals = np.cumsum(values)[ends]
    return np.diff(totals, prepend=0)


def _text(value: Any) -> str:
    return repr(value) if isinstance(value, float) else str(value)
