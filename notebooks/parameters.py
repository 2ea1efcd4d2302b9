"""The settings of a notebook stand in its one cell tagged `parameters`, an assignment of a plain value on each line.

`fast.toml` holds what they are in the tests instead. `override` appends those assignments to the cell; the notebook
itself knows nothing of it. The same form is used by papermill, which can run the notebooks with other values too.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

TAG = "parameters"
FAST = Path(__file__).with_name("fast.toml")


def fast_values(notebook: Path) -> dict[str, Any]:
    """What the fast setting gives the parameters of the notebook at this path."""
    return tomllib.loads(FAST.read_text()).get(notebook.stem, {})


def override(cells: Sequence[Any], values: Mapping[str, Any]) -> None:
    """Append `values` to the parameters among the cells (of nbformat), in place.

    Raises ValueError for values without a cell for them, and for a name that the cell does not assign.
    """
    if not values:
        return
    tagged = [cell for cell in cells if TAG in cell.metadata.get("tags", [])]
    if len(tagged) != 1:
        raise ValueError(f"cells must hold one tagged {TAG!r} to override {sorted(values)}, got {len(tagged)}.")
    (cell,) = tagged
    unknown = sorted(set(values) - set(assigned(cell.source)))
    if unknown:
        raise ValueError(f"values must be of names that the {TAG} cell assigns, got {', '.join(unknown)}.")
    lines = [f"{name} = {value!r}" for name, value in values.items()]
    cell.source = "\n".join([cell.source, "", "# Overridden for this run:", *lines])


def assigned(source: str) -> dict[str, Any]:
    """The names that a parameters cell assigns, and their values. Raises ValueError for anything but plain values."""
    found = {}
    for node in ast.parse(source).body:
        try:
            (target,) = node.targets
            found[target.id] = ast.literal_eval(node.value)
        except (AttributeError, ValueError):
            got = ast.unparse(node)
            raise ValueError(f"a {TAG} cell must hold nothing but names and plain values, got {got!r}.") from None
    return found
