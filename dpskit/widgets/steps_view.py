"""View of the steps of a run: the latest one during the run, any of them afterwards."""

from __future__ import annotations

import threading
import time
from typing import Any

import ipywidgets as widgets
from torch import Tensor

from dpskit.experiments.experiment import Experiment
from dpskit.sampling.protocol import Info
from dpskit.widgets.cloud_view import CUBE, CloudView, Unit
from dpskit.widgets.curves_view import Curves, CurvesView
from dpskit.widgets.frame import box, show
from dpskit.widgets.tiles_view import TilesView

PAUSE = 0.1  # seconds between pictures, at least
PATIENCE = 5.0  # seconds that a browser has for a picture, before it gets the next one
NOISY, DENOISED = "as it is, noisy", "denoised"


class StepsView:
    """One sample beside the truth, above the projections and the numbers of every step, in `widget`. Its sliders select
    the step and the sample; the step slider follows a run, and is free when it has ended. The menu `kind` says which
    cloud of a step is shown, and stands elsewhere.

    group: of scenes that turn together.
    """

    def __init__(self, group: str = "") -> None:
        self.experiment: Experiment | Any = None  # one from `begin` on
        self.history: list[Info] = []
        self.curves, self.unit = Curves(), CUBE
        self._lock, self._drawn = threading.RLock(), 0.0
        # Each its own figure, because a browser draws a figure as a whole, and most of these rarely change.
        self.cloud, self.truth = (CloudView([title], group=group, growth=2.0) for title in ("sample", "truth"))
        self.tiles, self.numbers = TilesView(), CurvesView()
        clouds = widgets.HBox([self.cloud.live, self.truth.live], layout=widgets.Layout(width="100%"))
        style = {"style": {"description_width": "initial"}, "disabled": True}
        self.step = widgets.IntSlider(1, 1, 2, description="step", **style)
        self.sample = widgets.IntSlider(1, 1, 2, description="sample", **style)
        menu = {"style": {"description_width": "44px"}}
        self.kind = widgets.Dropdown(options=[NOISY, DENOISED], description="cloud", **menu)
        self.choices = box([self.step, self.sample], "choices", row=True)
        self.widget = widgets.VBox([clouds, self.choices, self.tiles.widget, self.numbers.live])
        for choice in (self.step, self.sample, self.kind):
            choice.observe(self.draw, names="value")

    def begin(self, experiment: Experiment) -> None:
        """Show the data and the noise at the start of a run, and delete the steps of the last one."""
        with self._lock:
            self.experiment, s = experiment, experiment.settings
            self.unit = Unit.of(experiment)
            self.clear()
            self.step.max, self.sample.max = max(2, s.scenario.n_steps), max(2, s.n_samples)
            self.sample.disabled = s.n_samples == 1
            if self.sample.disabled:
                self.sample.value = 1
            self._draw_data()
            self.draw()

    def clear(self) -> None:
        """Delete the steps; the figures stay."""
        with self._lock:
            self.history, self.curves = [], Curves(self.unit)
            self.step.disabled = True

    def add(self, info: Info) -> None:
        """Add a step, and draw it if it is the last one, or if the browser is done with the picture before: a browser
        that is slower than the run would show all that follows, also an answer to Stop, ever later."""
        with self._lock:
            self.history.append(info)
            self.curves.add(self.experiment.step_scores(info))
            seen = all(live.seen for live in (self.cloud.live, self.tiles.live, self.numbers.live))
            last = len(self.history) == self.experiment.settings.scenario.n_steps
            if last or time.monotonic() - self._drawn >= (PAUSE if seen else PATIENCE):
                self._follow()

    def end(self) -> None:
        """End of the run: draw the last step, and enable the slider."""
        with self._lock:
            self.step.max = max(2, len(self.history))
            self.step.disabled = len(self.history) < 2
            self._follow()

    def draw(self, _: Any = None) -> None:
        """Draw the selected step and sample; before the first step, the noise at the start."""
        with self._lock:
            experiment: Experiment = self.experiment
            predicted: list[Tensor] = []
            cloud, title = experiment.noise()[0], f"start: noise, t = {experiment.t_max:g}"
            if self.history:
                info = self.history[min(self.step.value, len(self.history)) - 1]
                k = min(self.sample.value, len(info.x)) - 1
                noisy = self.kind.value == NOISY
                cloud = (info.x if noisy else info.denoised)[k]
                title = f"sample {k + 1} at t = {info.t:.3g}" + ("" if noisy else ", denoised")
                predicted = experiment.predict(info.denoised[k])
            self.cloud.show([experiment.upright(cloud)], titles=[title], unit=self.unit)
            observed = [] if experiment.views is None else experiment.views.points
            self.tiles.show(observed, predicted, self.unit)
            self.numbers.show(self.curves, experiment.settings.scenario.n_steps, self.step.value)

    def _draw_data(self) -> None:
        experiment = self.experiment
        others: list[Any] = [part for part in experiment.parts if part is not experiment.views]
        known = [experiment.upright(part.points) for part in others]
        title = f"{experiment.truth_name}; orange: known" if known else experiment.truth_name
        marked = known[0] if known else None
        show(self.numbers.live, experiment.data is not None)  # all of them say how far the data or the truth are
        self.truth.show([experiment.upright(experiment.truth)], titles=[title], unit=self.unit, marked=marked)

    def _follow(self) -> None:
        if self.step.value == len(self.history):
            self.draw()
        self.step.value = len(self.history)  # which draws
        self._drawn = time.monotonic()
