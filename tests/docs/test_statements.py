"""Numbers in running text and in tables put together by hand: those of the records beside the documentation."""

from pathlib import Path

import numpy as np
import pytest

from dpskit.benchmarks.paper import PUBLISHED
from dpskit.benchmarks.paper.record import TablePart
from dpskit.evaluation.ratios import Ratio, ratio_of_means
from dpskit.experiments.methods import FLOOR

ROOT = Path(__file__).parents[2]
README = " ".join((ROOT / "README.md").read_text().split())
ROWS = [f"table1/{row}-balanced{'-means' * (row in (5, 6, 9))}" for row in range(1, 10)]
CHAIRS = ("table1/1-balanced", "table1/7-balanced")
PROJECTIONS = "a4/a.4.3-80-steps"


def part(record: str) -> TablePart:
    return TablePart.load(ROOT / "docs" / "paper" / f"{record}.json")


def trained(table: TablePart):
    """The line of the trained prior, at the alpha chosen on other targets if there is one."""
    names = {line.method for line in table.lines if line.alpha is not None} - {table.plain}
    (name,) = names
    return table.line(name, chosen=True) or table.line(name)


def over_ml(record: str, metric: str, which=trained) -> Ratio:
    table = part(record)
    return ratio_of_means(which(table).means[metric], table.reference.means[metric])


def over_gaussian(record: str) -> Ratio:
    table = part(record)
    return ratio_of_means(trained(table).means["rmsd"], table.shapeless.means["rmsd"])


def row(name, which=trained, form="{:.2f}", suffix="", structures=True):
    """A row of README's table: CD and EMD of two settings of chairs, RMSD to points and atoms of complexes."""
    wanted = [(record + suffix, ("cd", "emd")) for record in CHAIRS]
    wanted += [(PROJECTIONS, ("rmsd", "rmsd_atoms"))] * structures
    cells = [", ".join(form.format(over_ml(record, m, which).value) for m in metrics) for record, metrics in wanted]
    return f"| {name} | {' | '.join(cells)} |" + " |" * (not structures)


def angstrom(record, which) -> float:
    table = part(record)
    return float(np.mean(which(table).means["rmsd"]))


def reference(table):
    return table.reference


def shapeless(table):
    return table.shapeless


def floor(table):
    return table.line(FLOOR)


def coarse() -> str:
    """What README says of one projection and a 40-point structure, in the order of its numbers."""
    plain = [angstrom("a4/a.4.6", which) for which in (trained, shapeless, reference)]
    means = [angstrom("a4/a.4.6-means", which) for which in (trained, shapeless, reference)]
    return (
        "the trained prior has {:.1f} angstrom and the Gaussian {:.1f} (maximum likelihood {:.1f}) with the paper's "
        "likelihood, which draws every point to one of the 40, but **{:.1f}** and {:.1f} ({:.1f})"
    ).format(*plain, *means)


@pytest.mark.parametrize(
    "statement",
    [
        row("DPS, trained prior", form="**{:.2f}**"),
        row("the same, pose unknown", form="**{:.2f}**", suffix="-turned", structures=False),
        row("DPS, Gaussian prior at its best alpha", shapeless),
        row("floor: other points of the same object", floor),
        f"the mean of the CD ratios is {np.mean([over_ml(record, 'cd').value for record in ROWS]):.2f} (paper 0.77)",
        f"the trained prior has {over_gaussian(PROJECTIONS)} of the Gaussian's error",
        f"noise of 1.5 angstrom it is {over_gaussian(PROJECTIONS + '-drawn-anew')}",
        coarse(),
    ],
)
def test_the_readme_says_what_the_records_hold(statement):
    assert statement in README


def test_every_row_is_below_the_paper_s():
    for number, record in enumerate(ROWS, start=1):
        ours, without = (PUBLISHED[str(number)][name] for name in ("DPS", "maximum likelihood"))
        for metric in ("cd", "emd"):
            paper = getattr(ours, metric)[0] / getattr(without, metric)[0]
            assert over_ml(record, metric).value < paper, (number, metric)
    assert "All nine are below the paper's, for CD and EMD." in README
