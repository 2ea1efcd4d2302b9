"""What a panel needs around its controls and pictures: a layout that follows the width, and names for readers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import anywidget
import ipywidgets as widgets

SCRIPT, STYLE = (Path(__file__).with_suffix(end).read_text() for end in (".js", ".css"))


class Names(anywidget.AnyWidget):
    """Nothing to see: tells a screen reader the name and the value of every control around it."""

    _esm = SCRIPT


def frame(children: Sequence[widgets.Widget]) -> widgets.VBox:
    """A panel of `children`, with the style of all of them."""
    hidden = widgets.Layout(height="0", margin="0", overflow="hidden")
    box = widgets.VBox([widgets.HTML(f"<style>{STYLE}</style>", layout=hidden), Names(layout=hidden), *children])
    box.add_class("dpskit-panel")
    return box


def box(children: Sequence[widgets.Widget], name: str, *, row: bool = False) -> widgets.Box:
    """A column or row that the style knows as `dpskit-name`."""
    made = (widgets.HBox if row else widgets.VBox)(list(children))
    made.add_class(f"dpskit-{name}")
    return made


def show(widget: widgets.Widget, shown: bool) -> None:
    """Show or hide a widget, which keeps its place."""
    widget.layout.display = None if shown else "none"
