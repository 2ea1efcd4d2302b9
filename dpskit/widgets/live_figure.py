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
const library = (model) => globalThis.dpskitPlotly ??= (async () => {
  const holder = await model.widget_manager.get_model(model.get("_library").replace("IPY_MODEL_", ""));
  const address = URL.createObjectURL(new Blob([holder.get("source")], {type: "text/javascript"}));
  await import(address);
  URL.revokeObjectURL(address);
  return globalThis.Plotly;
})();

function render({model, el}) {
  let drawing = false, outdated = false, removed = false;
  async function draw() {
    outdated = true;
    if (drawing) return;
    drawing = true;
    const Plotly = await library(model);
    while (outdated && !removed) {
      outdated = false;
      const {data, layout} = structuredClone(model.get("_drawn"));
      await Plotly.react(el, data, layout, {displaylogo: false});
      await new Promise(requestAnimationFrame);
    }
    drawing = false;
  }
  model.on("change:_drawn", draw);
  draw();
  return () => { removed = true; globalThis.Plotly?.purge(el); };
}

export default {render};
"""


class _Library(widgets.Widget):
    """Carries the source of plotly.js to the browser, once for all figures of a kernel."""

    source = traitlets.Unicode(get_plotlyjs()).tag(sync=True)


_library = cache(_Library)


class LiveFigure(anywidget.AnyWidget):
    """The widget of `figure`; a change within `with live.drawing() as figure` is seen when the block ends.

    A browser that is slower than the changes leaves some out, but never the last. Unlike plotly's FigureWidget, whose
    5 MB of script come again with every figure: where they take more than two seconds to load, anywidget drops all
    later changes for good.
    """

    _esm = SCRIPT
    _drawn = traitlets.Dict().tag(sync=True)
    _library = traitlets.Instance(_Library).tag(sync=True, **widgets.widget_serialization)

    def __init__(self, figure: go.Figure) -> None:
        self.figure = figure
        super().__init__(_drawn=figure.to_dict(), _library=_library())

    @contextmanager
    def drawing(self) -> Iterator[go.Figure]:
        """Change the figure, and send it to the browser in one piece."""
        yield self.figure
        self._drawn = self.figure.to_dict()
