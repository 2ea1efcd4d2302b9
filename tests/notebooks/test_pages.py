"""Pages of executed notebooks: formulas, figures and pictures are inside, and nothing comes from the network."""

import re
import sys
from pathlib import Path

import nbformat
import plotly.graph_objects as go
import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "notebooks"))
import pages  # noqa: E402
from formulas import mathml, with_mathml  # noqa: E402

LOADED = re.compile(
    r"""(?:<script[^>]*\ssrc|<link[^>]*\shref|<img[^>]*\ssrc|import\()\s*=?\s*["']?(?!data:)([^"'\s>]+)"""
)


def test_formulas_become_mathml_and_code_stays():
    text = with_mathml("The $a_1 * b$ of\n$$\\frac{1}{2}$$\ncosts 5$, and `$x$` too; \\$3.\n```\n$y$\n```")
    assert text.count("<math") == 2 and "<mfrac>" in text and '<math display="block"' in text
    assert "`$x$`" in text and "```\n$y$\n```" in text and "costs 5$" in text and "\\$3" in text
    first = text[text.index("<math") : text.index("</math>")]
    assert "*" not in first and "_" not in first  # which Markdown would take for emphasis


@pytest.mark.parametrize("path", sorted(ROOT.glob("[nt]*/*.ipynb")), ids=lambda path: path.stem)
def test_every_formula_of_every_notebook_can_be_drawn(path):
    cells = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown"]
    prose = re.sub(r"```.*?```|`[^`]*`", "", "\n\n".join(map(with_mathml, cells)), flags=re.S)
    assert "$" not in prose and "\\" not in prose


@pytest.mark.parametrize("text", [r"\frac12 (x)", r"\frac1{2} (x)", r"\frac{1}{2} (x)", r"\frac 12 (x)"])
def test_a_half_is_one_over_two(text):
    assert "<mfrac><mn>1</mn><mn>2</mn></mfrac>" in mathml(text, block=False)


def test_the_label_of_a_brace_stands_under_it():
    assert mathml(r"\underbrace{a}_{b}", block=True).count("<munder>") == 2


def executed():
    code = nbformat.v4.new_code_cell
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Heat\n\nIt is $x^2$.")])
    figure = go.Figure(go.Scatter(x=[1, 2], y=[3, 4])).to_plotly_json()
    outputs = [
        {pages.PLOTLY: figure},
        {pages.PLOTLY: figure},
        {pages.WIDGET: {"model_id": "1"}, "text/plain": "Panel()"},
    ]
    notebook.cells += [code("show", outputs=[nbformat.v4.new_output("display_data", data=o)]) for o in outputs]
    stream = nbformat.v4.new_output("stream", name="stderr", text="12%|#   |")
    notebook.cells.append(code("answer = 42", metadata={"tags": ["solution"]}, outputs=[stream]))
    return notebook


def test_a_page_loads_nothing_and_has_one_script_of_plotly():
    page = pages.offline_page(executed(), "Heat")
    assert LOADED.findall(page) == [] and "require.min.js" not in page and "mermaid" not in page
    assert "mathjax@" not in page.lower() and "MathJax.js" not in page
    assert page.count("plotly.js v") == 1 and page.count('class="plotly-graph-div"') == 2
    assert "<msup>" in page and "<title>Heat</title>" in page and "12%" not in page and "Panel()" not in page
    start, end = page.index("<details>"), page.index("</details>")
    assert "42" in page[start:end]


@pytest.mark.parametrize("path", sorted(ROOT.glob("notebooks/*.ipynb")), ids=lambda path: path.stem)
def test_every_molecule_has_a_picture_for_pages_without_a_kernel(path):
    code = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code")
    assert code.count("molecule_figure(") >= code.count("molecule_view(")
