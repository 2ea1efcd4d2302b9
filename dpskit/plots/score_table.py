"""Scores of several methods as a table in a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dpskit.evaluation.scores import Scores, mean_and_deviation

if TYPE_CHECKING:
    from IPython.display import HTML


def score_table(methods: dict[str, Scores]) -> HTML:
    """Scores of several methods as a table.

    Parameters
    ----------
    methods : dict of str and Scores
        By name.

    Returns
    -------
    IPython HTML
        A row for each method: mean ± standard deviation over its samples, the best mean of each column in bold.
    """
    from IPython.display import HTML

    columns = list(dict.fromkeys(name for scores in methods.values() for name in scores.columns()))
    cells = {
        method: {c: mean_and_deviation(v) for c, v in scores.columns().items()} for method, scores in methods.items()
    }
    best = {c: min(row[c][0] for row in cells.values() if c in row) for c in columns}
    cell = "padding: 3px 12px; text-align: right; white-space: nowrap"
    head = "".join(f"<th style='{cell}'>{c}</th>" for c in columns)
    lines = [f"<tr><td></td>{head}</tr>"]
    for method, row in cells.items():
        values = "".join(f"<td style='{cell}'>{_value(row.get(c), best[c])}</td>" for c in columns)
        lines.append(f"<tr><td style='{cell}; text-align: left'>{method}</td>{values}</tr>")
    return HTML(f"<table style='border-collapse: collapse; font-size: 14px'>{''.join(lines)}</table>")


def _value(value: tuple[float, float] | None, best: float) -> str:
    if value is None:
        return "–"
    text = f"{value[0]:.2f} ± {value[1]:.2f}"
    return f"<b>{text}</b>" if value[0] == best else text
