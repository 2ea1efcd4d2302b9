"""`dpskit benchmark views`: unknown orientations and places, images and warnings on structures, as tables."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dpskit.commands.parser import add_command

if TYPE_CHECKING:
    from dpskit.experiments.targets import Target

TABLES = ("orientations", "images", "outliers", "mistakes", "placement")


def add(kinds: Any) -> None:
    """Add the command to the benchmark's `kinds`."""
    views = add_command(
        kinds, "views", _views, "unknown orientations and places, images, outliers, mistakes that are named"
    )
    views.add_argument("structures", nargs="+", help="structure files or PDB codes")
    views.add_argument("--table", action="append", choices=TABLES, help="repeatable (default: all)")
    views.add_argument("--case", action="append", help="of the orientations, repeatable (default: all)")
    views.add_argument("--count", type=int, help="number of structures, drawn by the seed (default: all, in order)")
    views.add_argument("--trials", type=int, default=20, help="of each mistake")
    views.add_argument("--seed", type=int, default=0, help="of targets, data and samples")
    views.add_argument("--out", default="results/views", help="folder of results, continued if it exists")


def _views(options: argparse.Namespace) -> None:
    from dpskit.benchmarks.views import images, mistakes, orientations, outliers, placement
    from dpskit.checks import check_choice

    cases = options.case or list(orientations.CASES)
    for case in cases:
        check_choice("--case", case, orientations.CASES)
    targets, out = _targets(options), Path(options.out)
    tables = options.table or TABLES
    if "orientations" in tables:
        settings = orientations.OrientationSettings()
        found = orientations.orientation_benchmark(targets, settings, out / "orientations.jsonl", cases)
        print(orientations.orientation_table(list(found)), end="\n\n")
    if "images" in tables:
        print(images.image_table(list(images.image_benchmark(targets, out / "images.jsonl"))), end="\n\n")
    if "outliers" in tables:
        print(outliers.outlier_table(list(outliers.outlier_benchmark(targets))), end="\n\n")
    if "mistakes" in tables:
        named = mistakes.mistake_benchmark(targets, out / "mistakes.jsonl", options.trials, options.seed)
        print(mistakes.mistake_table(list(named)), end="\n\n")
    if "placement" in tables:
        placed = placement.placement_benchmark(targets, out / "placement.jsonl")
        print(placement.placement_table(list(placed)))


def _targets(options: argparse.Namespace) -> Sequence[Target]:
    from dpskit.experiments.targets import complex_targets, draw_sources, source_id

    sources = {source_id(source): source for source in options.structures}
    chosen = [sources[name] for name in draw_sources(list(sources), options.count, options.seed)]
    return list(complex_targets(chosen, 1024, options.seed))
