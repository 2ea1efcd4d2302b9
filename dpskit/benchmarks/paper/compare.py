"""One scenario on many targets: maximum likelihood, DPS with several priors at chosen alphas, and the floor."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from dpskit.benchmarks.paper.alpha import best_alpha
from dpskit.benchmarks.paper.record import Line, TablePart
from dpskit.experiments.methods import MAXIMUM_LIKELIHOOD, THE_FLOOR, Method, Rule, posterior
from dpskit.experiments.scenarios import Scenario
from dpskit.experiments.targets import Target
from dpskit.experiments.units import Result, Unit, run_units
from dpskit.priors.protocol import Prior
from dpskit.sampling.guidance import DPS
from dpskit.sampling.solvers import Solver

METRICS = ("cd", "emd", "energy", "rmsd", "rmsd_atoms")

Runner = Callable[[Sequence[Unit], Path], Iterator[tuple[Unit, Result]]]
"""run(units, folder) yields the units with their results in any order, as `run_units` does."""


@dataclass(frozen=True, eq=False)
class Study:
    """What is compared, and where results are kept.

    Attributes
    ----------
    targets, n_samples, folder
        Samples are per target and method; the folder holds the units' files.
    priors
        By the names that tables show.
    plain
        The name of the one that knows no shape; "" without one.
    others
        Targets on which each prior's alpha is chosen, with one sample each; none: the scenario's alpha alone.
    rule
        The guidance of an alpha.
    extra
        Further methods, without alpha.
    turned
        Whether the targets do not stand upright, so that their pose is unknown to a prior whose objects do.
    run, report
        How units are run, and what is told of each line.
    """

    targets: Sequence[Target]
    n_samples: int
    folder: Path
    priors: dict[str, Prior] = field(default_factory=dict)
    plain: str = ""
    others: Sequence[Target] = ()
    rule: Rule = DPS
    extra: Sequence[Method] = ()
    turned: bool = False
    run: Runner = run_units
    report: Callable[[str], None] = print

    def posterior(
        self,
        prior: str,
        scenario: Scenario,
        alpha: float | None = None,
        *,
        label: str | None = None,
        solver: Solver | None = None,
        n_steps: int | None = None,
    ) -> Method:
        """DPS with one of the priors in a scenario; what is not given is the scenario's own."""
        own = self.priors[prior]
        pose = "unknown" if self.turned and getattr(own, "orientation", None) == "upright" else None
        return posterior(label or prior, own, scenario, self.rule, alpha, solver=solver, n_steps=n_steps, pose=pose)


def compare(
    study: Study, key: str, scenario: Scenario, note: str = "", methods: Sequence[Method] | None = None
) -> TablePart:
    """Run all methods of the study in one scenario; what its folder holds already is not computed again.

    methods: those beside maximum likelihood and the floor (default: DPS with each of the study's priors, and `extra`).
    """
    lines, own = [], None
    for method in (MAXIMUM_LIKELIHOOD, *(study.extra if methods is None else methods)):
        results = _run(study, study.targets, scenario, method)
        own = own or [r.own_rmsd for r in results if r.own_rmsd is not None]
        lines.append(_line(method, results))
    for name in study.priors if methods is None else ():
        method = study.posterior(name, scenario)
        lines.append(_line(method, _run(study, study.targets, scenario, method)))
        if study.others:
            method = study.posterior(name, scenario, choose_alpha(study, name, scenario))
            lines.append(_line(method, _run(study, study.targets, scenario, method), chosen=True))
    if all(target.has_others for target in study.targets):
        lines.append(_line(THE_FLOOR, _run(study, study.targets, None, THE_FLOOR)))
    names, others = [t.name for t in study.targets], [t.name for t in study.others]
    return TablePart(key, str(scenario), names, study.n_samples, lines, others, own or None, study.plain, note)


def choose_alpha(study: Study, name: str, scenario: Scenario) -> float:
    """The alpha of the least mean error on the other targets, one sample each: CD of shapes, RMSD of structures.

    The geometric mean over targets, so that large structures do not decide alone. See `best_alpha`.
    """

    def error(alpha: float) -> float:
        try:
            results = _run(study, study.others, scenario, study.posterior(name, scenario, alpha), n_samples=1)
        except ValueError:  # it diverged
            return math.inf
        return float(np.exp(np.mean([np.log((r.rmsd or r.cd)[0]) for r in results])))

    return best_alpha(error, scenario.alpha)


def _run(
    study: Study, targets: Iterable[Target], scenario: Scenario | None, method: Method, n_samples: int | None = None
) -> list[Result]:
    from dpskit.progress import tqdm

    units = [Unit(target, scenario, method, n_samples or study.n_samples) for target in targets]
    alpha = "" if method.alpha is None else f", alpha {method.alpha:,.0f}"
    about = f"{scenario.name}, {method.name}{alpha}" if scenario else method.name
    found = dict(tqdm(study.run(units, study.folder), desc=about, total=len(units), unit="target", leave=False))
    results = [found[unit] for unit in units]
    values, unit = [r.rmsd for r in results if r.rmsd], "RMSD"
    if not values:
        values, unit = [[100 * x for x in r.cd] for r in results], "CD x 100"
    study.report(f"{about}: {unit} {np.mean([np.mean(v) for v in values]):.2f} on {len(units)} targets")
    return results


def _line(method: Method, results: Sequence[Result], chosen: bool = False) -> Line:
    known = [name for name in METRICS if all(getattr(r, name) is not None for r in results)]
    values = {name: [list(getattr(r, name)) for r in results] for name in known}
    means = {name: [float(np.mean(v)) for v in values[name]] for name in known}
    deviations = {name: float(np.std(np.concatenate(values[name]))) for name in known}
    seconds = float(np.median([r.seconds / len(r.cd) for r in results]))
    return Line(method.name, method.alpha, chosen, means, deviations, seconds, values)
