"""Settings of Sphinx. `make docs` builds the site by docs/build.py, which lays out the sources first."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

from docutils.nodes import SkipNode
from docutils.utils.math import MathError
from formulas import mathml  # of the folder notebooks, which docs/build.py has put on the path
from sphinx.util import logging

from dpskit.version import __version__

LOGGER = logging.getLogger(__name__)

project = "dpskit"
author = "The dpskit developers"
release = __version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
default_role = "code"

myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence"]
myst_dmath_allow_space = False
myst_dmath_double_inline = True
myst_heading_anchors = 3
nb_execution_mode = "off"  # docs/build.py has run them
nb_ipywidgets_js: dict[str, dict[str, str]] = {}  # no widgets without a kernel, and no scripts from the network
nb_output_stderr = "remove"
nb_merge_streams = True
nb_code_prompt_show, nb_code_prompt_hide = "Show the solution", "Hide the solution"  # nothing else is folded
suppress_warnings = ["mystnb.unknown_mime_type"]

toc_object_entries_show_parents = "hide"
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autoclass_content = "class"
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_preprocess_types = False

html_sidebars = {"*": [], "notebooks/*": [], "tutorials/*": []}  # where code and figures need the width
html_theme = "pydata_sphinx_theme"
html_title = "dpskit"
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_context = {"default_mode": "auto"}  # light or dark as the reader has it
html_theme_options = {
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}


def drawn(node: Any, *, block: bool) -> str:
    """A formula as MathML; one that cannot be drawn is a warning."""
    try:
        return mathml(node.astext(), block=block)
    except MathError as error:
        LOGGER.warning("formula %r: %s", node.astext(), error, location=node)
        return html.escape(node.astext())


def visit_math(self: Any, node: Any) -> None:
    """A formula in a line."""
    self.body.append(drawn(node, block=False))
    raise SkipNode


def visit_displaymath(self: Any, node: Any) -> None:
    """A formula of its own."""
    self.body.append(f'<div class="formula" tabindex="0">{drawn(node, block=True)}</div>')
    raise SkipNode


def escape(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Docstrings are plain text: bars, stars and trailing underscores outside of backticks mean themselves."""
    for k, line in enumerate(lines):
        parts = re.split(r"(`[^`]*`)", line)
        lines[k] = "".join(p if p.startswith("`") else re.sub(r"([|*]|(?<=\w)_(?=\W|$))", r"\\\1", p) for p in parts)


def add_plotly(app: Any, page: str, template: str, context: dict[str, Any], tree: Any) -> None:
    """Plotly's script, from the site itself, on pages that have a figure."""
    if "plotly-graph-div" in context.get("body", ""):
        app.add_js_file("plotly.min.js", priority=100)


def write_plotly(app: Any) -> None:
    """Put plotly's script, which the installed package holds, among the static files."""
    from plotly.offline import get_plotlyjs

    folder = Path(app.outdir) / "_static"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plotly.min.js").write_text(get_plotlyjs())


def setup(app: Any) -> None:
    """Connect the above."""
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_displaymath, None))
    app.connect("autodoc-process-docstring", escape)
    app.connect("html-page-context", add_plotly)
    app.connect("builder-inited", write_plotly)
