"""What a finished run gives: its trajectory, its samples beside maximum likelihood and the truth, and the scores."""

from __future__ import annotations

from typing import Any

import ipywidgets as widgets

from dpskit.evaluation.experiment import Experiment, Report
from dpskit.sampling.solvers import Info
from dpskit.widgets.cloud_view import CloudView
from dpskit.widgets.molecule_view import molecule_view
from dpskit.widgets.score_table import score_table

LABEL = {"description_width": "60px"}
MOLECULE_SAMPLES = 3  # shown over the atomic model


class ResultsView:
    """Empty until a run has ended; `widget` is a column of sections."""

    def __init__(self) -> None:
        self.widget = widgets.VBox([])
        self._experiment: Experiment | None = None
        self._history: list[Info] = []
        self._trajectory: list[widgets.Widget] = []
        self._comparison: list[widgets.Widget] = []

    def clear(self) -> None:
        """Take everything away."""
        self._history, self._trajectory, self._comparison = [], [], []
        self.widget.children = ()

    def trajectory(self, experiment: Experiment, history: list[Info]) -> None:
        """A slider over the steps, for every sample: the noisy cloud beside its denoised one."""
        self._experiment, self._history = experiment, list(history)
        style = {"style": LABEL, "layout": widgets.Layout(width="420px")}
        self.step = widgets.IntSlider(len(history), 1, max(2, len(history)), description="step", **style)
        self.sample = widgets.IntSlider(1, 1, max(2, len(history[0].x)), description="sample", **style)
        self.sample.disabled, self.step.disabled = len(history[0].x) == 1, len(history) == 1
        self.view = CloudView(["sample", "denoised"], width=866, height=380)
        for slider in (self.step, self.sample):
            slider.observe(self._draw, names="value")
        self._draw()
        self._trajectory = [
            _title("The way from noise to structure"),
            widgets.HBox([self.step, self.sample]),
            self.view.live.widget,
        ]
        self.widget.children = (*self._comparison, *self._trajectory)

    def _draw(self, _: Any = None) -> None:
        info, k = self._history[self.step.value - 1], min(self.sample.value, len(self._history[0].x)) - 1
        clouds = [self._experiment.upright(points[k]) for points in (info.x, info.denoised)]
        titles = [f"sample {k + 1} at t = {info.t:.3g}", "what the prior and the data make of it"]
        self.view.show(clouds, titles=titles)

    def compare(self, experiment: Experiment, report: Report) -> None:
        """Sample, maximum likelihood, truth and spread side by side; the scores; the molecule for complexes.

        They appear together with the trajectory.
        """
        upright, several = experiment.upright, len(report.samples) > 1
        names = [
            "posterior sample" if experiment.data is not None else "prior sample",
            "maximum likelihood",
            "truth",
            "spread",
        ]
        fitted = None if report.fitted is None else report.fitted[0]
        clouds = [report.samples[0], fitted, experiment.truth, report.samples[0]]
        widest = float(report.spread.max()) if several else 1.0
        names[3] = (
            f"spread of {len(report.samples)} samples: bright is up to {widest:.2f}"
            if several
            else "spread: needs two samples"
        )
        kept = [k for k, cloud in enumerate(clouds) if cloud is not None and (k < 3 or several)]
        view = CloudView([names[k] for k in kept], rows=2, width=866, height=760)
        colours = [2 * report.spread / widest - 1 if k == 3 else None for k in kept]
        view.show([upright(clouds[k]) for k in kept], colours=colours)
        s = experiment.settings
        about = f"{s.target}, prior {s.prior}, {s.scenario}, α {s.alpha:,.0f}, noise until t = {s.cutoff:g}, "
        about += f"{s.n_steps} steps, seed {s.seed}"
        note = widgets.HTML(f"<span style='color: #555'>{about}. Distances in units of the cube.</span>")
        table = widgets.HTML(score_table(report.scores).data)
        self._comparison = [_title("Samples, maximum likelihood and the truth"), note, view.live.widget, table]
        if experiment.target.structure_path is not None:
            points = upright(report.samples[:MOLECULE_SAMPLES])
            molecule = molecule_view(experiment.target.structure_path, points, experiment.target.frame).box
            molecule.add_class("dpskit-molecule")
            self._comparison += [_title("Samples over the atomic model"), molecule]


def _title(text: str) -> widgets.HTML:
    return widgets.HTML(f"<h3 style='margin: 14px 0 2px'>{text}</h3>")
