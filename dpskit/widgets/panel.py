"""The panel: turn the knobs of a reconstruction, watch it run, and compare what comes out."""

from __future__ import annotations

import html
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets
from IPython import get_ipython

from dpskit.data.examples import Example
from dpskit.evaluation.experiment import Experiment, Report, Settings, prior_names, run_experiment, target_names
from dpskit.priors.protocol import Prior
from dpskit.sampling.solvers import Info
from dpskit.widgets.cloud_view import CloudView
from dpskit.widgets.colours import SAMPLE_COLOUR
from dpskit.widgets.controls import Controls
from dpskit.widgets.figures import static_figure
from dpskit.widgets.progress_view import TILES, Curves, ProgressView
from dpskit.widgets.results_view import ResultsView
from dpskit.widgets.runner import Runner
from dpskit.widgets.score_table import score_table

if TYPE_CHECKING:
    import matplotlib.figure
    from IPython.display import HTML

PAUSE = 0.25  # seconds between pictures, at least: a slow browser must keep time for its buttons
SETTLE = 0.3  # seconds without a further move of a slider, before the new setting is used
FIXED = widgets.Layout(flex="0 0 auto", width="276px")  # never squeezed by the pictures
Run = Callable[[Experiment], Iterator[Info]]


class Panel:
    """Sliders, a live view of the run, and its results; show `panel.widget`, or leave the panel as a cell's last line.

    run: yields the `Info` of every step for an experiment (default: Algorithm 1 with DPS). settings: where the sliders
    start. priors, targets: further ones by name. A slider that is moved during a run starts it again with the new
    settings; one that is moved later waits for the run button.
    """

    def __init__(
        self,
        run: Run = run_experiment,
        *,
        settings: Settings | None = None,
        priors: Mapping[str, Prior] | None = None,
        targets: Mapping[str, Example] | None = None,
    ) -> None:
        self.run_steps, self.priors, self.targets = run, dict(priors or {}), dict(targets or {})
        names = [*self.priors, *prior_names()], [*self.targets, *target_names()]
        self.controls = Controls(settings or Settings(), *names)
        self.runner = Runner(self._show, self._finish, self._fail)
        self.experiment: Experiment | None = None
        self.history: list[Info] = []
        self.curves, self.report = Curves(), None
        self._started = self._drawn = 0.0
        self._running_steps = False
        self._views()
        self._show_data(self._prepare(self.controls.settings))
        self._assemble()
        self.controls.on_change(self._changed)

    # --- What a person does -------------------------------------------------------------------------------------------

    def start(self, _: Any = None) -> None:
        """Run with what the controls say; a run that goes on is replaced."""
        self._launch(0.0)

    def stop(self, _: Any = None) -> None:
        """End the run within a step; what it has drawn stays, and its steps can be looked at."""
        with self.runner.lock:
            was_running = self.runner.running
            self.runner.stop()
            self._buttons(running=False)
            if was_running and self.history:
                self._say(f"Stopped after step {len(self.history)} of {self._n_steps}.")
                self.results.trajectory(self.experiment, self.history)

    def reset(self, _: Any = None) -> None:
        """Stop, and bring everything back to how it was at the start."""
        with self.runner.lock:
            self.runner.stop()
            self.controls.reset()
            self.history, self.report = [], None
            self.results.clear()
            self._buttons(running=False)
        self._preview()

    def wait(self, timeout: float | None = None) -> None:
        """Return when the run has ended; raises its error, if there was one."""
        self.runner.wait(timeout)

    def picture(self) -> matplotlib.figure.Figure:
        """What the panel shows now, without a browser: data, predictions, and the clouds of the last step."""
        experiment = self.experiment
        cloud = experiment.noise()[0] if not self.history else self.history[-1].denoised[0]
        observed = [] if experiment.views is None else experiment.views.points
        predicted = experiment.predict(cloud) if self.history else []
        clouds = {"sample 1" if self.history else "noise": cloud}
        if self.report is not None and self.report.fitted is not None:
            clouds["maximum likelihood"] = self.report.fitted[0]
        clouds["truth"] = experiment.truth
        rows = [
            {f"observed {k + 1}": y for k, y in enumerate(observed[:TILES])},
            {f"predicted {k + 1}": y for k, y in enumerate(predicted[:TILES])},
            {name: experiment.upright(points) for name, points in clouds.items()},
        ]
        rows = [row for row in rows if row]
        return static_figure(rows, ["cube"] * len(rows))

    def scores(self) -> HTML:
        """The table of the last report. Raises ValueError before there is one."""
        if self.report is None:
            raise ValueError("scores needs a finished run, but there is no report yet.")
        return score_table(self.report.scores)

    # --- What a run does ----------------------------------------------------------------------------------------------

    def _changed(self) -> None:
        if self.runner.running and self._running_steps:
            self._launch(SETTLE)
        elif self.history:
            self._say("Settings changed: press Run. The pictures still show the last run.")
        else:
            self._preview(SETTLE)

    def _launch(self, delay: float) -> None:
        settings = self.controls.settings
        with self.runner.lock:
            self.history, self.report, self.curves = [], None, Curves()
            self._started, self._running_steps, self._n_steps = time.monotonic() + delay, True, settings.n_steps
            self.results.clear()
            self._buttons(running=True)
            self._say("Preparing the data …")
            self.progress.value, self.progress.max = 0, settings.n_steps
            self.runner.start(lambda: self._job(settings), delay)

    def _preview(self, delay: float = 0.0) -> None:
        settings = self.controls.settings
        with self.runner.lock:
            self._running_steps = False
            self.runner.start(lambda: [self._prepare(settings)], delay)

    def _prepare(self, settings: Settings) -> Experiment:
        return Experiment.of(settings, self.priors, self.targets)

    def _job(self, settings: Settings) -> Iterator[Experiment | Info | str | Report]:
        experiment = self._prepare(settings)
        yield experiment
        info = None
        for info in self.run_steps(experiment):
            yield info
        if info is not None:
            yield from experiment.report(info.x)

    def _show(self, item: Experiment | Info | str | Report) -> None:
        match item:
            case Experiment():
                self._show_data(item)
            case Info():
                self._show_step(item)
            case Report():
                self.report = item
            case str():
                self._say(f"Sampled; now {item} …")

    def _show_data(self, experiment: Experiment) -> None:
        self.experiment, self._drawn = experiment, 0.0
        self.progress_view.observe([] if experiment.views is None else experiment.views.points)
        self.progress_view.show(self.curves, experiment.settings.n_steps)
        noise = experiment.noise()[0]
        self._draw(noise, f"start: noise, t = {experiment.t_max:g}")
        if not self._running_steps:
            self._say("Ready. Press Run.")

    def _draw(self, cloud: Any, title: str) -> None:
        experiment = self.experiment
        known = [experiment.upright(part.points) for part in experiment.parts if part is not experiment.views]
        truth = "truth, and in orange what is known in 3-D" if known else "truth"
        clouds = [experiment.upright(cloud), experiment.upright(experiment.truth)]
        self.cloud_view.show(clouds, titles=[title, truth], marked=known[0] if known else None)

    def _show_step(self, info: Info) -> None:
        self.history.append(info)
        self.curves.add(self.experiment.progress(info))
        self.progress.value = len(self.history)
        now = time.monotonic()
        if now - self._drawn < PAUSE and len(self.history) < self._n_steps:
            return
        self._drawn = now
        self._draw(info.x[0], f"sample 1 at t = {info.t:.3g}")
        predicted = self.experiment.predict(info.denoised[0])
        self.progress_view.predict(predicted, [] if self.experiment.views is None else self.experiment.views.points)
        self.progress_view.show(self.curves, self._n_steps)
        left = (now - self._started) / len(self.history) * (self._n_steps - len(self.history))
        self._say(f"Step {len(self.history)} of {self._n_steps}, about {left:.0f} s left.")

    def _finish(self) -> None:
        if self._running_steps:
            self._buttons(running=False)
            _in_main_thread(lambda history=self.history: self._show_results(history))
            self._say(f"Done in {time.monotonic() - self._started:.0f} s.")

    def _show_results(self, history: list[Info]) -> None:
        with self.runner.lock:
            if history is self.history:  # of the last run still
                if self.report is not None:
                    self.results.compare(self.experiment, self.report)
                self.results.trajectory(self.experiment, history)

    def _fail(self, error: BaseException) -> None:
        known = isinstance(error, ValueError | TypeError | FileNotFoundError)
        text = str(error) if known else f"{type(error).__name__}: {error}"
        self._buttons(running=False)
        self._say(text or type(error).__name__, failed=True)

    # --- What it looks like -------------------------------------------------------------------------------------------

    def _views(self) -> None:
        self.cloud_view = CloudView(["sample 1", "truth"])
        self.progress_view, self.results = ProgressView(), ResultsView()
        self.progress = widgets.IntProgress(layout=widgets.Layout(width="266px"), style={"bar_color": SAMPLE_COLOUR})
        self.status = widgets.HTML(layout=widgets.Layout(width="266px", min_height="48px"))
        self.status.add_class("dpskit-status")

    def _assemble(self) -> None:
        button = {"layout": widgets.Layout(width="86px")}
        self.run_button = widgets.Button(description="Run", icon="play", button_style="primary", **button)
        self.stop_button = widgets.Button(description="Stop", icon="stop", disabled=True, **button)
        self.reset_button = widgets.Button(description="Reset", icon="undo", **button)
        self.run_button.on_click(self.start)
        self.stop_button.on_click(self.stop)
        self.reset_button.on_click(self.reset)
        buttons = widgets.HBox([self.run_button, self.stop_button, self.reset_button])
        left = widgets.VBox([self.controls.box(), buttons, self.progress, self.status], layout=FIXED)
        right = widgets.VBox([self.cloud_view.live.widget, self.progress_view.live.widget])
        self.widget = widgets.VBox([widgets.HBox([left, right]), self.results.widget])
        self.widget.add_class("dpskit-panel")

    def _buttons(self, *, running: bool) -> None:
        self.stop_button.disabled = not running

    def _say(self, text: str, *, failed: bool = False) -> None:
        colour = "#B00020" if failed else "inherit"
        self.status.value = f"<div style='line-height: 1.35; color: {colour}'>{html.escape(text)}</div>"

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return self.widget._repr_mimebundle_(**options)


def _in_main_thread(function: Callable[[], None]) -> None:
    """Call it when the kernel is next idle, or at once without a kernel.

    A browser shows a widget that another thread has made, but not what is later drawn into it.
    """
    kernel = getattr(get_ipython(), "kernel", None)
    if kernel is None:
        function()
    else:
        kernel.io_loop.add_callback(function)
