"""A sweep over alpha, cutoff and steps, with a heat map that is updated during the run."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets
import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dpskit.experiments.experiment import Settings
from dpskit.experiments.sweep import METRICS, Outcome, best, grid, sweep
from dpskit.plots.colours import SAMPLE_COLOUR
from dpskit.plots.figures import COLOURS
from dpskit.sampling.solvers import Info
from dpskit.widgets.cloud_view import MARKED
from dpskit.widgets.live_figure import LiveFigure
from dpskit.widgets.runner import Runner

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
        self._live = LiveFigure(self._empty_map())
        style = {"description_width": "60px"}
        options = [(name, field) for field, name in METRICS.items()]
        self.metric = widgets.Dropdown(options=options, description="show", style=style)
        self.metric.observe(lambda _: self._draw(), names="value")
        self.run_button = widgets.Button(description="Run", icon="play", button_style="primary")
        self.stop_button = widgets.Button(description="Stop", icon="stop", disabled=True)
        self.run_button.on_click(self.start)
        self.stop_button.on_click(self.stop)
        self.progress = widgets.IntProgress(max=len(self.settings), style={"bar_color": SAMPLE_COLOUR})
        self.status = widgets.HTML()
        row = widgets.HBox([self.metric, self.run_button, self.stop_button, self.progress])
        self.widget = widgets.VBox([row, self.status, self._live])

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
        values = np.full((len(self.steps), len(self.cutoffs), len(self.alphas)), np.nan)
        for outcome in self.outcomes:
            values[self._place(outcome)] = np.nan if (v := getattr(outcome, self.metric.value)) is None else v
        return values

    def picture(self) -> matplotlib.figure.Figure:
        """Static figure of the current maps.

        Returns
        -------
        matplotlib Figure
            A map for each number of steps.
        """
        from matplotlib.figure import Figure

        figure = Figure(figsize=(3.2 * len(self.steps) + 1, 3.2), layout="constrained", dpi=110)
        values, winner = self.values(), best(self.outcomes, self.metric.value)
        axes = figure.subplots(1, len(self.steps), squeeze=False, sharey=True)[0]
        for k, axis in enumerate(axes):
            limits = {"vmin": np.nanmin(values), "vmax": np.nanmax(values)} if np.isfinite(values).any() else {}
            image = axis.imshow(values[k], cmap=COLOURS.lower() + "_r", origin="lower", aspect="auto", **limits)
            axis.set(title=f"{self.steps[k]} steps", xlabel="pull α")
            axis.set_xticks(range(len(self.alphas)), [f"{alpha:,.0f}" for alpha in self.alphas])
            axis.set_yticks(range(len(self.cutoffs)), [f"{cutoff:g}" for cutoff in self.cutoffs])
            if winner is not None and self._place(winner)[0] == k:
                _, row, column = self._place(winner)
                axis.plot(column, row, "*", color=MARKED, markeredgecolor="white", markersize=18)
        axes[0].set_ylabel("noise until t =")
        figure.colorbar(image, ax=list(axes), label=METRICS[self.metric.value])
        return figure

    def _place(self, outcome: Outcome) -> tuple[int, int, int]:
        s = outcome.settings.scenario
        return self.steps.index(s.n_steps), self.cutoffs.index(s.cutoff), self.alphas.index(s.alpha)

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
        values, winner = self.values(), best(self.outcomes, self.metric.value)
        known = values[np.isfinite(values)]
        count = len(self.steps)
        with self._live.drawing() as figure:
            for k in range(count):
                figure.data[k].z = values[k]
                star = figure.data[count + k]
                here = winner is not None and self._place(winner)[0] == k
                star.x = [f"{winner.settings.scenario.alpha:,.0f}"] if here else []
                star.y = [f"{winner.settings.scenario.cutoff:g}"] if here else []
            axis = figure.layout.coloraxis
            axis.colorbar.title.text = METRICS[self.metric.value]
            if len(known):
                axis.cmin, axis.cmax = float(known.min()), float(known.max()) + 1e-9

    def _empty_map(self) -> go.Figure:
        titles = [f"{n} steps" for n in self.steps]
        figure = make_subplots(1, len(self.steps), subplot_titles=titles, shared_yaxes=True, horizontal_spacing=0.04)
        x, y = [f"{alpha:,.0f}" for alpha in self.alphas], [f"{cutoff:g}" for cutoff in self.cutoffs]
        for k in range(len(self.steps)):
            empty = np.full((len(y), len(x)), np.nan)
            tip = "α %{x}, noise until t = %{y}: %{z:.2f}<extra></extra>"
            cells = go.Heatmap(x=x, y=y, z=empty, coloraxis="coloraxis", xgap=2, ygap=2, hovertemplate=tip)
            figure.add_trace(cells, row=1, col=k + 1)
        star = {"symbol": "star", "size": 18, "color": MARKED, "line": {"width": 1, "color": "white"}}
        for k in range(len(self.steps)):
            best_one = go.Scatter(x=[], y=[], mode="markers", marker=star, hoverinfo="skip", showlegend=False)
            figure.add_trace(best_one, row=1, col=k + 1)
        figure.update_xaxes(title_text="pull α", type="category", categoryorder="array", categoryarray=x)
        figure.update_yaxes(type="category", categoryorder="array", categoryarray=y)
        figure.update_yaxes(title_text="noise until t =", row=1, col=1)
        scale = {"colorscale": COLOURS, "reversescale": True, "colorbar": {"thickness": 14}}
        width = min(866, 260 * len(self.steps) + 150)
        layout = {"width": width, "height": 330, "margin": {"l": 60, "r": 10, "t": 30, "b": 50}}
        return figure.update_layout(coloraxis=scale, template="plotly_white", **layout)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return self.widget._repr_mimebundle_(**options)
