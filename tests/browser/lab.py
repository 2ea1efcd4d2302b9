"""A JupyterLab of its own, and a browser that looks at it."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import nbformat
import numpy as np

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "notebooks"))
from parameters import fast_values, override  # noqa: E402

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
]
TOKEN = "browser-test"
DRAWN = 0.0005
"""The part of a picture that is in colour, at least, if there is more than axes; middle heights are nearly grey."""
SETTINGS = {  # draw all cells, also those out of sight; ask nothing
    "notebook-extension/tracker": {"windowingMode": "none"},
    "apputils-extension/notification": {"fetchNews": "false"},
}


def copy_fast(path, folder):
    """Copy a notebook, with the parameters of the tests."""
    notebook = nbformat.read(path, as_version=4)
    override(notebook.cells, fast_values(path))
    nbformat.write(notebook, folder / path.name)


@contextmanager
def jupyter_lab(folder):
    """Serve copies of the notebooks from `folder`, in the fast setting; yields the address."""
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        copy_fast(path, folder)
    port = free_port()
    for name, values in SETTINGS.items():
        path = folder / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    private = {name: str(folder / name.lower()) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR")}
    private["JUPYTERLAB_SETTINGS_DIR"] = str(folder / "settings")
    # fmt: off
    command = [sys.executable, "-m", "jupyterlab", "--allow-root", "--no-browser", "--ip=127.0.0.1", f"--port={port}",
               f"--IdentityProvider.token={TOKEN}", "--LabApp.expose_app_in_browser=True", "--LabApp.news_url=",
               "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate", "--ServerApp.port_retries=0"]
    # fmt: on
    address = f"http://127.0.0.1:{port}"
    with serving(command, folder, private, f"{address}/api/status?token={TOKEN}"):
        yield address


@contextmanager
def voila(folder):
    """Serve the panel as an app; yields the address."""
    copy_fast(ROOT / "notebooks" / "90_panel.ipynb", folder)
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "voila",
        "90_panel.ipynb",
        "--no-browser",
        f"--port={port}",
        "--Voila.ip=127.0.0.1",
    ]
    address = f"http://127.0.0.1:{port}"
    with serving(command, folder, {}, f"{address}/voila/static/require.min.js"):
        yield address


def free_port():
    """A port that nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextmanager
def serving(command, folder, variables, url):
    """Run a server, from when `url` answers until the block ends."""
    environment = os.environ | variables | {"PYTHONPATH": str(ROOT)}
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        end = time.monotonic() + 300  # on a busy machine a server takes minutes
        while not _answers(url):
            assert server.poll() is None and time.monotonic() < end, (folder / "server.log").read_text()
            time.sleep(0.2)
        yield
    finally:
        server.terminate()
        try:
            server.wait(60)
        except subprocess.TimeoutExpired:  # a busy kernel does not hear it
            server.kill()
            server.wait()


def _answers(url):
    try:
        with urlopen(url, timeout=5):
            return True
    except HTTPError:
        return True  # the server is there, if not the file
    except OSError:
        return False


def open_notebook(page, address, name):
    """Open a notebook with a kernel of its own, alone on the screen, and wait until it can be run."""
    for session in page.request.get(f"{address}/api/sessions?token={TOKEN}").json():
        page.request.delete(f"{address}/api/sessions/{session['id']}?token={TOKEN}")
    page.goto(f"{address}/lab/tree/{name}?token={TOKEN}&reset")
    page.wait_for_selector('.jp-Notebook-ExecutionIndicator[data-status="idle"]')
    page.wait_for_timeout(1000)
    if page.locator("#jp-left-stack").is_visible():
        page.evaluate("window.jupyterapp.commands.execute('application:toggle-left-area')")


