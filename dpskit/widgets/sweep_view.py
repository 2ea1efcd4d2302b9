"""A sweep over alpha, cutoff and steps, with heat maps that are updated during the run."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets
import numpy as np

from dpskit.experiments.experiment import Settings
from dpskit.experiments.sweep import METRICS, Outcome, best, grid, sweep
from dpskit.plots.colours import SAMPLE_COLOUR
from dpskit.sampling.protocol import Info
from dpskit.widgets.frame import frame, show
from dpskit.widgets.runner import Runner
from dpskit.widgets.sweep_map import SweepMap

if TYPE_CHECKING:
    import matplotlib.figure


class SweepView:
    """A map of alpha and cutoff for each number of steps; show it as a cell's last line. A star marks the best setting.

    Parameters
    ----------
    settings
        Of all that is not varied.
    alphas, cutoffs, steps
        The values of each.
    record
        The file of JSON lines from which a sweep is resumed (see `sweep`).
    """

    def __init__(
        self,
        settings: Settings,
        alphas: Sequence[float],
        cutoffs: Sequence[float],
        steps: Sequence[int],
        record: str | Path,
    ) -> None:
        self.alphas, self.cutoffs, self.steps = list(alphas), list(cutoffs), list(steps)
        self.settings, self.record = grid(settings, alphas, cutoffs, steps), Path(record)
        self.outcomes: list[Outcome] = []
        self.runner = Runner(self._show, self._finish, self._fail)
        self.maps = [SweepMap(alphas, cutoffs, steps) for _ in "AB"]
        options = [(name, field) for field, name in METRICS.items()]
        style = {"description_width": "76px"}
        self.metric = widgets.Dropdown(options=options, description="A: show", style=style)
        self.beside = widgets.Dropdown(options=[("nothing", ""), *options], description="B: beside", style=style)
        for menu in (self.metric, self.beside):
            menu.observe(lambda _: self._draw(), names="value")
        self.run_button = widgets.Button(description="Run", icon="play", button_style="primary")
        self.stop_button = widgets.Button(description="Stop", icon="stop", disabled=True)
        self.run_button.on_click(self.start)
        self.stop_button.on_click(self.stop)
        self.progress = widgets.IntProgress(max=len(self.settings), style={"bar_color": SAMPLE_COLOUR})
        self.status, self.table = widgets.HTML(), widgets.HTML()
        self.status.add_class("dpskit-status")
        row = widgets.HBox([self.run_button, self.stop_button, self.progress], layout={"flex_flow": "row wrap"})
        menus = widgets.HBox([self.metric, self.beside], layout={"flex_flow": "row wrap"})
        show(self.maps[1].live, False)
        self.widget = frame([row, self.status, menus, *(one.live for one in self.maps), self.table])

    def start(self, _: Any = None) -> None:
        """Run the settings that are not in the record yet."""
        with self.runner.lock:
            self.outcomes = []
            self.run_button.disabled, self.stop_button.disabled = True, False
            self.runner.start(lambda: sweep(self.settings, self.record))

    def stop(self, _: Any = None) -> None:
        """Stop after the current step; finished settings stay in the record."""
        with self.runner.lock:
            self.runner.stop()
            self.run_button.disabled, self.stop_button.disabled = False, True
            self._say(f"Stopped after {len(self.outcomes)} of {len(self.settings)} settings.")

    def wait(self, timeout: float | None = None) -> None:
        """Return when the sweep has ended; raises its error, if there was one.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait at most.
        """
        self.runner.wait(timeout)

    def values(self) -> np.ndarray:
        """The chosen metric.

        Returns
        -------
        array
            (steps, cutoffs, alphas), NaN where it is not known yet.
        """
        return self.maps[0].values(self.outcomes, self.metric.value)

    def picture(self) -> matplotlib.figure.Figure:
        """Static figure of the current maps.

        Returns
        -------
        matplotlib Figure
            A map for each number of steps.
        """
        from matplotlib.figure import Figure

        metrics = [metric for metric in (self.metric.value, self.beside.value) if metric]
        size = (3.2 * len(self.steps) + 1, 3.2 * len(metrics))
        figure = Figure(figsize=size, layout="constrained", dpi=110)
        axes = figure.subplots(len(metrics), len(self.steps), squeeze=False, sharey=True)
        for row, metric in zip(axes, metrics, strict=True):
            image = self.maps[0].paint(list(row), self.outcomes, metric)
            figure.colorbar(image, ax=list(row), label=METRICS[metric])
        return figure

    def _show(self, item: Outcome | Info) -> None:
        if isinstance(item, Info):
            self._say(f"Setting {len(self.outcomes) + 1} of {len(self.settings)}, step {item.step + 1}.")
            return
        self.outcomes.append(item)
        self.progress.value = len(self.outcomes)
        self._draw()

    def _finish(self) -> None:
        self.run_button.disabled, self.stop_button.disabled = False, True
        winner = best(self.outcomes, self.metric.value)
        if winner is not None:
            s, value = winner.settings.scenario, getattr(winner, self.metric.value)
            where = f"α {s.alpha:,.0f}, noise until t = {s.cutoff:g}, {s.n_steps} steps"
            self._say(f"Done. The best: {METRICS[self.metric.value]} {value:.2f} at {where}.")

    def _fail(self, error: BaseException) -> None:
        self.run_button.disabled, self.stop_button.disabled = False, True
        self._say(str(error) or type(error).__name__, failed=True)

    def _say(self, text: str, *, failed: bool = False) -> None:
        colour = "#B00020" if failed else "inherit"
        self.status.value = f"<span style='color: {colour}'>{html.escape(text)}</span>"

    def _draw(self) -> None:
        self.maps[0].show(self.outcomes, self.metric.value)
        show(self.maps[1].live, bool(self.beside.value))
        if self.beside.value:
            self.maps[1].show(self.outcomes, self.beside.value)
        self.table.value = self._best_of_each()

    def _best_of_each(self) -> str:
        """A table: where each metric is best."""
        cell = "style='padding: 2px 12px 2px 0; text-align: left'"
        heads = ("best", "value", "pull α", "noise until t =", "steps")
        lines = ["".join(f"<th {cell}>{head}</th>" for head in heads)]
        for metric, name in METRICS.items():
            winner = best(self.outcomes, metric)
            if winner is not None:
                s = winner.settings.scenario
                texts = (name, f"{getattr(winner, metric):.2f}", f"{s.alpha:,.0f}", f"{s.cutoff:g}", f"{s.n_steps}")
                lines.append("".join(f"<td {cell}>{text}</td>" for text in texts))
        return "<table>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return self.widget._repr_mimebundle_(**options)
