"""A plotly figure that becomes a widget when it is first shown."""

from __future__ import annotations

import plotly.graph_objects as go


class LiveFigure:
    """`figure` is drawn into: a plain one until `widget` has been asked for, and from then on that widget.

    The browser may lose what is drawn into a widget that it is still loading. What is drawn before comes with it.
    """

    def __init__(self, figure: go.Figure) -> None:
        self.figure: go.Figure | go.FigureWidget = figure

    @property
    def widget(self) -> go.FigureWidget:
        """The figure as a widget, made once."""
        if not isinstance(self.figure, go.FigureWidget):
            self.figure = _CompleteWidget(self.figure)
            self.figure.open()
        return self.figure


class _CompleteWidget(go.FigureWidget):
    """Announces itself to the browser with its data. Plotly's own does so without, and sends the data behind: a browser
    that draws in between shows an empty figure for ever."""

    def open(self) -> None:
        if self._widget_data:
            super().open()
