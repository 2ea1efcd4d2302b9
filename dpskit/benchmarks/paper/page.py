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
    """A row for each scenario and prior: over maximum likelihood the prior, the Gaussian, the floor and the paper.

    Of a prior whose alpha was chosen on other targets that line counts; the Gaussian has a row where it is alone.
    Columns without a number are left out.
    """
    short = _short(parts[0])
    head = ["", "prior", *(f"{s} over ML" for s in short), "targets below ML", f"Gaussian prior, {short[0]} over ML"]
    head += [f"{short[0]} over Gaussian", f"floor, {short[0]} over ML", f"paper, {', '.join(short)} over ML"]
    rows = [row for part in parts for row in _summary_rows(part)]
    told = [k for k in range(len(head)) if k == 0 or any(row[k] for row in rows)]
    return markdown_table([head[k] for k in told], [[row[k] for k in told] for row in rows])


def _summary_rows(part: TablePart) -> list[list[str]]:
    metrics, reference, plain = _compared(part), part.reference, part.shapeless

    def over(line: Line | None, other: Line | None) -> str:
        """The ratio of the first metric; empty where one is missing."""
        main = metrics[0]
        return "" if line is None or other is None else str(ratio_of_means(line.means[main], other.means[main]))

    chosen = {line.method for line in part.lines if line.chosen}
    lines = [line for line in part.lines if line.alpha is not None and (line.chosen or line.method not in chosen)]
    trained = [line for line in lines if line.method != part.plain] or lines
    rows = []
    for line in trained:
        own = [ratio_of_means(line.means[metric], reference.means[metric]) for metric in metrics]
        row = [part.key, _named(line), *map(str, own), f"{own[0].below:.0%}"]
        row += [over(plain, reference), "" if line is plain else over(line, plain)]
        rows.append([*row, over(part.line(FLOOR), reference), _paper_ratios(part.key)])
    return rows


def part_table(part: TablePart) -> str:
    """Every method of one scenario: metrics, ratios to maximum likelihood and to the Gaussian prior, seconds."""
    columns, compared = STRUCTURES if part.structures else SHAPES, _compared(part)
    reference, plain = part.reference, part.shapeless
    short = _short(part)
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


def _paper_ratios(key: str) -> str:
    published = PUBLISHED.get(_row_of(key), {})
    return ", ".join(_over(published["DPS"], published[ML])) if ML in published else ""


def _short(part: TablePart) -> list[str]:
    columns = STRUCTURES if part.structures else SHAPES
    return [columns[metric][0].split(" x ")[0].removesuffix(" (Å)") for metric in _compared(part)]


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
