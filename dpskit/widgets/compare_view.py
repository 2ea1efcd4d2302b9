"""Two runs with the same data side by side: A, which was kept, and B."""

from __future__ import annotations

from dataclasses import dataclass, fields

import ipywidgets as widgets

from dpskit.experiments.experiment import Experiment, Report, Settings
from dpskit.plots.score_table import score_table
from dpskit.widgets.cloud_view import CloudView, Unit
from dpskit.widgets.results_view import small

WORDS = {"alpha": "pull α", "cutoff": "noise until t =", "n_steps": "steps", "n_samples": "samples"}


@dataclass(frozen=True, eq=False)
class Kept:
    """A run that has ended, and its results."""

    experiment: Experiment
    report: Report


class CompareView:
    """A sample of A, one of B and the truth, and the scores of both. group: of scenes that turn together."""

    def __init__(self, group: str = "") -> None:
        self.view = CloudView(["A", "B", "truth"], most=0.52, group=group)
        self.table, self.about = widgets.HTML(), widgets.HTML()
        self.widget = widgets.VBox([self.view.live, self.table, self.about])

    def show(self, a: Kept, b: Kept) -> None:
        """Draw both; they have the same data."""
        upright, unit = b.experiment.upright, Unit.of(b.experiment)
        clouds = [upright(cloud) for cloud in (a.report.samples[0], b.report.samples[0], b.experiment.truth)]
        names = [f"{letter}: {text}" for letter, text in zip("AB", _differences(a, b), strict=True)]
        self.view.show(clouds, titles=["A", "B", b.experiment.truth_name], unit=unit)
        if b.experiment.data is None:
            self.table.value, self.about.value = "", small(f"{'; '.join(names)}. Both have the same seed.")
            return
        methods = [next(iter(kept.report.scores.values())) for kept in (a, b)]
        others = dict(list(b.report.scores.items())[1:])
        self.table.value = score_table(dict(zip(names, methods, strict=True)) | others).data
        self.about.value = small("Both have the same data and the same seed.")


def _differences(a: Kept, b: Kept) -> list[str]:
    """What each of the two was set to where they differ."""
    first, second = (_flat(kept.experiment.settings) for kept in (a, b))
    differing = [name for name in first if first[name] != second[name]]
    texts = [", ".join(f"{WORDS.get(n, n)} {_value(values[n])}" for n in differing) for values in (first, second)]
    return [text or "the same settings" for text in texts]


def _flat(settings: Settings) -> dict[str, object]:
    values = {f.name: getattr(settings, f.name) for f in fields(settings) if f.name != "scenario"}
    return values | {name: getattr(settings.scenario, name) for name in ("alpha", "cutoff", "n_steps")}


def _value(value: object) -> str:
    return f"{value:,g}" if isinstance(value, float) and value < 1e6 else f"{value}"
