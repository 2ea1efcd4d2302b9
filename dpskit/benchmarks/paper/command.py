"""`dpskit benchmark table1 | table2 | a4 | figure1 | figure2 | figure6 | paper`: the paper's tables and figures."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dpskit.benchmarks.paper import options as shared
from dpskit.commands.parser import add_command

if TYPE_CHECKING:
    from dpskit.benchmarks.paper.record import TablePart


def add(kinds: Any) -> None:
    """Add the commands to the benchmark's `kinds`."""
    table1 = add_command(kinds, "table1", _table1, "reconstruct shapes in the settings of the paper's Table 1")
    table1.add_argument("--row", action="append", help='of Table 1, repeatable, also "9 (Table 4)" (default: all)')
    shared.add_shapes(table1)
    shared.add_comparison(table1, twin=False, noise=0.0)
    shared.add_run(table1)
    a4 = add_command(kinds, "a4", _a4, "reconstruct complexes in the settings of the paper's appendix A.4")
    a4.add_argument("structures", nargs="+", help="structure files or PDB codes")
    a4.add_argument("--setting", action="append", help="A.4.1 to A.4.7, repeatable (default: all)")
    a4.add_argument("--count", type=int, default=16, help="number of targets")
    a4.add_argument("--exclude", nargs="+", default=[], metavar="ID", help="structures to leave out")
    a4.add_argument("--choose", nargs="+", default=[], metavar="ID", help="structures on which alpha is chosen")
    shared.add_comparison(a4, twin=True, noise=1.5)
    shared.add_run(a4)
    table2 = add_command(kinds, "table2", _table2, "what noise and the correction step bring: the paper's Table 2")
    figure6 = add_command(kinds, "figure6", _figure6, "errors over the number of time steps: the paper's Figure 6")
    for kind in (table2, figure6):
        shared.add_shapes(kind)
        shared.add_run(kind)
    figure1 = add_command(kinds, "figure1", _figure1, "reconstructions of shapes side by side: the paper's Figure 1")
    shared.add_shapes(figure1, count=None)
    shared.add_run(figure1, n_samples=1)
    figure2 = add_command(kinds, "figure2", _figure2, "five complexes from sparse data: the paper's Figure 2")
    figure2.add_argument("structures", nargs="+", help="files or PDB codes, for panels A to E in order")
    figure2.add_argument("--panel", action="append", choices=list("ABCDE"), help="repeatable (default: in order)")
    figure2.add_argument(
        "--part", nargs="+", default=[], metavar="CHAIN", help="chains known in panel E (default: a random cluster)"
    )
    shared.add_run(figure2, n_samples=10)
    paper = add_command(kinds, "paper", _paper, "collect all results as one page, with their records")
    paper.add_argument("--results", default="results", help="folder with the folders of the other commands")
    paper.add_argument("--out", default="docs", help="folder of paper.md and of paper/, its records and pictures")


@shared.holding("table1")
@shared.on_cluster
def _table1(options: argparse.Namespace) -> None:
    from dpskit.benchmarks.paper import OBJECTS, ROWS
    from dpskit.checks import check_choice

    rows = {key: ROWS[check_choice("--row", key, ROWS)] for key in options.row or ROWS}
    kinds = {kind: shared.shapes(options, kind, options.choose_alpha) for kind in {OBJECTS[key] for key in rows}}
    for key, scenario in rows.items():
        _compare(options, "table1", key, scenario, OBJECTS[key], *kinds[OBJECTS[key]])


@shared.holding("a4")
@shared.on_cluster
def _a4(options: argparse.Namespace) -> None:
    from dpskit.benchmarks.paper import COMPLEX, SETTINGS
    from dpskit.benchmarks.paper.figures import box_figure
    from dpskit.checks import check_choice

    settings = {key: SETTINGS[check_choice("--setting", key, SETTINGS)] for key in options.setting or SETTINGS}
    targets, others = shared.complexes(options)
    for key, scenario in settings.items():
        found = _compare(options, "a4", key, scenario, COMPLEX, targets, others)
        _save_figure(box_figure(found), shared.folder_of(options, "a4") / "a4.png")


def _compare(
    options: argparse.Namespace, name: str, key: str, scenario: Any, kind: str, targets: list, others: list
) -> list[TablePart]:
    """One scenario, and its realistic twin; returns all that the folder holds."""
    from dpskit.benchmarks.paper.compare import compare

    study = shared.make_study(options, name, kind, targets, others)
    scenario = shared.changed(options, replace(scenario, name=key))
    label = scenario.name
    twins = {label: scenario}
    if options.twin:
        twins[f"{label}, drawn anew"] = scenario.redrawn(options.noise)
    for label, one in twins.items():
        found = _add(options, name, [compare(study, label, one, shared.note_of(options, study.priors))])
    return found


