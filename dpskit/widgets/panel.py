"""The panel: settings of a reconstruction, a live view of its steps, and its results."""

from __future__ import annotations

import html
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from dpskit.data.examples import Example
from dpskit.experiments.experiment import Experiment, Report, Settings, prior_names, run_experiment, target_names
from dpskit.plots.colours import SAMPLE_COLOUR
from dpskit.plots.figures import static_figure
from dpskit.plots.score_table import score_table
from dpskit.priors.protocol import Prior
from dpskit.sampling.solvers import Info
from dpskit.widgets.controls import Controls
from dpskit.widgets.results_view import ResultsView
from dpskit.widgets.runner import Runner
from dpskit.widgets.steps_view import StepsView
from dpskit.widgets.tiles_view import TILES

if TYPE_CHECKING:
    import matplotlib.figure
    from IPython.display import HTML

SETTLE = 0.3  # seconds without a further move of a slider, before the new setting is used
FIXED = widgets.Layout(flex="0 0 auto", width="276px")  # never squeezed by the pictures
Run = Callable[[Experiment], Iterator[Info]]


class Panel:
    """Sliders, a live view of the run, and its results; show `panel.widget`, or leave the panel as a cell's last line.

    A slider that is moved during a run starts it again with the new settings; one that is moved later waits for the run
    button.

    Parameters
    ----------
    run
        Yields the `Info` of every step for an experiment (default: Algorithm 1 with DPS).
    settings
        Where the sliders start.
    priors, targets
        Further ones by name.
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
        self.report: Report | None = None
        self.steps, self.results = StepsView(), ResultsView()
        self._started, self._running_steps, self._n_steps = 0.0, False, 0
        self._assemble()
        self._show_data(self._prepare(self.controls.settings))
        self.controls.on_change(self._changed)

    @property
    def experiment(self) -> Experiment:
        """The experiment that is displayed."""
        return self.steps.experiment

    @property
    def history(self) -> list[Info]:
        """The steps of the run so far."""
        return self.steps.history

    # --- User actions

    def start(self, _: Any = None) -> None:
        """Start a run with the current settings; a running one is replaced."""
        self._launch(0.0)

    def stop(self, _: Any = None) -> None:
        """Stop the run after the current step; its steps can still be viewed."""
        with self.runner.lock:
            was_running = self.runner.running
            self.runner.stop()
            self._buttons(running=False)
            if was_running and self.history:
                self._say(f"Stopped after step {len(self.history)} of {self._n_steps}.")
                self.steps.end()

    def reset(self, _: Any = None) -> None:
        """Stop, and restore the initial state."""
        with self.runner.lock:
            self.runner.stop()
            self.controls.reset()
            self.report = None
            self.steps.clear()
            self.results.clear()
            self._buttons(running=False)
        self._preview()

    def wait(self, timeout: float | None = None) -> None:
        """Return when the run has ended; raises its error, if there was one.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait at most.
        """
        self.runner.wait(timeout)

    def picture(self) -> matplotlib.figure.Figure:
        """Static figure of the current state: data, predictions, and the clouds of the last step.

        Returns
        -------
        matplotlib Figure
            As `static_figure` draws it.
        """
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
        """The table of the last report.

        Returns
        -------
        IPython HTML
            As `score_table` draws it.

        Raises
        ------
        ValueError
            Before there is a report.
        """
        if self.report is None:
            raise ValueError("scores needs a finished run, but there is no report yet.")
        return score_table(self.report.scores)

    # --- The run

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
            self.report = None
            self._started, self._running_steps = time.monotonic() + delay, True
            self._n_steps = settings.scenario.n_steps
            self.steps.clear()
            self.results.clear()
            self._buttons(running=True)
            self._say("Preparing the data …")
            self.progress.value, self.progress.max = 0, settings.scenario.n_steps
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
        self.steps.begin(experiment)
        if not self._running_steps:
            self._say("Ready. Press Run.")

    def _show_step(self, info: Info) -> None:
        self.steps.add(info)
        done = self.progress.value = len(self.history)
        left = (time.monotonic() - self._started) / done * (self._n_steps - done)
        self._say(f"Step {done} of {self._n_steps}, about {left:.0f} s left.")

    def _finish(self) -> None:
        if self._running_steps:
            self._buttons(running=False)
            if self.history:
                self.steps.end()
            if self.report is not None:
                self.results.show(self.experiment, self.report)
            self._say(f"Done in {time.monotonic() - self._started:.0f} s.")

    def _fail(self, error: BaseException) -> None:
        known = isinstance(error, ValueError | TypeError | FileNotFoundError)
        text = str(error) if known else f"{type(error).__name__}: {error}"
        self._buttons(running=False)
        if self.history:
            self.steps.end()
        self._say(text or type(error).__name__, failed=True)

    # --- Layout

    def _assemble(self) -> None:
        self.progress = widgets.IntProgress(layout=widgets.Layout(width="266px"), style={"bar_color": SAMPLE_COLOUR})
        self.status = widgets.HTML(layout=widgets.Layout(width="266px", min_height="48px"))
        self.status.add_class("dpskit-status")
        button = {"layout": widgets.Layout(width="86px")}
        self.run_button = widgets.Button(description="Run", icon="play", button_style="primary", **button)
        self.stop_button = widgets.Button(description="Stop", icon="stop", disabled=True, **button)
        self.reset_button = widgets.Button(description="Reset", icon="undo", **button)
        self.run_button.on_click(self.start)
        self.stop_button.on_click(self.stop)
        self.reset_button.on_click(self.reset)
        buttons = widgets.HBox([self.run_button, self.stop_button, self.reset_button])
        column = [self.controls.box(), buttons, self.progress, self.status, self.steps.choices]
        left = widgets.VBox(column, layout=FIXED)
        self.widget = widgets.VBox([widgets.HBox([left, self.steps.pictures]), self.results.widget])
        self.widget.add_class("dpskit-panel")

    def _buttons(self, *, running: bool) -> None:
        self.stop_button.disabled = not running

    def _say(self, text: str, *, failed: bool = False) -> None:
        colour = "#B00020" if failed else "inherit"
        self.status.value = f"<div style='line-height: 1.35; color: {colour}'>{html.escape(text)}</div>"

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return self.widget._repr_mimebundle_(**options)
