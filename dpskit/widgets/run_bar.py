"""The buttons of the panel, and what it says."""

from __future__ import annotations

import html
import re

import ipywidgets as widgets

from dpskit.plots.colours import SAMPLE_COLOUR
from dpskit.widgets.frame import box


class RunBar:
    """Run, Stop, Reset and "Keep as A", a bar of progress, and a line of text; all of it in `widget`."""

    def __init__(self) -> None:
        wide = {"layout": widgets.Layout(width="auto", flex="1 1 auto", margin="2px 3px 2px 0")}
        self.run = widgets.Button(description="Run", button_style="primary", **wide)
        self.stop = widgets.Button(description="Stop", disabled=True, **wide)
        self.reset = widgets.Button(description="Reset", **wide)
        tip = "hold this run and its data, to compare another setting with it"
        self.keep = widgets.ToggleButton(description="Keep as A", disabled=True, tooltip=tip, **wide)
        self.progress = widgets.IntProgress(style={"bar_color": SAMPLE_COLOUR})
        self.progress.layout = widgets.Layout(width="100%", height="8px", margin="4px 0 0 0")
        self.status = widgets.HTML(layout=widgets.Layout(width="100%"))
        self.status.add_class("dpskit-status")
        buttons = widgets.HBox([self.run, self.stop, self.reset, self.keep], layout=widgets.Layout(width="100%"))
        self.widget = box([buttons, self.progress, self.status], "run")

    def say(self, text: str, *, failed: bool = False) -> None:
        """Show sentences; a line ends within one only where it is wider than the panel."""
        colour = "var(--jp-error-color0, #b00020)" if failed else "inherit"
        sentences = re.split(r"(?<=\.) ", html.escape(text))
        parts = " ".join(f"<span style='display: inline-block'>{sentence}</span>" for sentence in sentences)
        self.status.value = f"<div style='color: {colour}'>{parts}</div>"
