"""The site: built without a warning, complete, and without anything from the network."""

import io
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlparse

import nbformat
import plotly.graph_objects as go
import pytest
from PIL import Image

import dpskit
from dpskit.plots import picture_slider

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs"))
import build  # noqa: E402
import pages as notebook_pages  # noqa: E402
import reference  # noqa: E402


class Page(HTMLParser):
    """What a page loads, what it links to, and the names to which others can link."""

    def __init__(self, path):
        super().__init__()
        self.loads, self.links, self.names = [], [], set()
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        if found.get("id"):
            self.names.add(found["id"])
        if tag in {"script", "img", "iframe", "source"} and found.get("src"):
            self.loads.append(found["src"])
        if tag == "link" and found.get("href") and found.get("rel") in {"stylesheet", "preload", "icon"}:
            self.loads.append(found["href"])
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, ROOT / "docs" / "build.py", "--plain", folder]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    paths = [path for path in folder.rglob("*.html") if path.relative_to(folder).parts[0] != "_static"]
    return {path.relative_to(folder).as_posix(): Page(path) for path in paths}, folder


def test_every_page_is_there(site):
    pages, _ = site
    expected = {
        "index",
        "start",
        "gallery",
        "pieces",
        "results/index",
        "results/shapes",
        "changelog",
        "how-to/own-prior",
        "api/sampling",
    }
    for folder in build.FOLDERS:
        expected |= {f"{folder}/{path.stem}" for path in (ROOT / folder).glob("*.ipynb")}
    assert {f"{name}.html" for name in expected} <= set(pages)


def test_every_public_name_is_in_the_reference(site):
    pages, _ = site
    names = set().union(*(page.names for path, page in pages.items() if path.startswith("api/")))
    things = {name for name in dpskit.__all__ if name != "__version__"}
    assert {f"dpskit.{name}" for name in things} <= names
    assert {"dpskit.experiments.compare", "dpskit.plots.error_curves", "dpskit.widgets.Panel"} <= names


def test_nothing_is_loaded_from_the_network_and_every_file_exists(site):
    pages, folder = site
    for path, page in pages.items():
        for address in page.loads:
            assert not urlparse(address).scheme and not address.startswith("//"), f"{path} loads {address}"
            file = (folder / path).parent / unquote(urlparse(address).path)
            assert file.exists(), f"{path} loads {address}, which is not there"


def test_every_link_inside_the_site_leads_somewhere(site):
    pages, folder = site
    for path, page in pages.items():
        for link in page.links:
            parts = urlparse(link)
            if parts.scheme or path.startswith("_modules"):
                continue
            file = ((folder / path).parent / unquote(parts.path)).resolve() if parts.path else folder / path
            assert file.exists(), f"{path} links to {link}"
            target = file.relative_to(folder.resolve() if parts.path else folder).as_posix()
            if parts.fragment and target in pages:
                assert unquote(parts.fragment) in pages[target].names, f"{path} links to {link}"


def test_formulas_are_drawn_without_a_script(site):
    pages, folder = site
    assert not any("mathjax" in address.lower() for page in pages.values() for address in page.loads)
    text = (folder / "tutorials" / "05_guidance.html").read_text()
    assert text.count("<math") > 20
    assert r"\frac" not in re.sub(r"<(pre|code).*?</\1>", "", text, flags=re.S)


def test_figures_share_one_script_and_widgets_are_left_out():
    cell = nbformat.v4.new_code_cell("figure", metadata={"tags": ["solution"]})
    figure = go.Figure(go.Scatter(x=[1, 2], y=[3, 4])).to_plotly_json()
    cell.outputs = [
        nbformat.v4.new_output("display_data", data={notebook_pages.PLOTLY: figure}),
        nbformat.v4.new_output(
            "display_data", data={notebook_pages.WIDGET: {"model_id": "1"}, "text/plain": "Panel()"}
        ),
        nbformat.v4.new_output(
            "display_data", data={notebook_pages.WIDGET: {"model_id": "2"}, "image/png": "aGVsbG8="}
        ),
    ]
    notebook = build.for_page(nbformat.v4.new_notebook(cells=[cell]))
    plot, image = notebook.cells[0].outputs
    html = plot.data["text/html"]
    assert "plotly-graph-div" in html and len(html) < 20_000 and "cdn" not in html
    assert set(image.data) == {"image/png"} and build.picture(notebook) == b"hello"
    assert "hide-cell" in notebook.cells[0].metadata.tags


def test_a_row_of_five_clouds_has_a_row_of_the_gallery_for_itself():
    page = build.gallery({"a/five": "Five", "a/two": "Two", "a/none": "None"}, {"a/five": 1778, "a/two": 732})
    cards = page.split("\n::::{container} ")[1:]
    assert [card.split("\n")[0] for card in cards] == [f"card-of-gallery{end}" for end in (" wide", "", "")]
    assert "![](_pictures/five.png)" in cards[0] and "[None](a/none.ipynb)" in cards[2] and "![" not in cards[2]


def test_the_picture_of_a_lesson_may_be_the_one_that_its_slider_shows():
    def draw(figure, width):
        figure.set_size_inches(width, 1)

    slider = picture_slider(draw, [1, 2, 3], "width", start=1)
    cell = nbformat.v4.new_code_cell("slider")
    cell.outputs = [nbformat.v4.new_output("display_data", data={"text/html": slider._repr_html_()})]
    image = Image.open(io.BytesIO(build.picture(nbformat.v4.new_notebook(cells=[cell]))))
    assert (image.format, image.size) == ("PNG", (200, 100))


def test_a_notebook_runs_again_only_when_its_code_has_changed(tmp_path):
    path = tmp_path / "small.ipynb"
    cells = [nbformat.v4.new_markdown_cell("# Small"), nbformat.v4.new_code_cell("import time\nprint(time.time())")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)

    def printed():
        return build.executed(path, tmp_path / "cache", fast=False).cells[1].outputs[0].text

    first = printed()
    assert printed() == first
    cells[0].source = "# Small, with other words"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    assert printed() == first and build.executed(path, tmp_path / "cache", fast=False).cells[0].source.endswith("words")
    cells[1].source += "  # changed"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    assert printed() != first


def test_the_reference_lists_each_name_once():
    names = [name for room in reference.public_names().values() for name in room]
    assert len(names) == len(set(names)) > 80
