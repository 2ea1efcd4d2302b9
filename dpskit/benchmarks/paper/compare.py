"""One scenario on many targets: maximum likelihood, DPS with several priors at chosen alphas, and the floor."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from dpskit.benchmarks.paper.alpha import best_alpha
from dpskit.experiments.methods import MAXIMUM_LIKELIHOOD, THE_FLOOR, Method, Rule, posterior
from dpskit.experiments.scenarios import Scenario
from dpskit.experiments.targets import Target
from dpskit.experiments.units import Result, Unit, run_units
from dpskit.files import replacing
from dpskit.priors.protocol import Prior
from dpskit.sampling.guidance import DPS

METRICS = ("cd", "emd", "energy", "rmsd", "rmsd_atoms")

Report = Callable[[str], None]


@dataclass(frozen=True)
class Line:
    """What a method reached: per metric the mean of each target's samples, and the deviation over all samples.

    alpha: of DPS; chosen: whether on other targets. seconds: of CPU time per sample, the median over targets.
    """

    method: str
    alpha: float | None
    chosen: bool
    means: dict[str, list[float]]
    deviations: dict[str, float]
    seconds: float


@dataclass(frozen=True)
class Comparison:
    """A scenario's part of a table.

    key: by which the scenario is found; title: what is observed, in words; chosen_on: targets on which alphas were
    chosen. lines: the methods in order, maximum likelihood first. own_rmsd: of the targets' own points to the atoms.
    """

    key: str
    title: str
    targets: list[str]
    n_samples: int
    lines: list[Line]
    chosen_on: list[str] = field(default_factory=list)
    own_rmsd: list[float] | None = None
    note: str = ""

    def line(self, method: str, *, chosen: bool | None = None) -> Line | None:
        """The first line of a method, at a chosen alpha or not; None if there is none."""
        found = (line for line in self.lines if line.method == method and chosen in (None, line.chosen))
        return next(found, None)

    def save(self, path: str | Path) -> None:
        """Write it as JSON, numbers with five digits; atomic."""
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(_rounded(asdict(self)), indent=1) + "\n")

    @staticmethod
    def load(path: str | Path) -> Comparison:
        """Read what `save` wrote."""
        found = json.loads(Path(path).read_text())
        return Comparison(**(found | {"lines": [Line(**line) for line in found["lines"]]}))


def _rounded(value: object) -> object:
    if isinstance(value, dict):
        return {name: _rounded(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value


@dataclass(frozen=True, eq=False)
class Study:
    """What is compared, and where results are kept.

    priors: by the names that tables show; the last one is the prior that knows no shape. rule: guidance of an alpha.
    folder: of the units' files. n_samples: per target and method. others: targets on which each prior's alpha is
    chosen (with one sample each); none: the scenario's own alpha alone. extra: further methods without alpha. turned:
    the targets do not stand upright, so that the pose is unknown to a prior whose objects do.
    """

    targets: Sequence[Target]
    priors: dict[str, Prior]
    folder: Path
    n_samples: int = 2
    others: Sequence[Target] = ()
    rule: Rule = DPS
    extra: Sequence[Method] = ()
    turned: bool = False
    report: Report = print


def compare(study: Study, key: str, scenario: Scenario, note: str = "") -> Comparison:
    """Run all methods of the study in one scenario; what its folder holds already is not computed again."""
    lines, own = [], None
    for method in (MAXIMUM_LIKELIHOOD, *study.extra):
        results = _run(study, study.targets, scenario, method)
        own = own or [r.own_rmsd for r in results]
        lines.append(_line(method, results, False))
    for name in study.priors:
        methods = [(_posterior(study, name, scenario, None), False)]
        if study.others:
            methods.append((_posterior(study, name, scenario, choose_alpha(study, name, scenario)), True))
        for method, chosen in methods:
            lines.append(_line(method, _run(study, study.targets, scenario, method), chosen))
    if all(target.has_others for target in study.targets):
        lines.append(_line(THE_FLOOR, _run(study, study.targets, None, THE_FLOOR), False))
    names, others = [t.name for t in study.targets], [t.name for t in study.others]
    known = own if own and own[0] is not None else None
    return Comparison(key, str(scenario), names, study.n_samples, lines, others, known, note)


def choose_alpha(study: Study, name: str, scenario: Scenario) -> float:
    """The alpha of the least mean error on the other targets, one sample each: CD of shapes, RMSD of structures.

    The geometric mean over targets, so that large structures do not decide alone. See `best_alpha`.
    """

    def error(alpha: float) -> float:
        method = _posterior(study, name, scenario, alpha)
        try:
            results = _run(study, study.others, scenario, method, n_samples=1)
        except ValueError:  # it diverged
            return np.inf
        return float(np.exp(np.mean([np.log((r.rmsd or r.cd)[0]) for r in results])))

    return best_alpha(error, scenario.alpha)


def _posterior(study: Study, name: str, scenario: Scenario, alpha: float | None) -> Method:
    prior = study.priors[name]
    turned = study.turned and getattr(prior, "orientation", None) == "upright"
    return posterior(name, prior, scenario, study.rule, alpha, pose="unknown" if turned else None)


def _run(
    study: Study, targets: Iterable[Target], scenario: Scenario | None, method: Method, n_samples: int | None = None
) -> list[Result]:
    units = [Unit(target, scenario, method, n_samples or study.n_samples) for target in targets]
    from dpskit.progress import tqdm

    alpha = "" if method.alpha is None else f", alpha {method.alpha:,.0f}"
    about = f"{scenario.name}, {method.name}{alpha}" if scenario else method.name
    results = [
        result for _, result in tqdm(run_units(units, study.folder), desc=about, total=len(units), unit="target")
    ]
    values = [np.mean(r.rmsd or r.cd) for r in results]
    unit = "RMSD" if results[0].rmsd else "CD x 100"
    study.report(f"{about}: {unit} {np.mean(values) * (1 if results[0].rmsd else 100):.2f} on {len(units)} targets")
    return results


def _line(method: Method, results: Sequence[Result], chosen: bool) -> Line:
    means, deviations = {}, {}
    for metric in METRICS:
        values = [getattr(r, metric) for r in results]
        if all(v is not None for v in values):
            means[metric] = [float(np.mean(v)) for v in values]
            deviations[metric] = float(np.std(np.concatenate(values)))
    seconds = float(np.median([r.seconds / len(r.cd) for r in results]))
    return Line(method.name, method.alpha, chosen, means, deviations, seconds)
