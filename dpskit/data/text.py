"""Text as it comes from any machine: UTF-8 with or without a byte-order mark, lines that end as in text files."""

from __future__ import annotations

import codecs

MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


def decode(content: bytes) -> str:
    """The text in `content`: in the encoding of its byte-order mark, or UTF-8, or latin-1 where it is not valid UTF-8.

    Lines end with "\\n", "\\r\\n" or "\\r" alone in the file, and with "\\n" in the result. No other character ends
    one, so that a letter or a control character in a comment does not make two lines of it. Marks that stand inside,
    where files were joined, are taken out too.
    """
    for mark, encoding in MARKS.items():
        if content.startswith(mark):
            return _unify(content.removeprefix(mark).decode(encoding, errors="replace"))
    try:
        return _unify(content.decode())
    except UnicodeDecodeError:
        return _unify(content.decode("latin-1"))


def plain_lines(content: bytes) -> bytes:
    """The same for formats that are read as bytes: without a byte-order mark, and "\\n" at the end of each line."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return decode(content).encode()
    content = content.replace(codecs.BOM_UTF8, b"") if codecs.BOM_UTF8 in content else content
    return content.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in content else content


def _unify(text: str) -> str:
    return text.replace("\ufeff", "").replace("\r\n", "\n").replace("\r", "\n")