@shared.holding("table2")
@shared.on_cluster
def _table2(options: argparse.Namespace) -> None:
    from dpskit.benchmarks.paper.steps import table_2

    study, methods_of = _solver_study(options, "table2")
    _add(options, "table2", [table_2(study, methods_of, shared.note_of(options, study.priors))])


@shared.holding("figure6")
@shared.on_cluster
def _figure6(options: argparse.Namespace) -> None:
    from dpskit.benchmarks.paper import STEPS
    from dpskit.benchmarks.paper.figures import steps_figure
    from dpskit.benchmarks.paper.steps import figure_6

    study, methods_of = _solver_study(options, "figure6")
    for found in figure_6(study, methods_of, shared.note_of(options, study.priors)):
        parts = _add(options, "figure6", [found])
        _save_figure(steps_figure(parts, STEPS), shared.folder_of(options, "figure6") / "figure6.png")


def _solver_study(options: argparse.Namespace, name: str) -> tuple[Any, str]:
    from dpskit.benchmarks.paper import MIXED

    targets, _ = shared.shapes(options, MIXED)
    study = shared.make_study(options, name, MIXED, targets)
    return study, next(iter(study.priors))


@shared.holding("figure1")
@shared.on_cluster
def _figure1(options: argparse.Namespace) -> None:
    from dpskit.benchmarks.paper import CHAIR, FIGURE_1, MIXED, OBJECTS
    from dpskit.benchmarks.paper.gallery import figure_1

    kinds = {kind: shared.shapes(options, kind)[0] for kind in (CHAIR, MIXED)}
    studies = [shared.make_study(options, "figure1", OBJECTS[key], kinds[OBJECTS[key]]) for key in FIGURE_1]
    priors = {name: prior for study in studies for name, prior in study.priors.items()}
    parts, figure = figure_1(studies, options.seed, shared.note_of(options, priors))
    _add(options, "figure1", parts)
    _save_figure(figure, shared.folder_of(options, "figure1") / "figure1.png")


@shared.holding("figure2")
@shared.on_cluster
def _figure2(options: argparse.Namespace) -> None:
    from dpskit.benchmarks.paper import COMPLEX, FIGURE_2
    from dpskit.benchmarks.paper.gallery import figure_2
    from dpskit.experiments.targets import complex_targets

    panels = [f"Figure 2{letter}" for letter in options.panel or "ABCDE"[: len(options.structures)]]
    if len(panels) != len(options.structures):
        raise ValueError(f"--panel must name a panel for each of {len(options.structures)} structures, got {panels}.")
    for panel, source in zip(panels, options.structures, strict=True):
        chains = options.part if panel == "Figure 2E" else []
        (target,) = complex_targets([source], options.n_points, options.seed, chains=chains)
        study = shared.make_study(options, "figure2", COMPLEX, [target])
        found, figure = figure_2(study, panel, FIGURE_2[panel], shared.note_of(options, study.priors))
        _add(options, "figure2", [found])
        _save_figure(figure, shared.folder_of(options, "figure2") / f"{_file_name(panel)}.png")


def _paper(options: argparse.Namespace) -> None:
    from dpskit.benchmarks.paper.collect import collect
    from dpskit.claim import claim

    with claim(options.out, folder=True) as docs:
        print(collect(options.results, docs))


def _add(options: argparse.Namespace, name: str, found: Sequence[TablePart]) -> list[TablePart]:
    """Keep parts in the folder, write the page of all that it holds, and return these in order."""
    from dpskit.benchmarks.paper.collect import TITLES, parts_in
    from dpskit.benchmarks.paper.page import table_page
    from dpskit.files import replacing

    folder = shared.folder_of(options, name)
    for one in found:
        one.save(folder / f"{_file_name(one.key)}.json")
    known = parts_in(folder)
    with replacing(folder / f"{name}.md") as temporary:
        temporary.write_text(table_page(TITLES[name], known))
    print(table_page(TITLES[name], found))
    print(folder / f"{name}.md")
    return known


def _file_name(key: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "-", key).strip("-").lower()


def _save_figure(figure: Any, path: Path) -> None:
    from dpskit.files import replacing

    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")
