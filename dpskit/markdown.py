"""Tables in Markdown, as benchmarks print them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from dpskit.checks import check_path
from dpskit.files import replacing


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """The names of the columns, and a line for each of `rows`, which has as many cells."""
    lines = [f"| {' | '.join(cells)} |" for cells in (columns, *rows)]
    return "\n".join([lines[0], "|---" * len(columns) + "|", *lines[1:]])


@dataclass(frozen=True)
class Table:
    """What a benchmark found: shown as Markdown, and kept beside the documentation that quotes it.

    note: what the columns mean.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    @property
    def markdown(self) -> str:
        """Without the note."""
        return markdown_table(self.columns, self.rows)

    def __str__(self) -> str:
        return f"{self.markdown}\n\n{self.note}".rstrip()

    def _repr_markdown_(self) -> str:
        """For Jupyter."""
        return str(self)

    def save(self, path: str | Path) -> None:
        """As JSON, for `load`."""
        with replacing(check_path("path", path)) as part:
            part.write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    @staticmethod
    def load(path: str | Path) -> Table:
        """What `save` wrote."""
        return Table(**json.loads(check_path("path", path).read_text(encoding="utf-8")))
