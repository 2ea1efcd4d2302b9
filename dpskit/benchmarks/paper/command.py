"""`dpskit benchmark table1 | a4`: the paper's tables, by command."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from dpskit.commands.parser import add_command


def add(kinds: Any) -> None:
    """Add the commands to the benchmark's `kinds`."""
    table1 = add_command(kinds, "table1", _table1, "reconstruct shapes in the settings of the paper's Table 1")
    table1.add_argument("--row", action="append", help='of Table 1, repeatable, also "9 (Table 4)" (default: all)')
    table1.add_argument("--targets", required=True, help="packed npz file of shapes that stand upright")
    table1.add_argument("--category", action="append", help="only shapes of this category, repeatable")
    table1.add_argument("--turned", type=int, metavar="SEED", help="turn the shapes at random (O(3)) by this seed")
    a4 = add_command(kinds, "a4", _a4, "reconstruct complexes in the settings of the paper's appendix A.4")
    a4.add_argument("structures", nargs="+", help="structure files or PDB codes")
    a4.add_argument("--setting", action="append", help="A.4.1 to A.4.7, repeatable (default: all)")
    a4.add_argument("--exclude", nargs="+", default=[], metavar="ID", help="structures to leave out")
    a4.add_argument("--choose", nargs="+", default=[], metavar="ID", help="structures on which alpha is chosen")
    for kind, count, twin, noise in ((table1, 24, False, 0.0), (a4, 16, True, 1.5)):
        kind.add_argument("--count", type=int, default=count, help="number of targets")
        kind.add_argument("--n-samples", type=int, default=2, help="per target and method")
        kind.add_argument("--n-points", type=int, default=1024, help="points of a reconstruction")
        kind.add_argument("--n-steps", type=int, help="steps of the solver (default: the paper's 40)")
        kind.add_argument("--alpha", type=float, help="strength of the guidance (default: the paper's)")
        kind.add_argument(
            "--choose-alpha", type=int, default=0, metavar="N", help="choose each prior's alpha on N other targets"
        )
        kind.add_argument(
            "--prior", action="append", help="shipped name or .safetensors file, repeatable (default: by setting)"
        )
        kind.add_argument("--no-prior", action="store_true", help="maximum likelihood and the Gaussian prior alone")
        kind.add_argument("--gaussian", type=float, default=0.4, help="standard deviation of the Gaussian prior")
        kind.add_argument(
            "--guidance",
            choices=["dps", "data-space"],
            default="dps",
            help="the gradient through the network, or in the space of the data",
        )
        kind.add_argument("--reach", type=_reach, default=2.0, help='bound of the pull; "none": the rule as printed')
        kind.add_argument(
            "--twin",
            action=argparse.BooleanOptionalAction,
            default=twin,
            help="also with points drawn anew for each view, and noise",
        )
        kind.add_argument("--noise", type=float, default=noise, help="of the twin: angstrom, or units of the cube")
        kind.add_argument("--smooth", action="store_true", help="also maximum likelihood with a roughness penalty")
        kind.add_argument("--seed", type=int, default=0, help="of targets, data and samples")
        kind.add_argument("--out", help="folder of results, continued if it exists (default: results/...)")


def _reach(text: str) -> float | None:
    return None if text == "none" else float(text)


def _table1(options: argparse.Namespace) -> None:
    from dpskit.benchmarks.paper import CHAIR, OBJECTS, ROWS
    from dpskit.checks import check_choice, check_integer
    from dpskit.data.packed import read_packed
    from dpskit.experiments.targets import shape_targets

    rows = {key: ROWS[check_choice("--row", key, ROWS)] for key in options.row or ROWS}
    categories = {str(name) for name in read_packed(options.targets, "targets").category}
    found = {}
    for kind in {OBJECTS[key] for key in rows}:
        chairs = ["chair"] if kind == CHAIR and "chair" in categories else None
        known = shape_targets(
            options.targets,
            options.n_points,
            options.seed,
            categories=options.category or chairs,
            turned=options.turned,
        )
        found[kind] = _split(known, check_integer("--count", options.count), options.choose_alpha)
    title = "Table 1: shapes from sparse data"
    upright = options.turned is None
    note = "The shapes stand upright." if upright else f"The shapes are turned at random, by seed {options.turned}."
    _run(options, title, "table1", rows, OBJECTS, found, note)


