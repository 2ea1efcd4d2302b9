"""Take a CIF text apart without parsing it: its data blocks, and where the categories in them begin and end."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np

from dpskit.data.unpacked import TooMuch

MAX_ITEMS = 1_000_000  # tags and tables: a large entry has some thousands
MAX_LAST = 1 << 20
WORDS = rb"(?:[Ll][Oo][Oo][Pp]_|[Dd][Aa][Tt][Aa]_|[Ss][Aa][Vv][Ee]_|[Gg][Ll][Oo][Bb][Aa][Ll]_|_)"
BEGINNING = re.compile(rb"\n[ \t]*(?=" + WORDS + rb")")
DATA = re.compile(rb"data_(\S*+)[ \t]*", re.IGNORECASE)
FRAME = re.compile(rb"save_|global_", re.IGNORECASE)
BLANK = rb"(?:\s|#[^\n]*+\n)++"
HEAD = re.compile(rb"loop_" + BLANK + rb"(?:_\S++" + BLANK + rb")++", re.IGNORECASE)
CATEGORY = re.compile(rb"_([^\s.]++)")

Span = tuple[int, int]


@dataclass
class TextBlock:
    """A data block: its name, what is kept of its text, and the places of the head and the rows of the tables apart."""

    name: str
    kept: list[bytes] = field(default_factory=list)
    tables: list[tuple[Span, Span]] = field(default_factory=list)

    @property
    def text(self) -> bytes:
        """What is kept, as a data block of its own."""
        return b"".join([b"data_x\n", *self.kept])


def split_blocks(text: bytes, kept: Collection[bytes], apart: bytes) -> list[TextBlock]:
    """The data blocks of a CIF `text`, whose lines end with "\\n".

    Of each only the categories `kept` are taken, and of the loops of the category `apart` their places; also the end of
    the text, so that one that is cut off does not parse. Categories in small letters. Raises ValueError for a text
    without a data block, one that ends within a text field, and one of more than a million tags.
    """
    blocks: list[TextBlock] = []
    starts = _starts(text)
    if re.sub(rb"#[^\n]*", b"", text[: starts[0]] if starts else text[:1000]).strip() or not starts:
        raise ValueError("it must begin with a data block (data_)")
    k = 0
    while k < len(starts):
        start, k = starts[k], k + 1
        data, head = DATA.match(text, start), HEAD.match(text, start)
        if data:
            blocks.append(TextBlock(data[1].decode("utf-8", "replace")))
            continue
        if not blocks:
            raise ValueError("it must begin with a data block (data_)")
        if head:  # its tags are no items
            k = bisect_left(starts, head.end())
        stop = starts[k] if k < len(starts) else len(text)
        found = None if FRAME.match(text, start) else CATEGORY.search(text, start, stop)
        category = found[1].lower() if found else b""
        if head and category == apart:
            blocks[-1].tables.append((head.span(), (head.end(), stop)))
        elif category in kept or category in (b"", apart) or (stop == len(text) and stop - start < MAX_LAST):
            blocks[-1].kept.append(text[start:stop])
    return blocks


def _starts(text: bytes) -> list[int]:
    """Where tables, tags and data blocks begin that begin a line and are not in a text field."""
    if text.count(b"\n;") > MAX_ITEMS:
        raise TooMuch(f"it must have at most {MAX_ITEMS // 2:,} text fields")
    fields = np.array([found.start() for found in re.finditer(rb"\n;", text)], dtype=np.int64)
    if len(fields) % 2:
        raise ValueError("it is cut off in a text field")
    first = re.match(rb"[ \t]*(?=" + WORDS + rb")", text)
    starts = [first.end()] if first else []
    for found in BEGINNING.finditer(text):
        starts.append(found.end())
        if len(starts) > MAX_ITEMS:
            raise TooMuch(f"it must have at most {MAX_ITEMS:,} tags")
    inside = np.searchsorted(fields, starts) % 2 == 1
    outside = [start for start, within in zip(starts, inside.tolist(), strict=True) if not within]
    behind = [found.end() for start in outside if (found := DATA.match(text, start)) and not _ends_line(text, found)]
    return sorted({*outside, *behind}) if behind else outside


def _ends_line(text: bytes, found: re.Match[bytes]) -> bool:
    return text[found.end() : found.end() + 1] in (b"", b"\n", b"#")
