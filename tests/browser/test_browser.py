"""The notebooks as a person sees them: JupyterLab in a real browser. `make test-browser` runs this."""

import os
import time

import lab
import pytest

sync_api = pytest.importorskip(
    "playwright.sync_api", reason="the browser tests need playwright (pip install playwright)"
)
if lab.CHROMIUM is None:
    pytest.skip("the browser tests need chromium (apt-get install chromium)", allow_module_level=True)

expect = sync_api.expect
expect.set_options(timeout=60_000)
PICTURES = lab.ROOT / "results" / "browser"
IMPATIENT = ["[anywidget] Failed to initialize model."]
"""anywidget says so of a widget that a busy browser takes two seconds to load; a live figure follows all the same."""
SCENE, MOLECULE = ".gl-container canvas", ".jp-OutputArea-output canvas:not(.gl-container canvas)"
THEME = "name => window.jupyterapp.commands.execute('apputils:change-theme', {theme: name})"
SLIDERS = ["projections", "points in each", "model points", "pull α", "noise until t =", "steps", "samples", "seed"]


@pytest.fixture
def address(tmp_path):
    """A JupyterLab of its own for each test: a saved notebook would bring back pictures whose kernel is gone."""
    with lab.jupyter_lab(tmp_path) as url:
        yield url


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=lab.CHROMIUM, args=lab.FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser, address):  # the server must outlive the page
    """A page whose console must stay free of errors."""
    page = browser.new_page(viewport={"width": 1300, "height": 2600})
    page.set_default_timeout(300_000)
    errors = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / "last.png")  # what there was to see when a test failed
    page.close()
    assert [error for error in errors if error not in IMPATIENT] == []


def picture(page, name, width, height):
    page.set_viewport_size({"width": width, "height": height})
    page.wait_for_timeout(3000)
    page.screenshot(path=PICTURES / f"{name}_{width}x{height}.png")


def assert_inside(image, name):
    """Something is drawn, and it does not touch the border."""
    box, part = lab.ink(image)
    assert part > lab.DRAWN, f"{name} is empty"
    assert box[0] > 0.005 and box[1] > 0.005 and box[2] < 0.995 and box[3] < 0.995, f"{name} leaves its view: {box}"


def move(page, panel, label, key):
    """Press a key on the slider with this label; returns its readout before and after."""
    row = panel.locator(".widget-inline-hbox").filter(has=page.get_by_text(label, exact=True))
    readout = row.locator(".widget-readout")
    before = readout.inner_text()
    row.locator(".noUi-handle").focus()
    page.keyboard.press(key)
    end = time.monotonic() + 5
    while (after := readout.inner_text()) == before and time.monotonic() < end:
        page.wait_for_timeout(50)
    return before, after


def button(panel, name):
    return panel.locator("button", has_text=name).first


def show_steps(page, panel):
    """Turn to the page of the steps, and wait until the results are gone."""
    button(panel, "steps").click()
    panel.locator(".dpskit-download").wait_for(state="hidden")
    assert lab.until(page, panel.locator(SCENE).count, 2) == 2
    return panel.locator(SCENE).first


def serious(page):
    found = lab.findings(page, ".dpskit-panel")
    return [each for each in found if each[0] in ("serious", "critical")]


def test_quickstart(page, address):
    lab.open_notebook(page, address, "00_quickstart.ipynb")
    page.set_viewport_size({"width": 1300, "height": 7000})  # a tall view draws all cells
    assert lab.run_all(page)
    page.locator(MOLECULE).first.wait_for()
    page.locator(SCENE).nth(5).wait_for()
    page.wait_for_timeout(3000)
    assert lab.red_boxes(page) == []
    assert_inside(lab.rests(page, page.locator(MOLECULE).first), "the molecule")
    names = [f"{what}, {whose}" for whose in ("chair", "complex") for what in ("sample", "maximum likelihood", "truth")]
    assert page.locator(SCENE).count() == len(names)
    for k, name in enumerate(names):
        assert_inside(lab.rests(page, page.locator(SCENE).nth(k)), name)
    picture(page, "quickstart", 1300, 2600)


