"""Build the site: pages, how-to, every notebook and lesson as it ran, and the reference from the docstrings.

usage: python docs/build.py [--fast | --plain] FOLDER

Notebooks are run in full and kept in build/executed, so that only those whose code has changed run again; remove that
folder to run all of them anew, as after a change of the package. --fast runs them with the parameters of the tests,
--plain shows them without outputs. Any warning of Sphinx is an error.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from PIL import Image
from sphinx.cmd.build import build_main

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "notebooks"))
import reference
from pages import without_kernel
from parameters import fast_values, override
from run import execute

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("notebooks", "tutorials")
SHOWN = r'data:image/webp;base64,([^"]+)"[^>]*display:block'  # what a slider over pictures shows first
MODES = ("--fast", "--plain")
WIDE = 1200  # pixels, above which a picture has a row of the gallery for itself: half of one would be illegible


def executed(path: Path, cache: Path, *, fast: bool) -> Any:
    """The notebook at `path` with its outputs, from the cache if its code has not changed since."""
    notebook = nbformat.read(path, as_version=4)
    override(notebook.cells, fast_values(path) if fast else {})
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    key = hashlib.sha256(json.dumps([cell.source for cell in code]).encode()).hexdigest()[:16]
    kept = cache / f"{path.stem}-{key}.ipynb"
    if not kept.exists():
        done = execute(path, fast=fast).notebook
        cache.mkdir(parents=True, exist_ok=True)
        temporary = kept.with_suffix(".part")
        nbformat.write(done, temporary)
        temporary.replace(kept)
    outputs = [cell.outputs for cell in nbformat.read(kept, as_version=4).cells if cell.cell_type == "code"]
    for cell, found in zip(code, outputs, strict=True):
        cell.outputs = found
    return notebook


def for_page(notebook: Any) -> Any:
    """The notebook without what needs a kernel, with figures that share one script, and with the solutions folded."""
    notebook = without_kernel(notebook, plotly=False)
    for cell in notebook.cells:
        if "solution" in cell.metadata.get("tags", []):
            cell.metadata.tags.append("hide-cell")
    return notebook


def picture(notebook: Any) -> bytes | None:
    """The first picture of a notebook, for the gallery: the last ones resemble each other."""
    for output in (output for cell in notebook.cells for output in cell.get("outputs", [])):
        data = output.get("data", {})
        if "image/png" in data:
            return base64.b64decode(data["image/png"])
        if shown := re.search(SHOWN, data.get("text/html", "")):
            file = io.BytesIO()
            Image.open(io.BytesIO(base64.b64decode(shown[1]))).save(file, format="png")
            return file.getvalue()
    return None


def for_site(page: str) -> str:
    """A page of docs/ with its links to notebooks and lessons as they lie in the site: within it, not beside it."""
    return re.sub(rf"\]\(\.\./((?:\.\./)?(?:{'|'.join(FOLDERS)})/)", r"](\1", page).replace(
        "(tutorials/README.md)", "(tutorials/index.md)"
    )


def gallery(titles: dict[str, str], pictures: dict[str, int]) -> str:
    """A page of all notebooks and lessons, each with its picture if it has one. The keys are paths without an end.

    pictures: their widths in pixels.
    """
    cards = []
    for name, title in titles.items():
        image = f"![]({Path('_pictures', Path(name).name)}.png)" if name in pictures else ""
        wide = " wide" if pictures.get(name, 0) > WIDE else ""
        cards.append(f"::::{{container}} card-of-gallery{wide}\n{image}\n\n[{title}]({name}.ipynb)\n::::\n")
    head = "# Gallery\n\nThe first picture of every notebook and lesson.\n\n:::::{container} gallery\n"
    return head + "\n".join(cards) + ":::::\n"


def assemble(source: Path, mode: str) -> None:
    """Lay out what Sphinx reads: docs/, the changelog, the notebooks and lessons, and a gallery of them."""
    shutil.copytree(ROOT / "docs", source, ignore=shutil.ignore_patterns("__pycache__", "build.py", "reference.py"))
    for page in source.rglob("*.md"):
        page.write_text(for_site(page.read_text()))
    shutil.copy(ROOT / "CHANGELOG.md", source / "changelog.md")
    shutil.copy(ROOT / "README.md", source.parent)  # of which start.md includes a part
    (source / "_pictures").mkdir()
    titles, pictures = {}, {}
    for folder in FOLDERS:
        (source / folder).mkdir()
        for path in sorted((ROOT / folder).glob("*.ipynb")):
            if mode == "--plain":
                notebook = for_page(nbformat.read(path, as_version=4))
            else:
                fast = mode == "--fast"
                cache = ROOT / "build" / ("executed-fast" if fast else "executed")
                notebook = for_page(executed(path, cache, fast=fast))
            name = f"{folder}/{path.stem}"
            titles[name] = notebook.cells[0].source.splitlines()[0].strip("# ")
            if image := picture(notebook):
                pictures[name] = Image.open(io.BytesIO(image)).width
                (source / "_pictures" / f"{path.stem}.png").write_bytes(image)
            nbformat.write(notebook, source / folder / path.name)
        lines = "\n".join(Path(name).name for name in titles if name.startswith(folder))
        head = (ROOT / folder / "README.md").read_text() if folder == "tutorials" else "# Notebooks\n"
        hidden = ":hidden:\n" if folder == "tutorials" else ""  # its page has a list of its own
        (source / folder / "index.md").write_text(f"{head}\n```{{toctree}}\n{hidden}:maxdepth: 1\n\n{lines}\n```\n")
    reference.write(source / "api")
    (source / "gallery.md").write_text(gallery(titles, pictures))


def main(arguments: list[str]) -> int:
    """The command line of the module's docstring."""
    options = [argument for argument in arguments if argument.startswith("-")]
    folders = [argument for argument in arguments if argument not in options]
    if len(folders) != 1 or len(options) > 1 or not set(options) <= set(MODES):
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory() as temporary:
        source, trees = Path(temporary, "source"), Path(temporary, "trees")
        assemble(source, options[0] if options else "")
        return build_main(["-W", "--keep-going", "-q", "-b", "html", "-d", str(trees), str(source), folders[0]])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
