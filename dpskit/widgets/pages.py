"""The pages of the panel: the steps of a run, its results, two runs side by side, and the molecule."""

from __future__ import annotations

import html
import uuid
from collections.abc import Mapping
from typing import Any

import ipywidgets as widgets

from dpskit.experiments.experiment import Experiment, Report
from dpskit.widgets.compare_view import CompareView, Kept
from dpskit.widgets.download import Download, Writer
from dpskit.widgets.frame import box, show
from dpskit.widgets.molecule_view import molecule_view
from dpskit.widgets.results_view import ResultsView
from dpskit.widgets.steps_view import StepsView
from dpskit.widgets.views import Views

MOLECULE_SAMPLES = 3  # shown over the atomic model
STEPS, RESULTS, BOTH, MOLECULE = "steps", "results", "A | B", "molecule"


class Pages:
    """All in `widget`; before the first figure is drawn it shows a still picture. All their scenes turn together.

    files: for the buttons below the results, see `Download`.
    """

    def __init__(self, files: Mapping[str, tuple[str, Writer]]) -> None:
        group = uuid.uuid4().hex
        self.steps, self.results, self.both = StepsView(group), ResultsView(group), CompareView(group)
        self.download, self.code, self.molecule = Download(files), widgets.HTML(), widgets.VBox([])
        self.still = widgets.HTML()
        self.still.add_class("dpskit-still")
        results = widgets.VBox([self.results.widget, self.download, self.code])
        parts = {STEPS: self.steps.widget, RESULTS: results, BOTH: self.both.widget, MOLECULE: self.molecule}
        self.views = Views(parts)
        self.views.choice.observe(self._turned, names="value")
        self._shown: tuple[Experiment, Report] | None = None
        top = box([self.views.choice, self.steps.kind], "top", row=True)
        self.widget = box([top, self.still, self.views.place], "pictures")

    def clear(self) -> None:
        """Offer the steps alone."""
        self.steps.clear()
        self.views.offer([STEPS], STEPS)

    def finish(self, experiment: Experiment, report: Report, kept: Kept | None, code: str) -> None:
        """Fill and offer the pages of a run that has ended. kept: the run A, which had the same data."""
        self.results.show(experiment, report)
        self.code.value = f"<code>{html.escape(code)}</code>"
        offered = [STEPS, RESULTS]
        if kept is not None:
            self.both.show(kept, Kept(experiment, report))
            offered.append(BOTH)
        if experiment.target.structure_path is not None:
            offered.append(MOLECULE)
        self._shown, self.molecule.children = (experiment, report), ()
        self.views.offer(offered, RESULTS if kept is None else BOTH)

    def _turned(self, change: dict[str, Any]) -> None:
        """Make the molecule when it is first looked at: one that is made out of sight has no size."""
        show(self.steps.kind, change["new"] == STEPS)
        if change["new"] != MOLECULE or self._shown is None or self.molecule.children:
            return
        experiment, report = self._shown
        path = experiment.target.structure_path
        if path is not None:
            points = experiment.upright(report.samples[:MOLECULE_SAMPLES])
            self.molecule.children = (molecule_view(path, points, experiment.target.frame).box,)