def test_panel(page, address):
    lab.open_notebook(page, address, "90_panel.ipynb")
    assert lab.run_all(page)
    panel = page.locator(".dpskit-panel").last
    panel.locator(SCENE).nth(1).wait_for()
    status, live = panel.locator(".dpskit-status"), panel.locator(SCENE).first
    lab.listen(status)
    lab.rests(page, live)

    # Every slider moves, and those of the data and the noise change the picture before any run.
    for label in SLIDERS:
        before, after = move(page, panel, label, "ArrowRight")
        assert before != after, label
    start = lab.rests(page, live)
    move(page, panel, "seed", "ArrowRight")
    lab.changes(page, live, start)

    # Reset, run and stop: a hundred steps of ten samples of 1,024 points, so that there is something to stop.
    button(panel, "Reset").click()
    status.get_by_text("Ready").wait_for()
    for label in ("steps", "model points", "samples"):
        move(page, panel, label, "End")
    lab.heard(page)
    button(panel, "Run").click()
    lab.heard(page, "Step ")
    button(panel, "Stop").click()
    lab.heard(page, "Stopped after step")
    button(panel, "Reset").click()
    status.get_by_text("Ready").wait_for()

    # Two runs to their ends, the second with another seed. Each changes the picture; afterwards the step slider does,
    # there and back again, and all clouds are drawn inside their views.
    for _ in range(2):
        move(page, panel, "seed", "ArrowRight")
        page.wait_for_timeout(1000)
        start = lab.rests(page, live)
        lab.heard(page)
        button(panel, "Run").click()
        lab.heard(page, "Preparing", "Step ", "Sampled", "Done in")
        panel.locator(".dpskit-download").wait_for()
        scenes = panel.locator(SCENE)
        assert lab.until(page, scenes.count, 4) == 4, "two samples of methods, the truth and the spread"
        for k in range(4):
            assert_inside(lab.rests(page, scenes.nth(k)), f"result {k + 1}")
        live = show_steps(page, panel)
        last = lab.changes(page, live, start)
        assert lab.red_boxes(page) == []
        before, after = move(page, panel, "step", "Home")
        assert before != after == "1"
        first = lab.changes(page, live, last)
        move(page, panel, "step", "End")
        assert lab.changed(last, lab.changes(page, live, first)) < 0.001
    picture(page, "panel", 1300, 2600)


def test_the_panel_fits_in_light_and_dark(page, address):
    """Nothing scrolls inside, sticks out or is cut, beside the file browser and in a small window; axe finds nothing
    serious; scenes turn together; keys, the paper's rows, A | B and downloads work."""
    lab.open_notebook(page, address, "90_panel.ipynb")
    assert lab.run_all(page)
    panel = page.locator(".dpskit-panel").last
    panel.locator(SCENE).nth(1).wait_for()
    status = panel.locator(".dpskit-status")
    lab.listen(status)
    status.get_by_text("A run takes").wait_for()
    files = "window.jupyterapp.commands.execute('application:toggle-left-area')"

    def look(stage):
        for width, height, beside in ((1300, 900, True), (1000, 800, False), (880, 800, False), (620, 900, False)):
            page.set_viewport_size({"width": width, "height": height})
            if page.locator("#jp-left-stack").is_visible() != beside:
                page.evaluate(files)
            page.wait_for_timeout(1500)
            panel.evaluate("panel => panel.scrollIntoView()")
            assert lab.until(page, lambda: lab.faults_of_layout(panel), []) == [], f"{stage} at {width}"
            page.screenshot(path=PICTURES / f"{stage}_{width}x{height}.png")
            assert lab.until(page, lambda: serious(page), []) == [], stage

    look("start")
    pull = panel.get_by_role("slider", name="pull α")
    pull.focus()
    page.keyboard.press("End")
    expect(pull).to_have_attribute("aria-valuetext", "1,000,000")
    panel.get_by_label("preset").select_option("Table 1, row 2: chairs")
    expect(pull).to_have_attribute("aria-valuetext", "10,000")
    expect(panel.get_by_role("slider", name="projections")).to_have_attribute("aria-valuetext", "6")
    move(page, panel, "steps", "Home")

    before = lab.eyes(panel)
    assert len(before) == 2 and before[0] == before[1]
    panel.locator(".dpskit-figure").first.focus()
    page.keyboard.press("ArrowLeft")
    assert lab.until(page, lambda: len({str(eye) for eye in lab.eyes(panel) if eye not in before}), 1) == 1
    after = lab.eyes(panel)
    assert after[0] == after[1] != before[0], "sample and truth turn together"
    panel.locator(SCENE).first.hover()
    assert panel.locator(".modebar").count() == 0, "nothing covers the scenes"

    lab.heard(page)
    button(panel, "Run").click()
    lab.heard(page, "Step ", "Done in")
    page.evaluate(THEME, "JupyterLab Dark")
    look("results_dark")
    assert "from dpskit.experiments import" in panel.locator("code").inner_text()
    for name, file in (("samples", "samples.npz"), ("picture", "picture.png"), ("animation", "animation.gif")):
        with page.expect_download() as download:
            panel.locator(".dpskit-download button", has_text=name).click()
        assert download.value.suggested_filename == file and download.value.path().stat().st_size > 1000
    button(panel, "Keep as A").click()
    status.get_by_text("A is kept").wait_for()
    assert panel.get_by_label("target").is_disabled() and panel.get_by_label("prior").is_enabled()
    move(page, panel, "pull α", "Home")
    lab.heard(page)
    button(panel, "Run").click()
    lab.heard(page, "Step ", "Done in")
    panel.locator(SCENE).nth(2).wait_for()
    panel.get_by_text("B: pull α 0").first.wait_for()
    page.evaluate(THEME, "JupyterLab Light")
    look("a_and_b")


