"""Results of a finished run: samples, maximum likelihood, truth and spread side by side, and the scores."""

from __future__ import annotations

import html

import ipywidgets as widgets

from dpskit.evaluation.clusters import cluster_warning
from dpskit.experiments.experiment import Experiment, Report, Settings
from dpskit.experiments.scenarios import KINDS
from dpskit.plots.score_table import score_table
from dpskit.widgets.cloud_view import CloudView, Unit

UNITS = "CD and EMD are in units of the cube."


class ResultsView:
    """Nothing until a run has ended. group: of scenes that turn together."""

    def __init__(self, group: str = "") -> None:
        self.view = CloudView([" "] * 4, most=0.52, group=group)
        self.about, self.table = widgets.HTML(), widgets.HTML()
        self.widget = widgets.VBox([self.view.live, self.table, self.about])

    def show(self, experiment: Experiment, report: Report) -> None:
        """Draw the clouds of a run and its scores."""
        upright, sample, several = experiment.upright, report.samples[0], len(report.samples) > 1
        unit = Unit.of(experiment)
        spread_of = f"spread of {len(report.samples)} samples" if several else "spread: needs two samples"
        if report.fitted is None:  # without data
            titles = ["prior sample 1", "prior sample 2" if several else "prior sample 2: needs two samples"]
            second = report.samples[1] if several else None
        else:
            titles, second = ["posterior sample", "maximum likelihood"], report.fitted[0]
        titles += [experiment.truth_name, spread_of]
        clouds = [sample, second, experiment.truth, sample if several else None]
        clouds = [None if cloud is None else upright(cloud) for cloud in clouds]
        spread = unit.scale * report.spread if several else None
        self.view.show(clouds, titles=titles, unit=unit, values=spread, bar=f"spread ({unit.name})")
        told = described(experiment.settings)
        self.table.value = "" if experiment.data is None else score_table(report.scores).data
        if experiment.data is None:
            self.about.value = small(f"{told}.")
        else:
            self.about.value = small(f"{told}. {UNITS} {cluster_warning(report.samples)}")


def described(settings: Settings) -> str:
    """The settings in a line."""
    s, seen = settings, settings.scenario
    guided = f"α {seen.alpha:,.0f}, noise until t = {seen.cutoff:g}, " if KINDS[seen.kind] else ""
    return f"{s.target}, prior {s.prior}, {seen.kind}, {guided}{seen.n_steps} steps, seed {s.seed}"


def small(text: str) -> str:
    """A line of small text."""
    return f"<span style='font-size: 12px; line-height: 1.3; display: block'>{html.escape(text)}</span>"