def run_all(page):
    """Run all cells; returns whether none of them failed."""
    counted = page.locator(".jp-CodeCell .jp-InputPrompt").filter(has_text=re.compile(r"\d"))
    for _ in range(60):  # a command that comes before the notebook is ready runs nothing, and reports success
        page.evaluate(
            "() => {window.ran = undefined; "
            "window.jupyterapp.commands.execute('notebook:run-all-cells').then(done => {window.ran = done})}"
        )
        page.wait_for_function("window.ran !== undefined", timeout=900_000)
        if counted.count() > 0:
            return page.evaluate("window.ran")
        page.wait_for_timeout(2000)
    return False


def red_boxes(page):
    """Texts of failed outputs, and of widgets that the front end could not draw."""
    errors = '[data-mime-type="application/vnd.jupyter.error"], .jupyter-widgets-error-widget, .jp-RenderedText-error'
    broken = page.get_by_text("Error displaying widget").all_inner_texts()
    return page.locator(errors).all_inner_texts() + broken


def until(page, what, wanted, seconds=60):
    """Wait until `what()` is `wanted`, `seconds` at most; returns what it is then. A busy machine needs time for what
    it shows at once elsewhere."""
    end = time.monotonic() + seconds
    while (found := what()) != wanted and time.monotonic() < end:
        page.wait_for_timeout(500)
    return found


def listen(status):
    """From now on note all that the panel says: a page that is busy passes over much of it."""
    status.evaluate(
        "status => {window.heard = []; new MutationObserver(() => window.heard.push(status.textContent))"
        ".observe(status, {subtree: true, childList: true, characterData: true})}"
    )


def heard(page, *words):
    """Wait until the panel has said each of the words, in this order, and forget all that it said."""
    said = """words => {
      let k = 0;
      for (const text of window.heard) if (k < words.length && text.includes(words[k])) k++;
      return k === words.length;
    }"""
    page.wait_for_function(said, arg=list(words), timeout=900_000)
    page.evaluate("window.heard = []")


def pixels(page, element):
    """What is seen of the element now, (h, w, 3) integers.

    It is cut out of a picture of the window: chromium without a GPU draws wrong tiles into pictures of a part alone.
    """
    from PIL import Image
    from playwright.sync_api import Error

    for attempt in range(3):
        try:
            element.scroll_into_view_if_needed()
            box = element.bounding_box()
            edges = [round(box[side]) for side in ("x", "y")]
            edges += [round(box["x"] + box["width"]), round(box["y"] + box["height"])]
            window = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
            return np.asarray(window.crop(edges)).astype(int)
        except Error as error:  # a picture that is drawn anew at this moment becomes another element
            if attempt == 2 or "not attached" not in str(error):
                raise
            page.wait_for_timeout(500)


def ink(image):
    """The bounding box (top, left, bottom, right), as fractions, of what is in colour, and its part of the image.

    Axes and their labels are grey, points and molecules are not.
    """
    marked = image.max(axis=2) - image.min(axis=2) > 40
    rows, columns = np.flatnonzero(marked.any(axis=1)), np.flatnonzero(marked.any(axis=0))
    if len(rows) == 0:
        return None, 0.0
    height, width = marked.shape
    return (rows[0] / height, columns[0] / width, rows[-1] / height, columns[-1] / width), marked.mean()


def changed(before, after):
    """The part of the pixels that differ; all of them where the picture has another size."""
    if before.shape != after.shape:
        return 1.0
    return (np.abs(before - after).sum(axis=2) > 30).mean()


def changes(page, element, before):
    """Wait until the element looks different from `before`, and then until it rests; returns what is seen.

    Raises AssertionError when it stays as it is for three minutes.
    """
    end = time.monotonic() + 180
    while changed(before, image := pixels(page, element)) < 0.005:
        assert time.monotonic() < end, "the picture does not change"
        page.wait_for_timeout(200)
    return rests(page, element, image)


