"""Grid search over settings of one reconstruction, with the scores of each; resumable from disk."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dpskit.checks import check_choice
from dpskit.experiments.cluster import run_tasks
from dpskit.experiments.experiment import Experiment, Settings, run_experiment
from dpskit.experiments.scenarios import Scenario
from dpskit.records import append_result, read_results
from dpskit.sampling.protocol import Info

if TYPE_CHECKING:
    from distributed import Client

METRICS = {"cd": "CD x 100", "emd": "EMD x 100", "energy": "E x 1000", "rmsd": "RMSD (Å)"}
"""Fields of `Outcome` and their names in tables; the smallest value is the best of each."""


@dataclass(frozen=True)
class Outcome:
    """Means over the samples of one setting, in the units of METRICS; energy None without data, rmsd for shapes."""

    settings: Settings
    cd: float
    emd: float
    energy: float | None
    rmsd: float | None


def grid(settings: Settings, alphas: Sequence[float], cutoffs: Sequence[float], steps: Sequence[int]) -> list[Settings]:
    """`settings` with every combination of alpha, cutoff and number of steps; all data are the same, since the seed
    is."""
    combinations = itertools.product(steps, cutoffs, alphas)
    scenarios = (replace(settings.scenario, alpha=float(a), cutoff=float(c), n_steps=n) for n, c, a in combinations)
    return [replace(settings, scenario=scenario) for scenario in scenarios]


def sweep(
    settings: Sequence[Settings],
    record: str | Path,
    run: Callable[[Experiment], Iterator[Info]] = run_experiment,
    client: Client | None = None,
) -> Iterator[Outcome | Info]:
    """Run every setting, and yield its `Info` at each step and its `Outcome` at its end.

    record: a file of JSON lines, one per outcome. What it holds already is yielded first and not computed again, so
    that a sweep can be interrupted at any time; a line that was cut off, or that a version of dpskit with other numbers
    wrote, is computed again. Start a new file when a prior has changed under its name. client: of Dask, whose workers
    run the settings; the outcomes alone are then yielded, as they end.
    """
    record, done = Path(record), {}
    for outcome in load_outcomes(record):
        done[outcome.settings] = outcome
    yield from (done[one] for one in settings if one in done)
    if client is not None:
        tasks = [(one, run) for one in settings if one not in done]
        for _, outcome in run_tasks(_run_setting, tasks, client):
            append_result(record, asdict(outcome))
            yield outcome
        return
    for one in settings:
        if one in done:
            continue
        experiment, info = Experiment.of(one), None
        for info in run(experiment):
            yield info
        done[one] = _outcome_of(experiment, info)
        append_result(record, asdict(done[one]))
        yield done[one]


def load_outcomes(record: str | Path) -> list[Outcome]:
    """The outcomes that a sweep of this version wrote, without those of incomplete lines; an absent file has none."""
    outcomes = []
    for fields in read_results(record):
        try:
            one = fields["settings"]
            settings = Settings(**(one | {"scenario": Scenario(**one["scenario"])}))
            outcomes.append(Outcome(**(fields | {"settings": settings})))
        except (ValueError, TypeError, KeyError):
            continue
    return outcomes


def best(outcomes: Sequence[Outcome], metric: str) -> Outcome | None:
    """The outcome with the smallest value of a metric.

    Parameters
    ----------
    outcomes : sequence of Outcome
        Of a sweep.
    metric : str
        One of METRICS.

    Returns
    -------
    Outcome or None
        None if no outcome has the metric.

    Raises
    ------
    ValueError
        For an unknown metric.
    """
    check_choice("metric", metric, METRICS)
    known = [outcome for outcome in outcomes if getattr(outcome, metric) is not None]
    return min(known, key=lambda outcome: getattr(outcome, metric), default=None)


def _run_setting(settings: Settings, run: Callable[[Experiment], Iterator[Info]]) -> Outcome:
    experiment, last = Experiment.of(settings), None
    for info in run(experiment):
        last = info
    return _outcome_of(experiment, last)


def _outcome_of(experiment: Experiment, info: Info | None) -> Outcome:
    if info is None:
        raise ValueError(f"run must yield at least one Info, got none for {experiment.settings}.")
    means = experiment.score(info.x).means()
    values: dict[str, Any] = {field: means.get(name) for field, name in METRICS.items()}
    return Outcome(experiment.settings, **values)