def _a4(options: argparse.Namespace) -> None:
    from dpskit.benchmarks.paper import COMPLEX, SETTINGS
    from dpskit.checks import check_choice
    from dpskit.experiments.targets import complex_targets, draw_sources, source_id

    settings = {key: SETTINGS[check_choice("--setting", key, SETTINGS)] for key in options.setting or SETTINGS}
    sources = {source_id(source): source for source in options.structures}
    for option, names in (("--exclude", options.exclude), ("--choose", options.choose)):
        for name in names:
            check_choice(option, name.lower(), sources)
    left_out = {name.lower() for name in (*options.exclude, *options.choose)}
    n_others = 0 if options.choose else options.choose_alpha
    drawn = draw_sources([s for s in sources if s not in left_out], options.count + n_others, options.seed)
    chosen = [name.lower() for name in options.choose] or drawn[options.count :]
    targets, others = (
        list(complex_targets([sources[name] for name in names], options.n_points, options.seed))
        for names in (drawn[: options.count], chosen)
    )
    objects = dict.fromkeys(settings, COMPLEX)
    _run(options, "Appendix A.4: complexes from sparse data", "a4", settings, objects, {COMPLEX: (targets, others)}, "")


def _split(known: list[Any], count: int, n_others: int) -> tuple[list[Any], list[Any]]:
    if count + n_others > len(known):
        raise ValueError(f"--count and --choose-alpha must be at most {len(known)} targets, got {count} + {n_others}.")
    return known[:count], known[count : count + n_others]


def _run(
    options: argparse.Namespace,
    title: str,
    name: str,
    scenarios: Mapping[str, Any],
    objects: Mapping[str, str],
    targets: Mapping[str, tuple[list[Any], list[Any]]],
    note: str,
) -> None:
    from dpskit.benchmarks.paper.compare import Study, compare
    from dpskit.benchmarks.paper.page import comparison_page
    from dpskit.experiments.methods import SMOOTH_MAP
    from dpskit.files import replacing
    from dpskit.priors.analytic import GaussianPrior
    from dpskit.priors.store import load_prior
    from dpskit.progress import write
    from dpskit.sampling.guidance import DPS, DataSpace

    kinds = {"dps": DPS, "data-space": DataSpace}
    rule = partial(kinds[options.guidance], reach=options.reach)
    bound = "none" if options.reach is None else f"{options.reach:g}"
    note = f"{note} Guidance {options.guidance}, reach {bound}; seed {options.seed}.".strip()
    gaussian = "Gaussian prior"
    folder = Path(options.out or f"results/{name}")
    for key, scenario in scenarios.items():
        changes = {"n_steps": options.n_steps, "alpha": options.alpha}
        scenario = replace(scenario, **{field: value for field, value in changes.items() if value is not None})
        names = [] if options.no_prior else options.prior or [objects[key]]
        priors = {f"{Path(one).stem} prior": load_prior(one) for one in names}
        priors[gaussian] = GaussianPrior(0.0, options.gaussian)
        own, others = targets[objects[key]]
        extra = [SMOOTH_MAP] * options.smooth
        units = folder / "units"
        turned = getattr(options, "turned", None) is not None
        study = Study(own, priors, units, options.n_samples, others, rule, extra, turned, write)
        label = key if options.n_steps is None else f"{key}, {options.n_steps} steps"
        twins = {label: scenario} | ({f"{label}, drawn anew": scenario.redrawn(options.noise)} if options.twin else {})
        for label, one in twins.items():
            compare(study, label, one, note).save(folder / f"{re.sub('[^A-Za-z0-9.]+', '-', label).strip('-')}.json")
            text = comparison_page(title, _found(folder), gaussian)
            with replacing(folder / f"{name}.md") as temporary:
                temporary.write_text(text)
    print(text)
    print(folder / f"{name}.md")


def _found(folder: Path) -> list[Any]:
    """All comparisons that the folder holds, in the order of the scenarios' keys."""
    from dpskit.benchmarks.paper import ROWS, SETTINGS
    from dpskit.benchmarks.paper.compare import Comparison

    order = list(ROWS | SETTINGS)
    found = [Comparison.load(path) for path in sorted(folder.glob("*.json"))]
    return sorted(found, key=lambda one: (order.index(one.key.partition(", ")[0]), one.key))
