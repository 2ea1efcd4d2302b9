"""Buttons that make a file when they are pressed, and hand it to the browser."""

from __future__ import annotations

import mimetypes
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anywidget
import traitlets

Writer = Callable[[Path], None]


class Download(anywidget.AnyWidget):
    """A row of buttons. files: for the text of each button, the name of its file and what writes it to a path."""

    _esm = Path(__file__).with_suffix(".js").read_text()
    _names = traitlets.List(traitlets.Unicode()).tag(sync=True)

    def __init__(self, files: Mapping[str, tuple[str, Writer]]) -> None:
        self.files = dict(files)
        super().__init__(_names=list(self.files))
        self.add_class("dpskit-download")
        self.on_msg(self._asked)

    def _asked(self, _: Any, message: dict[str, str], __: Any) -> None:
        name, write = self.files[message["name"]]
        try:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / name
                write(path)
                content = path.read_bytes()
        except (ValueError, OSError) as error:
            self.send({"error": str(error)})
            return
        self.send({"file": name, "type": mimetypes.guess_type(name)[0] or "application/octet-stream"}, [content])
