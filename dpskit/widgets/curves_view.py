"""The numbers of every step of a run, as curves."""

from __future__ import annotations

from dataclasses import dataclass, field

from plotly.subplots import make_subplots

from dpskit.experiments.experiment import StepScores
from dpskit.plots.colours import SAMPLE_COLOURS
from dpskit.widgets.cloud_view import CUBE, Unit
from dpskit.widgets.live_figure import LiveFigure

CURVES = ("energy E × 1000", "residual ({unit})", "CD to truth × 100")


@dataclass
class Curves:
    """Values of the steps so far: one list per curve, each entry the mean over the samples."""

    unit: Unit = CUBE
    energy: list[float] = field(default_factory=list)
    residual: list[float] = field(default_factory=list)
    distance: list[float] = field(default_factory=list)

    def add(self, progress: StepScores) -> None:
        """Append a step; steps without data leave the first two curves empty."""
        if progress.energy is not None:
            self.energy.append(1000 * float(progress.energy.mean()))
            self.residual.append(self.unit.scale * float(progress.residual.mean()))
        self.distance.append(100 * float(progress.distance.mean()))

    def lists(self) -> list[list[float]]:
        """In the order of CURVES."""
        return [self.energy, self.residual, self.distance]


class CurvesView:
    """Energy, residual and distance to the truth against the step."""

    def __init__(self, *, height: int = 150) -> None:
        figure = make_subplots(1, len(CURVES), subplot_titles=CURVES, horizontal_spacing=0.09)
        for k, colour in enumerate(("#2f8fce", *SAMPLE_COLOURS[1 : len(CURVES)]), start=1):
            style = {"mode": "lines+markers", "line": {"color": colour, "width": 2}, "cliponaxis": False}
            figure.add_scatter(x=[], y=[], **style, row=1, col=k)
        figure.update_xaxes(title_text="step", title_standoff=2, title_font_size=11, zeroline=False)
        figure.update_yaxes(rangemode="tozero", nticks=5)
        figure.update_annotations(font_size=12, yshift=3)  # above the topmost number of the axis
        figure.update_layout(margin={"l": 40, "r": 12, "t": 24, "b": 32}, showlegend=False)
        self.live = LiveFigure(figure, "curves of the steps", extra=height)

    def show(self, curves: Curves, n_steps: int, step: int) -> None:
        """Draw the curves as far as they are known, over axes that span the whole run; `step`, counted from 1, is
        marked."""
        titles = [title.format(unit=curves.unit.name) for title in CURVES]
        told = [f"{title} {values[-1]:.3g}" for title, values in zip(titles, curves.lists(), strict=True) if values]
        label = f"curves of {len(curves.distance)} steps" + (f"; now {', '.join(told)}" if told else "")
        with self.live.drawing(label) as figure:
            figure.update_xaxes(range=(0, n_steps))
            for k, (trace, values) in enumerate(zip(figure.data, curves.lists(), strict=True)):
                figure.layout.annotations[k].text = titles[k]
                steps = list(range(1, len(values) + 1))
                trace.x, trace.y = steps, list(values)
                figure.update_yaxes(showticklabels=bool(values), row=1, col=k + 1)  # none of an axis without a scale
                trace.marker.size = [10 if number == step else 4 for number in steps]