def rests(page, element, image=None):
    """Wait until something is drawn and nothing moves for a second in which the page had nothing to do, a minute at
    most; returns what is seen."""
    image, end = pixels(page, element) if image is None else image, time.monotonic() + 60
    while time.monotonic() < end:
        page.wait_for_timeout(1000)
        page.evaluate("() => new Promise(done => requestIdleCallback(() => done(), {timeout: 5000}))")
        last, image = image, pixels(page, element)
        if changed(last, image) == 0 and ink(image)[1] > DRAWN:
            break
    return image


SCROLLING = """panel => [panel, ...panel.querySelectorAll("*")].filter(element => {
  const {overflowX, overflowY} = getComputedStyle(element), scrolls = /auto|scroll/;
  return (element.scrollHeight > element.clientHeight + 1 && scrolls.test(overflowY))
      || (element.scrollWidth > element.clientWidth + 1 && scrolls.test(overflowX));
}).map(element => element.className)"""
CUT = """panel => {
  const {left, right} = panel.getBoundingClientRect();
  const parts = [...panel.querySelectorAll("button, select, .noUi-target, .js-plotly-plot, .widget-label, table")];
  return parts.map(part => [part, part.getBoundingClientRect()])
    .filter(([, box]) => box.width && (box.left < left - 1 || box.right > right + 1))
    .map(([part]) => part.className);
}"""
CUT_TEXTS = """panel => [...panel.querySelectorAll("button, .widget-label")]
  .filter(part => part.clientWidth && part.scrollWidth > part.clientWidth + 1).map(part => part.textContent)"""


def faults_of_layout(panel):
    """What scrolls inside the panel, sticks out of it or is cut; and sliders shorter than 200 pixels."""
    lengths = panel.evaluate("panel => [...panel.querySelectorAll('.noUi-target')].map(slider => slider.clientWidth)")
    short = [length for length in lengths if 0 < length < 200]
    assert any(length >= 200 for length in lengths), "there are no sliders"
    return panel.evaluate(SCROLLING) + panel.evaluate(CUT) + panel.evaluate(CUT_TEXTS) + short


def findings(page, selector="html"):
    """What axe-core finds in the element: (impact, rule, number of elements, one of them)."""
    from axe_playwright_python.sync_playwright import Axe

    # Without preload: it fetches style sheets, which a browser refuses to pages of a folder.
    found = Axe().run(page, context=selector, options={"preload": False}).response["violations"]
    return [(each["impact"], each["id"], len(each["nodes"]), each["nodes"][0]["html"][:200]) for each in found]


def eyes(panel):
    """From where every drawn scene is seen."""
    return panel.evaluate(
        """panel => [...panel.querySelectorAll(".js-plotly-plot")].flatMap(plot => Object.keys(plot.layout)
          .filter(name => /^scene/.test(name)).map(name => plot.layout[name].camera.eye))"""
    )


def drag_by_finger(page, element, right):
    """Put a finger on the middle of the element, move it by `right` pixels, and lift it."""
    box = element.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    client = page.context.new_cdp_session(page)
    for kind, moved in (("touchStart", 0), *(("touchMove", right * k / 5) for k in range(1, 6)), ("touchEnd", None)):
        points = [] if moved is None else [{"x": x + moved, "y": y}]
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    client.detach()


def watch(page, panel):
    """From now on note when the panel has drawn its sample, with the title; `noted` gives what there is."""
    panel.locator(".js-plotly-plot").first.evaluate(
        "figure => {window.noted = []; figure.on('plotly_afterplot', () => "
        "window.noted.push([performance.now() / 1000, figure.layout.annotations[0].text]))}"
    )


def press(page, button):
    """Click the button and forget what was noted; returns the time at which it was clicked, on the clock of `noted`."""
    button.evaluate(
        "button => button.addEventListener('click', "
        "() => {window.noted = []; window.pressed = performance.now() / 1000}, {once: true, capture: true})"
    )
    button.click()
    return page.evaluate("window.pressed")


def noted(page, word):
    """The seconds at which pictures were drawn whose title contains `word`."""
    return [seconds for seconds, title in page.evaluate("window.noted") if word in title]
