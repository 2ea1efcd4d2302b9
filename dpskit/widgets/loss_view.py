"""The losses of a training run, while it goes on and afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import plotly.graph_objects as go

from dpskit.plots.colours import SAMPLE_COLOURS
from dpskit.widgets.live_figure import LiveFigure

if TYPE_CHECKING:
    import matplotlib.figure

    from dpskit.training.recorder import Progress


LEVELS = ("0.02", "0.1", "0.5", "1")  # noise levels of which the held-out loss is drawn


class LossView:
    """Curves of the training loss and of the held-out loss at four noise levels, live in `widget`.

    `show` is for `train(watch=...)`.
    """

    def __init__(self) -> None:
        names = ["training", *(f"held out, t = {t}" for t in LEVELS)]
        self.curves: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in names}
        figure = go.Figure()
        for name, colour in zip(names, SAMPLE_COLOURS, strict=False):
            figure.add_trace(go.Scatter(x=[], y=[], name=name, mode="lines+markers", line={"color": colour}))
        figure.update_xaxes(title_text="clouds seen", rangemode="tozero")
        figure.update_yaxes(title_text="EDM loss (1: a network that answers 0)")
        margin = {"l": 60, "r": 10, "t": 20, "b": 50}
        figure.update_layout(margin=margin)
        self.widget = LiveFigure(figure, "losses of the training", extra=360)

    def show(self, progress: Progress) -> None:
        """Draw the log as it is now.

        Parameters
        ----------
        progress : Progress
            As `train` hands it to its `watch`.
        """
        seen = [line["clouds"] for line in progress.log]
        losses = [[line["loss"] for line in progress.log]]
        losses += [[line["held_out"][t] for line in progress.log] for t in LEVELS]
        self.curves = {name: (seen, values) for name, values in zip(self.curves, losses, strict=True)}
        with self.widget.drawing() as figure:
            for trace, (x, y) in zip(figure.data, self.curves.values(), strict=True):
                trace.x, trace.y = x, y

    def picture(self) -> matplotlib.figure.Figure:
        """The curves without a browser.

        Returns
        -------
        matplotlib Figure
            As they are now.
        """
        from matplotlib.figure import Figure

        figure = Figure(figsize=(6.5, 3.4), layout="constrained", dpi=110)
        axis = figure.subplots()
        for (name, (x, y)), colour, mark in zip(self.curves.items(), SAMPLE_COLOURS, "os^Dvx", strict=False):
            axis.plot(x, y, color=colour, marker=mark, markersize=4, label=name)
        axis.set(xlabel="clouds seen", ylabel="EDM loss (1: a network that answers 0)", xlim=(0, None))
        axis.legend(frameon=False, fontsize=8)
        return figure
