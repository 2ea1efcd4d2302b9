"""Comparisons as Markdown, beside the paper's numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dpskit.benchmarks.paper import DPS_PUBLISHED, ML_PUBLISHED, Published
from dpskit.benchmarks.paper.compare import Comparison, Line
from dpskit.evaluation.ratios import ratio_of_means
from dpskit.experiments.methods import FLOOR, ML
from dpskit.markdown import markdown_table

SHAPES = {"cd": ("CD x 10^2", 100), "emd": ("EMD x 10^2", 100), "energy": ("E x 10^3", 1000)}
STRUCTURES = {"rmsd": ("RMSD to points (Å)", 1), "rmsd_atoms": ("RMSD to atoms (Å)", 1), "energy": ("E x 10^3", 1000)}
EXPLANATION = (
    "Mean ± standard deviation over targets and samples. Over ML, over Gaussian: ratio of the means, with the interval "
    "of 95 % of a bootstrap over targets. The Gaussian prior knows no shape; its line for comparison is the one at the "
    "alpha chosen on other targets, where there is one. Floor: other points of the same object. CPU s: per sample."
)


def comparison_page(title: str, comparisons: Sequence[Comparison], gaussian: str) -> str:
    """The page of a table: a line per scenario with the ratios to maximum likelihood, then each scenario in full.

    gaussian: the name of the prior that knows no shape.
    """
    parts = [f"# {title}", summary_table(comparisons, gaussian), EXPLANATION]
    for found in comparisons:
        parts += [f"## {found.title}", _about(found), comparison_table(found, gaussian)]
        parts += [found.note] * bool(found.note)
    return "\n\n".join(parts) + "\n"


def summary_table(comparisons: Sequence[Comparison], gaussian: str) -> str:
    """Per scenario and prior the ratio of the first metric to maximum likelihood's, the Gaussian's, and the paper's."""
    rows = []
    for found in comparisons:
        main = _main_metric(found)
        reference, plain = found.lines[0], _gaussian_line(found, gaussian)
        for line in found.lines[1:]:
            if line.alpha is None or (line.method == gaussian and line is not plain):
                continue
            over_ml = ratio_of_means(line.means[main], reference.means[main])
            over_plain = "" if plain in (None, line) else str(ratio_of_means(line.means[main], plain.means[main]))
            cells = [found.key, _named(line), str(over_ml), f"{over_ml.below:.0%}", over_plain, _paper_ratio(found.key)]
            rows.append(cells)
    head = ["", "prior", "CD or RMSD over ML", "targets below ML", "over the Gaussian prior", "paper: CD over ML"]
    return markdown_table(head, rows)


def comparison_table(found: Comparison, gaussian: str) -> str:
    """Every method of one scenario: metrics, ratios to maximum likelihood and to the Gaussian prior, seconds."""
    columns = STRUCTURES if "rmsd" in found.lines[0].means else SHAPES
    compared = list(columns)[:2]
    reference, plain = found.lines[0], _gaussian_line(found, gaussian)
    short = [columns[m][0].split(" x ")[0].removesuffix(" (Å)") for m in compared]
    head = ["", *(name for name, _ in columns.values()), *(f"{s} over ML" for s in short)]
    head += [f"{short[0]} over Gaussian", "CPU s"]
    rows = []
    for line in found.lines:
        cells = [_named(line)]
        for metric, (_, factor) in columns.items():
            if metric in line.means:
                mean = factor * np.mean(line.means[metric])
                cells.append(f"{mean:.2f} ± {factor * line.deviations[metric]:.2f}")
            else:
                cells.append("")
        for metric in compared:
            is_ml = line.method == ML
            cells.append("1" if is_ml else str(ratio_of_means(line.means[metric], reference.means[metric])))
        other = plain is not None and line is not plain and line.alpha is not None
        cells.append(str(ratio_of_means(line.means[compared[0]], plain.means[compared[0]])) if other else "")
        cells.append("" if line.method == FLOOR else f"{line.seconds:.1f}")
        rows.append(cells)
    if found.own_rmsd:
        rows.append(["the targets' own points", "0", f"{np.mean(found.own_rmsd):.2f}", "", "", "", "", ""])
    for name, published in (("paper: ML", ML_PUBLISHED), ("paper: DPS", DPS_PUBLISHED)):
        if found.key in published:
            rows.append(_paper_row(name, published[found.key], ML_PUBLISHED[found.key]))
    return markdown_table(head, rows)


def _paper_row(name: str, published: Published, ml: Published) -> list[str]:
    cells = [f"{mean:.2f} ± {deviation:.2f}" for mean, deviation in (published.cd, published.emd, published.energy)]
    ratios = [f"{published.cd[0] / ml.cd[0]:.2f}", f"{published.emd[0] / ml.emd[0]:.2f}"]
    return [name, *cells, *ratios, "", ""]


def _paper_ratio(key: str) -> str:
    if key not in DPS_PUBLISHED:
        return ""
    return f"{DPS_PUBLISHED[key].cd[0] / ML_PUBLISHED[key].cd[0]:.2f}"


def _gaussian_line(found: Comparison, gaussian: str) -> Line | None:
    return found.line(gaussian, chosen=True) or found.line(gaussian)


def _main_metric(found: Comparison) -> str:
    return "rmsd" if "rmsd" in found.lines[0].means else "cd"


def _named(line: Line) -> str:
    if line.alpha is None:
        return line.method
    return f"{line.method}, alpha {line.alpha:,.0f}" + ", chosen on other targets" * line.chosen


def _about(found: Comparison) -> str:
    text = f"{len(found.targets)} targets, {found.n_samples} sample{'s' if found.n_samples > 1 else ''} each"
    if found.chosen_on:
        text += f"; alphas chosen on {len(found.chosen_on)} others ({' '.join(found.chosen_on)})"
    return f"{text}: {' '.join(found.targets)}."
