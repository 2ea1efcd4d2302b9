"""One scenario on many targets: maximum likelihood, DPS with several priors at chosen alphas, and the floor."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
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
from dpskit.sampling.dps import DPS
from dpskit.sampling.protocol import Solver

METRICS = ("cd", "emd", "energy", "rmsd", "rmsd_atoms", "pose_error")

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
        Targets on which alpha is chosen, with one sample each; none: the scenario's alpha alone.
    tuned
        The priors whose alpha is chosen; none: all.
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
    tuned: Sequence[str] = ()
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
    fixed = [MAXIMUM_LIKELIHOOD, *(study.extra if methods is None else methods)]
    names = list(study.priors) if methods is None else []
    fixed += [study.posterior(name, scenario) for name in names]
    if all(target.has_others for target in study.targets):
        fixed.append(THE_FLOOR)
    results = _run(study, study.targets, scenario, fixed)
    lines = [_line(method, found) for method, found in zip(fixed, results, strict=True)]
    if study.others:
        for name in [name for name in names if name in (study.tuned or names)]:
            method = study.posterior(name, scenario, choose_alpha(study, name, scenario))
            (found,) = _run(study, study.targets, scenario, [method])
            place = next(k for k, line in enumerate(lines) if line.method == name)
            lines.insert(place + 1, _line(method, found, chosen=True))
    own = [r.own_rmsd for r in results[0] if r.own_rmsd is not None]
    targets, others = [t.name for t in study.targets], [t.name for t in study.others]
    return TablePart(key, str(scenario), targets, study.n_samples, lines, others, own or None, study.plain, note)


def choose_alpha(study: Study, name: str, scenario: Scenario) -> float:
    """The alpha of the least mean error on the other targets, one sample each: CD of shapes, RMSD of structures.

    The geometric mean over targets, so that large structures do not decide alone. See `best_alpha`.
    """

    def error(alpha: float) -> float:
        try:
            (results,) = _run(study, study.others, scenario, [study.posterior(name, scenario, alpha)], n_samples=1)
        except ValueError:  # it diverged
            return math.inf
        return float(np.exp(np.mean([np.log((r.rmsd or r.cd)[0]) for r in results])))

    return best_alpha(error, scenario.alpha)


def _run(
    study: Study, targets: Sequence[Target], scenario: Scenario, methods: Sequence[Method], n_samples: int = 0
) -> list[list[Result]]:
    """The results of each method on each target, all run together; the floor needs no scenario."""
    from dpskit.progress import tqdm

    n_samples = n_samples or study.n_samples
    seen = [None if method is THE_FLOOR else scenario for method in methods]
    units = [[Unit(t, s, m, n_samples) for t in targets] for s, m in zip(seen, methods, strict=True)]
    every, found = [unit for one in units for unit in one], {}
    for unit, result in tqdm(study.run(every, study.folder), desc=scenario.name, total=len(every), unit="unit"):
        found[unit] = result
    results = [[found[unit] for unit in one] for one in units]
    for method, one in zip(methods, results, strict=True):
        alpha = "" if method.alpha is None else f", alpha {method.alpha:,.0f}"
        errors, name = [r.rmsd for r in one if r.rmsd], "RMSD"
        if not errors:
            errors, name = [[100 * x for x in r.cd] for r in one], "CD x 100"
        mean = np.mean([np.mean(values) for values in errors])
        study.report(f"{scenario.name}, {method.name}{alpha}: {name} {mean:.2f} on {len(targets)} targets")
    return results


def _line(method: Method, results: Sequence[Result], chosen: bool = False) -> Line:
    known = [name for name in METRICS if all(getattr(r, name) is not None for r in results)]
    values = {name: [list(getattr(r, name)) for r in results] for name in known}
    means = {name: [float(np.mean(v)) for v in values[name]] for name in known}
    deviations = {name: float(np.std(np.concatenate(values[name]))) for name in known}
    seconds = float(np.median([r.seconds / len(r.cd) for r in results]))
    return Line(method.name, method.alpha, chosen, means, deviations, seconds, values)
