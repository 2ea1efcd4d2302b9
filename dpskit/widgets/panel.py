"""The panel: settings of a reconstruction, a live view of its steps, and its results."""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dpskit.data.examples import Example
from dpskit.experiments.experiment import Experiment, Report, Settings, prior_names, run_experiment, target_names
from dpskit.plots.score_table import score_table
from dpskit.priors.protocol import Prior
from dpskit.sampling.protocol import Info
from dpskit.sampling.samples import Samples
from dpskit.widgets.compare_view import Kept
from dpskit.widgets.controls import Controls
from dpskit.widgets.frame import box, frame
from dpskit.widgets.jobs import Jobs, Run
from dpskit.widgets.outputs import finished_samples, picture_of, png, write_animation
from dpskit.widgets.pages import Pages
from dpskit.widgets.run_bar import RunBar
from dpskit.widgets.runner import Runner

if TYPE_CHECKING:
    import matplotlib.figure
    from IPython.display import HTML

SETTLE = 0.3  # seconds without a further move of a slider, before the new setting is used


class Panel:
    """Sliders, a live view of the run, and its results; show `panel.widget`, or leave the panel as a cell's last line.

    Parameters
    ----------
    run
        Yields the `Info` of every step for an experiment (default: Algorithm 1 with DPS).
    settings
        Where the controls start.
    controls
        Names of those that are shown, such as "alpha", "cutoff" and "n_steps" (default: all).
    priors, targets
        Further ones by name.

    Notes
    -----
    A slider that is moved during a run starts it again with the new settings; one that is moved later waits for the run
    button. "Keep as A" holds a finished run and its data; the next run is compared with it.
    """

    def __init__(
        self,
        run: Run = run_experiment,
        *,
        settings: Settings | None = None,
        controls: Sequence[str] | None = None,
        priors: Mapping[str, Prior] | None = None,
        targets: Mapping[str, Example] | None = None,
    ) -> None:
        self.jobs = Jobs(run, priors or {}, targets or {})
        names = [*self.jobs.priors, *prior_names()], [*self.jobs.targets, *target_names()]
        self.controls = Controls(settings or Settings(), *names, self.jobs.have_pose, controls)
        self.runner = Runner(self._show, self._finish, self._fail)
        self.report: Report | None = None
        self.kept: Kept | None = None
        self._started, self._running_steps, self._n_steps = 0.0, False, 0
        self._pictured: tuple[Any, str] = (None, "")
        self._assemble()
        self.steps.begin(self.jobs.prepare(self.controls.settings))
        self.pages.still.value = f"<img alt='the data and the truth' src='data:image/png;base64,{self._still()}'>"
        self._look()
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
            was_running = self.runner.running and self._running_steps
            self.runner.stop()
            self._ended()
            if was_running and self.history:
                self.bar.say(f"Stopped after step {len(self.history)} of {self._n_steps}.")
                self.steps.end()
            elif was_running:
                self.bar.say("Stopped before the first step.")

    def reset(self, _: Any = None) -> None:
        """Stop, and restore the initial state."""
        with self.runner.lock:
            self.runner.stop()
            self.bar.keep.value = False
            self.controls.reset()
            self.report = None
            self.pages.clear()
            self._ended()
        self._preview()

    def keep(self, kept: bool = True) -> None:
        """Hold the finished run as A, and its data for the runs that follow; or release both.

        Parameters
        ----------
        kept : bool
            Whether to hold.

        Raises
        ------
        ValueError
            Without a finished run.
        """
        report = self.report if kept else None
        if kept and report is None:
            raise ValueError("keep needs a finished run, but there is no report yet.")
        with self.runner.lock:
            self.kept = None if report is None else Kept(self.experiment, report)
            self.controls.lock_data(kept)
            if kept:
                self.controls.take(self.experiment.settings)
                self.bar.say("A is kept. Change prior, pull, noise, steps or samples: B has the same data.")
            self.bar.keep.value = kept
            self._ended()

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
        return picture_of(self.experiment, self.history, self.report)

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
            self._look(SETTLE)
        else:
            self._preview(SETTLE)

    def _launch(self, delay: float) -> None:
        settings = self.controls.settings
        with self.runner.lock:
            self.report = None
            self._started, self._running_steps = time.monotonic() + delay, True
            self._n_steps = settings.scenario.n_steps
            self.bar.say("Preparing the data …")
            self.bar.stop.disabled, self.bar.keep.disabled = False, True
            self.bar.progress.value, self.bar.progress.max = 0, self._n_steps
            self.pages.clear()
            self.runner.start(lambda: self.jobs.run(settings), delay)

    def _preview(self, delay: float = 0.0) -> None:
        """Show the data of the current settings, and say how long a run will take."""
        settings = self.controls.settings
        with self.runner.lock:
            self._running_steps = False
            self.runner.start(lambda: self.jobs.preview(settings), delay)

    def _look(self, delay: float = 0.0) -> None:
        """Say how long a run will take; the pictures stay."""
        settings = self.controls.settings
        with self.runner.lock:
            self._running_steps = False
            self.bar.say(self._advice(settings))
            self.runner.start(lambda: self.jobs.calibrate(settings), delay)

    def _show(self, item: Experiment | Info | str | Report | None) -> None:
        match item:
            case Experiment():
                self.steps.begin(item)
                if not self._running_steps:
                    self.bar.say(self._advice(item.settings))
            case Info():
                self._show_step(item)
            case Report():
                self.report = item
            case str():
                self.bar.say(item if self._running_steps else f"{self._advice(self.controls.settings)} {item}")
                if not self.history:  # what is done once on a machine says nothing about the steps
                    self._started = time.monotonic()

    def _show_step(self, info: Info) -> None:
        self.steps.add(info)
        done = self.bar.progress.value = len(self.history)
        left = (time.monotonic() - self._started) / done * (self._n_steps - done)
        self.bar.say(f"Step {done} of {self._n_steps}, about {left:.0f} s left.")

    def _advice(self, settings: Settings) -> str:
        expected = self.jobs.expected(settings)
        if self.history:
            return f"Settings changed: press Run.{expected} The pictures still show the last run."
        return f"Ready. Press Run.{expected}"

    def _finish(self) -> None:
        if not self._running_steps:
            self.bar.say(self._advice(self.controls.settings))
            return
        if self.history:
            self.steps.end()
        if self.report is not None:
            self.pages.finish(self.experiment, self.report, self.kept, self.jobs.code(self.experiment.settings))
        self._ended()
        self.bar.say(f"Done in {time.monotonic() - self._started:.0f} s.")

    def _fail(self, error: BaseException) -> None:
        known = isinstance(error, ValueError | TypeError | FileNotFoundError)
        text = str(error) if known else f"{type(error).__name__}: {error}"
        self._ended()
        if self.history:
            self.steps.end()
        self.bar.say(text or type(error).__name__, failed=True)

    def _ended(self) -> None:
        self.bar.stop.disabled = True
        self.bar.keep.disabled = self.report is None and self.kept is None

    # --- Layout

    def _assemble(self) -> None:
        self.bar = RunBar()
        self.bar.run.on_click(self.start)
        self.bar.stop.on_click(self.stop)
        self.bar.reset.on_click(self.reset)
        self.bar.keep.observe(lambda change: self._toggle(change["new"]), names="value")
        files = {
            "samples": ("samples.npz", lambda path: self._samples().save(path)),
            "picture": ("picture.png", lambda path: path.write_bytes(png(self.picture(), 150))),
            "animation": ("animation.gif", lambda path: write_animation(self.experiment, self.history, path)),
        }
        self.pages = Pages(files)
        self.steps = self.pages.steps
        column = box([self.bar.widget, self.controls.box()], "controls")
        self.widget = frame([box([column, self.pages.widget], "columns", row=True)])

    def _toggle(self, kept: bool) -> None:
        if kept != (self.kept is not None):
            self.keep(kept)

    def _samples(self) -> Samples:
        return finished_samples(self.experiment, self.history, self.report)

    def _still(self) -> str:
        """The picture of the current state, drawn once."""
        state = self.experiment, len(self.history), self.report
        if self._pictured[0] != state:
            self._pictured = state, base64.b64encode(png(self.picture(), 80)).decode()
        return self._pictured[1]

    def _repr_mimebundle_(self, **options: Any) -> Any:
        bundle = self.widget._repr_mimebundle_(**options)
        return {**bundle, "image/png": self._still()}  # for pages without a kernel