@pytest.mark.skipif("DPSKIT_MEASURE" not in os.environ, reason="a measurement: DPSKIT_MEASURE=1 make test-browser")
def test_how_fast_the_panel_is(page, address):
    """Prints what was measured with 512 points, two samples and 20 steps; it depends on the machine. A picture is one
    of the sample as plotly says that it has drawn it."""
    lab.open_notebook(page, address, "90_panel.ipynb")
    assert lab.run_all(page)
    panel = page.locator(".dpskit-panel").last
    panel.locator(SCENE).nth(1).wait_for()
    status = panel.locator(".dpskit-status")
    for label, key, times in (("model points", "ArrowRight", 2), ("steps", "ArrowRight", 3)):
        for _ in range(times):
            move(page, panel, label, key)
    assert "512" in panel.inner_text() and "20" in panel.inner_text()
    for run in ("first run of the kernel", "second run"):
        page.wait_for_timeout(3000)
        status.get_by_text("A run takes").or_(status.get_by_text("Done in")).first.wait_for()
        button(panel, "steps").click()  # a figure that is hidden tells nothing of what it draws
        panel.locator(SCENE).nth(1).wait_for()
        page.wait_for_timeout(2000)
        lab.watch(page, panel)
        pressed = lab.press(page, button(panel, "Run"))
        status.get_by_text("Step ").first.wait_for()
        status.get_by_text("Done in").wait_for()
        page.wait_for_timeout(2000)
        pictures = lab.noted(page, "sample")
        assert len(pictures) >= 2
        rate = (len(pictures) - 1) / (pictures[-1] - pictures[0])
        first, count = pictures[0] - pressed, len(pictures)
        print(f"\n{run}: first picture {first:.1f} s after Run; {count} pictures of 20 steps, {rate:.1f}/s")
    move(page, panel, "steps", "End")  # long enough to be stopped
    lab.press(page, button(panel, "Run"))
    status.get_by_text("Step ").first.wait_for()
    stopped = lab.press(page, button(panel, "Stop"))
    status.get_by_text("Stopped after step").wait_for()
    said = page.evaluate("performance.now() / 1000") - stopped
    print(status.inner_text())
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    print(f"stopped {said:.2f} s after Stop; load {load:.1f} on {os.cpu_count()} cores")


def test_panel_with_a_complex(page, address):
    """The molecule view appears, with everything inside, and a slider moved during the run starts it again."""
    lab.open_notebook(page, address, "90_panel.ipynb")
    assert lab.run_all(page)
    panel = page.locator(".dpskit-panel").last
    panel.locator(SCENE).first.wait_for()
    panel.get_by_label("prior").select_option("complexes")
    panel.get_by_label("target").select_option("ruvab")
    move(page, panel, "steps", "End")  # a run that lasts long enough to be caught in the middle
    page.wait_for_timeout(1500)
    lab.listen(panel.locator(".dpskit-status"))
    button(panel, "Run").click()
    lab.heard(page, "Step ")
    move(page, panel, "pull α", "ArrowRight")
    lab.heard(page, "Done in")
    assert "α 15,000" in panel.inner_text(), "the results are those of the moved slider"
    button(panel, "molecule").click()
    molecule = panel.locator(".dpskit-molecule canvas").first
    molecule.wait_for()
    page.wait_for_timeout(3000)
    assert lab.red_boxes(page) == []
    assert_inside(lab.rests(page, molecule), "the molecule")
    picture(page, "complex", 1300, 2600)
    page.evaluate(THEME, "JupyterLab Dark")
    corner = lab.rests(page, molecule)[:20, :20]
    assert corner.max() < 60, "the molecule stands on the page's own background"


def test_app(browser, tmp_path):
    """voila serves the panel alone: no code is seen, fingers move its sliders and turn its scenes, and a run ends. (Its
    console is never free of errors: it asks for fonts that lie elsewhere, and for JupyterLab extensions that it cannot
    load.)"""
    page = browser.new_page(viewport={"width": 1300, "height": 2600}, has_touch=True)
    page.set_default_timeout(300_000)
    with lab.voila(tmp_path) as address:
        page.goto(address)
        panel = page.locator(".dpskit-panel")
        panel.locator(SCENE).first.wait_for()
        assert page.get_by_text("import Panel").count() == 0
        seed = panel.get_by_role("slider", name="seed")
        expect(seed).to_have_attribute("aria-valuetext", "0")
        lab.drag_by_finger(page, seed, 80)
        expect(seed).not_to_have_attribute("aria-valuetext", "0")
        panel.locator(SCENE).nth(1).wait_for()
        before = lab.eyes(panel)
        lab.drag_by_finger(page, panel.locator(SCENE).first, 80)
        assert lab.until(page, lambda: len({str(eye) for eye in lab.eyes(panel) if eye not in before}), 1) == 1
        button(panel, "Run").click()
        panel.locator(".dpskit-status").get_by_text("Done in").wait_for()
        assert lab.until(page, panel.locator(SCENE).count, 4) == 4
        for width, high in ((1300, 200), (1920, 340)):
            picture(page, "app", width, 900)
            heights = [scene.bounding_box()["height"] for scene in panel.locator(SCENE).all()]
            assert len(heights) == 4 and min(heights) >= high, f"{heights}: the scenes use the width of {width}"
            assert lab.until(page, lambda: lab.faults_of_layout(panel), []) == []
            assert panel.evaluate("panel => panel.clientWidth") > 0.9 * width, "voila's full width"
