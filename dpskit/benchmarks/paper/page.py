"""Parts of a table as Markdown, beside the paper's numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dpskit.benchmarks.paper import PUBLISHED, PUBLISHED_RMSD, Published
from dpskit.benchmarks.paper.record import Line, TablePart
from dpskit.evaluation.ratios import ratio_of_means
from dpskit.experiments.methods import FLOOR, ML
from dpskit.markdown import markdown_table

SHAPES = {"cd": ("CD x 10^2", 100), "emd": ("EMD x 10^2", 100), "energy": ("E x 10^3", 1000)}
STRUCTURES = {"rmsd": ("RMSD to points (Å)", 1), "rmsd_atoms": ("RMSD to atoms (Å)", 1), "energy": ("E x 10^3", 1000)}
POSE = "pose_error"
EXPLANATION = (
    "Mean ± standard deviation over targets and samples. Over ML, over the Gaussian: ratio of the means, and the "
    "interval of 95 % of a bootstrap over targets. The Gaussian prior knows no shape; others are compared with its "
    "line at the alpha chosen on other targets, where there is one. Floor: other points of the same object. CPU s: per "
    "sample, of one thread."
)


def table_page(title: str, parts: Sequence[TablePart], level: int = 1) -> str:
    """A page: a line per scenario with the ratios to maximum likelihood, then each scenario in full.

    level: of the heading, 1 for a page of its own.
    """
    text = [f"{'#' * level} {title}"]
    if any(line.alpha is not None for part in parts for line in part.lines):
        text += [summary_table(parts)]
    text.append(EXPLANATION)
    for part in parts:
        text += [f"{'#' * (level + 1)} {part.title}", _about(part), part_table(part)]
        text += [part.note] * bool(part.note)
    return "\n\n".join(text) + "\n"


def summary_table(parts: Sequence[TablePart]) -> str:
    """Per scenario and prior the ratio of its first metric to maximum likelihood's, the Gaussian's, and the paper's."""
    rows = []
    for part in parts:
        main, reference, plain = _compared(part)[0], part.reference, part.shapeless
        for line in part.lines[1:]:
            if line.alpha is None or (line.method == part.plain and line is not plain):
                continue
            over_ml = ratio_of_means(line.means[main], reference.means[main])
            over_plain = "" if plain in (None, line) else str(ratio_of_means(line.means[main], plain.means[main]))
            cells = [part.key, _named(line), str(over_ml), f"{over_ml.below:.0%}", over_plain, _paper_ratio(part.key)]
            rows.append(cells)
    head = ["", "prior", "CD or RMSD over ML", "targets below ML", "over the Gaussian", "paper: CD over ML"]
    return markdown_table(head, rows)


def part_table(part: TablePart) -> str:
    """Every method of one scenario: metrics, ratios to maximum likelihood and to the Gaussian prior, seconds."""
    columns, compared = STRUCTURES if part.structures else SHAPES, _compared(part)
    reference, plain = part.reference, part.shapeless
    short = [columns[m][0].split(" x ")[0].removesuffix(" (Å)") for m in compared]
    head = ["", *(name for name, _ in columns.values()), *(f"{s} over ML" for s in short)]
    head += [f"{short[0]} over Gaussian", "CPU s"]
    posed = any(POSE in line.means for line in part.lines)
    head += ["pose error (°), median"] * posed
    rows = []
    for line in part.lines:
        cells = [_named(line)]
        for metric, (_, factor) in columns.items():
            if metric in line.means:
                mean = factor * np.mean(line.means[metric])
                deviation = (
                    f" ± {factor * line.deviations[metric]:.2f}" if len(part.targets) * part.n_samples > 1 else ""
                )
                cells.append(f"{mean:.2f}{deviation}")
            else:
                cells.append("")
        for metric in compared:
            over = ratio_of_means(line.means[metric], reference.means[metric])
            cells.append("1" if line is reference else str(over))
        if plain is not None and line is not plain and line.alpha is not None:
            cells.append(str(ratio_of_means(line.means[compared[0]], plain.means[compared[0]])))
        else:
            cells.append("")
        cells.append("" if line.method == FLOOR else f"{line.seconds:.1f}")
        if posed:
            cells.append(f"{np.median(line.means[POSE]):.1f}" if POSE in line.means else "")
        rows.append(cells)
    if part.own_rmsd:
        rows.append(["the targets' own points", "0", f"{np.mean(part.own_rmsd):.2f}"])
    return markdown_table(head, [row + [""] * (len(head) - len(row)) for row in rows + _paper_rows(part.key)])


def _paper_rows(key: str) -> list[list[str]]:
    rows, key = [], _row_of(key)
    published = PUBLISHED.get(key, {})
    for name, line in published.items():
        numbers = [f"{mean:.2f} ± {deviation:.2f}" for mean, deviation in (line.cd, line.emd, line.energy)]
        rows.append([f"paper: {name}", *numbers, *_over(line, published.get(ML))])
    for name, (points, atoms) in PUBLISHED_RMSD.get(key, {}).items():
        rows.append([f"paper: {name}", points, atoms])
    return rows


def _row_of(key: str) -> str:
    """The paper's row of the same data: other rules and likelihoods have it, twins and other steps not."""
    row, *changes = key.split(", ")
    same = all(change in ("balanced", "means", "turned") or change.startswith("blur ") for change in changes)
    return row if same else key


def _over(line: Published, ml: Published | None) -> list[str]:
    if ml is None or line is ml:
        return ["", ""] if ml is None else ["1", "1"]
    return [f"{line.cd[0] / ml.cd[0]:.2f}", f"{line.emd[0] / ml.emd[0]:.2f}"]


def _paper_ratio(key: str) -> str:
    published = PUBLISHED.get(_row_of(key), {})
    if ML not in published:
        return ""
    return _over(published["DPS"], published[ML])[0]


def _compared(part: TablePart) -> list[str]:
    return ["rmsd", "rmsd_atoms"] if part.structures else ["cd", "emd"]


def _named(line: Line) -> str:
    if line.alpha is None:
        return line.method
    return f"{line.method}, alpha {line.alpha:,.0f}" + ", chosen on other targets" * line.chosen


def _about(part: TablePart) -> str:
    many = "s" * (len(part.targets) > 1)
    text = f"{len(part.targets)} target{many}, {part.n_samples} sample{'s' * (part.n_samples > 1)} each"
    if part.chosen_on:
        text += f"; alphas chosen on {len(part.chosen_on)} others ({' '.join(part.chosen_on)})"
    return f"{text}: {' '.join(part.targets)}."
