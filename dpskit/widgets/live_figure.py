"""A plotly figure that a browser shows, and keeps showing while it changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import anywidget
import ipywidgets as widgets
import plotly.graph_objects as go
import traitlets
from plotly.offline import get_plotlyjs

SCRIPT = """
const part = (model, name) => model.widget_manager.get_model(model.get(name).replace("IPY_MODEL_", ""));

const library = (model) => globalThis.dpskitPlotly ??= (async () => {
  const source = (await part(model, "_library")).get("source");
  const address = URL.createObjectURL(new Blob([source], {type: "text/javascript"}));
  await import(address);
  URL.revokeObjectURL(address);
  return globalThis.Plotly;
})();

async function render({model, el}) {
  const drawn = await part(model, "_drawn");
  let drawing = false, outdated = false, removed = false;
  async function draw() {
    outdated = true;
    if (drawing) return;
    drawing = true;
    const Plotly = await library(model);
    while (outdated && !removed) {
      outdated = false;
      const {data, layout} = structuredClone(drawn.get("figure"));
      await Plotly.react(el, data, layout, {displaylogo: false});
      await new Promise(requestAnimationFrame);
    }
    drawing = false;
  }
  drawn.on("change:figure", draw);
  draw();
  return () => { removed = true; drawn.off("change:figure", draw); globalThis.Plotly?.purge(el); };
}

export default {render};
"""


class _Library(widgets.Widget):
    """Carries the source of plotly.js to the browser, once for all figures of a kernel."""

    source = traitlets.Unicode(get_plotlyjs()).tag(sync=True)


_library = cache(_Library)


class _Drawn(widgets.Widget):
    """Data and layout of the displayed figure."""

    figure = traitlets.Dict().tag(sync=True)


class LiveFigure(anywidget.AnyWidget):
    """The widget of `figure`; a change within `with live.drawing() as figure` is seen when the block ends.

    A browser that is slower than the changes leaves some out, but never the last. This is not plotly's FigureWidget,
    because anywidget drops all changes of a widget whose script takes over two seconds to load, and plotly's brings
    5 MB with every figure. Here they come once, and the changes go through a widget without a script.
    """

    _esm = SCRIPT
    _drawn = traitlets.Instance(_Drawn).tag(sync=True, **widgets.widget_serialization)
    _library = traitlets.Instance(_Library).tag(sync=True, **widgets.widget_serialization)

    def __init__(self, figure: go.Figure) -> None:
        self.figure = figure
        super().__init__(_drawn=_Drawn(figure=figure.to_dict()), _library=_library())

    @contextmanager
    def drawing(self) -> Iterator[go.Figure]:
        """Change the figure, and send it to the browser in one piece."""
        yield self.figure
        self._drawn.figure = self.figure.to_dict()
