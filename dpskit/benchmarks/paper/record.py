"""What was measured for a table, as it is kept: small JSON files from which all pages are made."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from dpskit.files import replacing

Values = dict[str, list[list[float]]]


@dataclass(frozen=True)
class Line:
    """What a method reached.

    Attributes
    ----------
    method, alpha, chosen
        Its name; of DPS its alpha, and whether that was chosen on other targets.
    means, deviations
        By metric (fields of `Result`): the mean of each target's samples, and the deviation over all samples.
    seconds
        Of CPU time per sample, the median over targets.
    values
        By metric, of each target every sample; left out of records that ship.
    """

    method: str
    alpha: float | None
    chosen: bool
    means: dict[str, list[float]]
    deviations: dict[str, float]
    seconds: float
    values: Values = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class TablePart:
    """One scenario's part of a table: several methods on the same targets.

    Attributes
    ----------
    key, title
        By which published numbers are found, and what is observed in words.
    targets, n_samples
        Names of the targets, and samples of each.
    lines
        Of the methods in order, maximum likelihood first.
    chosen_on
        Targets on which alphas were chosen.
    own_rmsd
        Of structures: RMSD of the atoms from the targets' own points.
    plain
        The method whose prior knows no shape; "" if there is none.
    note
        What the reader should know besides.
    """

    key: str
    title: str
    targets: list[str]
    n_samples: int
    lines: list[Line]
    chosen_on: list[str] = field(default_factory=list)
    own_rmsd: list[float] | None = None
    plain: str = ""
    note: str = ""

    def line(self, method: str, *, chosen: bool | None = None) -> Line | None:
        """The first line of a method, at a chosen alpha or not; None if there is none."""
        found = (line for line in self.lines if line.method == method and chosen in (None, line.chosen))
        return next(found, None)

    @property
    def reference(self) -> Line:
        """Of maximum likelihood."""
        return self.lines[0]

    @property
    def shapeless(self) -> Line | None:
        """Of the prior that knows no shape, at the alpha chosen on other targets if there is one."""
        return self.line(self.plain, chosen=True) or self.line(self.plain)

    @property
    def structures(self) -> bool:
        """Whether the targets are structures, which are compared by RMSD."""
        return "rmsd" in self.reference.means

    def without_values(self) -> TablePart:
        """The same without the single samples: a record that ships."""
        return replace(self, lines=[replace(line, values={}) for line in self.lines])

    def save(self, path: str | Path) -> None:
        """Write it as JSON, numbers with five digits; atomic."""
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(_rounded(asdict(self))) + "\n")

    @staticmethod
    def load(path: str | Path) -> TablePart:
        """Read what `save` wrote. Raises ValueError for another file."""
        try:
            found = json.loads(Path(path).read_text())
            return TablePart(**(found | {"lines": [Line(**line) for line in found["lines"]]}))
        except (ValueError, KeyError, TypeError):
            raise ValueError(f"path must be a part of a table written by dpskit, but {str(path)!r} is none.") from None


def _rounded(value: object) -> object:
    if isinstance(value, dict):
        return {name: _rounded(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value
