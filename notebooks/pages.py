"""An executed notebook as a page that needs neither a kernel nor a network."""

from __future__ import annotations

from typing import Any

import nbformat
from formulas import with_mathml
from nbconvert import HTMLExporter

PLOTLY, WIDGET = "application/vnd.plotly.v1+json", "application/vnd.jupyter.widget-view+json"
TEMPLATE = """{%- extends 'lab/index.html.j2' -%}
{%- block html_head_js_requirejs -%}{%- endblock -%}
{%- block html_head_js_mathjax -%}{%- endblock -%}
{%- block html_head_js_mermaidjs -%}{%- endblock -%}
{%- block any_cell -%}
{%- if 'solution' in cell.metadata.get('tags', []) -%}
<details><summary>Show the solution</summary>{{ super() }}</details>
{%- else -%}{{ super() }}{%- endif -%}
{%- endblock -%}"""


def without_kernel(notebook: Any, *, plotly: bool) -> Any:
    """The notebook, changed in place: without widgets, which have a picture beside them, and with plotly's figures as
    HTML. plotly: put its script into the first of them; else the page must load it."""
    missing = plotly
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        for output in cell.outputs:
            if "image/png" in output.get("data", {}):  # in place of the widget
                output.data.pop(WIDGET, None)
        cell.outputs = [output for output in cell.outputs if WIDGET not in output.get("data", {})]
        for output in cell.outputs:
            if PLOTLY in output.get("data", {}):
                output.data = nbformat.from_dict({"text/html": _figure(output.data[PLOTLY], script=missing)})
                missing = False
    notebook.metadata.pop("widgets", None)
    return notebook


def offline_page(notebook: Any, title: str) -> str:
    """HTML with everything inside: formulas, figures and plotly's script. The solutions of exercises are folded."""
    notebook = without_kernel(notebook, plotly=True)
    notebook.metadata["title"] = title
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = with_mathml(cell.source)
        else:  # what a program says on the way is of no use in a page
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    return HTMLExporter(raw_template=TEMPLATE).from_notebook_node(notebook)[0]


def _figure(figure: Any, *, script: bool) -> str:
    from plotly.io import to_html

    return to_html(figure, include_plotlyjs=script, full_html=False, validate=False)
