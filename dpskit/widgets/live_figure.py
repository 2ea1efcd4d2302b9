"""A plotly figure that a browser shows, and keeps showing while it changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import anywidget
import ipywidgets as widgets
import plotly.graph_objects as go
import traitlets
from plotly.offline import get_plotlyjs

LINE = "rgba(128, 128, 128, 0.4)"  # of grids and frames, seen on a light page and on a dark one


class _Library(widgets.Widget):
    """Carries the source of plotly.js to the browser, once for all figures of a kernel."""

    source = traitlets.Unicode(get_plotlyjs()).tag(sync=True)


_library = cache(_Library)


class _Drawn(widgets.Widget):
    """Data and layout of the displayed figure, and what it shows in words. The figures are numbered, and the browser
    sets `shown` to the number of the one that it has drawn."""

    figure = traitlets.Dict().tag(sync=True)
    label = traitlets.Unicode().tag(sync=True)
    number = traitlets.Int().tag(sync=True)
    shown = traitlets.Int().tag(sync=True)

    @traitlets.observe("figure")
    def _count(self, _: object) -> None:
        self.number += 1


class LiveFigure(anywidget.AnyWidget):
    """The widget of `figure`; a change within `with live.drawing() as figure` is seen when the block ends.

    Parameters
    ----------
    figure
        What is drawn. The browser sets its width, and its colours to those of the page's theme.
    label
        What it shows, for those who cannot see it.
    ratio, extra, most
        The height is ratio * width + extra pixels, of 3-D scenes what shows them largest; at most the part `most`
        of the window's height.
    group
        3-D scenes of one group are turned together, by the mouse or the arrow keys (default: those of this figure).

    Notes
    -----
    A browser that is slower than the changes leaves some out, but never the last. This is not plotly's FigureWidget,
    because anywidget drops all changes of a widget whose script takes over two seconds to load, and plotly's brings
    5 MB with every figure. Here they come once, and the changes go through a widget without a script.
    """

    _esm = Path(__file__).with_suffix(".js").read_text()
    _drawn = traitlets.Instance(_Drawn).tag(sync=True, **widgets.widget_serialization)
    _library = traitlets.Instance(_Library).tag(sync=True, **widgets.widget_serialization)
    _size = traitlets.Dict().tag(sync=True)
    _group = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        figure: go.Figure,
        label: str = "",
        *,
        ratio: float = 0.0,
        extra: int = 0,
        most: float = 1.0,
        group: str = "",
    ) -> None:
        clear = "rgba(0, 0, 0, 0)"
        figure.update_layout(template="plotly_white", paper_bgcolor=clear, plot_bgcolor=clear)
        figure.update_xaxes(gridcolor=LINE, linecolor=LINE)
        figure.update_yaxes(gridcolor=LINE, linecolor=LINE)
        self.figure, drawn = figure, _Drawn(figure=figure.to_dict(), label=label)
        size = {"ratio": ratio, "extra": extra, "most": most}
        super().__init__(_drawn=drawn, _library=_library(), _size=size, _group=group)
        self.add_class("dpskit-figure")
        self.layout = widgets.Layout(width="100%", min_width="0", overflow="hidden")

    @property
    def seen(self) -> bool:
        """Whether a browser has drawn the last change, or has no place for it now."""
        return self._drawn.shown == self._drawn.number

    @contextmanager
    def drawing(self, label: str | None = None) -> Iterator[go.Figure]:
        """Change the figure, and what it shows in words, and send it to the browser in one piece."""
        yield self.figure
        with self._drawn.hold_sync():
            self._drawn.figure = self.figure.to_dict()
            if label is not None:
                self._drawn.label = label
