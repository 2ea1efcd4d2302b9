"""Several pages in one place, of which one is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import ipywidgets as widgets

from dpskit.widgets.frame import show


class Views:
    """Buttons with the names of the pages that are offered, in `choice`, and the chosen page below, in `place`."""

    def __init__(self, pages: Mapping[str, widgets.Widget]) -> None:
        self.pages = dict(pages)
        self.choice = widgets.ToggleButtons(options=list(self.pages)[:1])
        self.choice.add_class("dpskit-views")
        self.choice.observe(self._turn, names="value")
        self.place = widgets.VBox(list(self.pages.values()), layout=widgets.Layout(width="100%"))
        self._turn()

    def offer(self, names: Sequence[str], chosen: str) -> None:
        """Let a person choose among the pages `names`, and show the `chosen` one."""
        if tuple(names) != tuple(self.choice.options):
            self.choice.options = list(names)
        self.choice.value = chosen

    def _turn(self, _: Any = None) -> None:
        for name, page in self.pages.items():
            show(page, name == self.choice.value)
