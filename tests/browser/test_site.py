"""Every page of the site in a real browser, from the folder and without a network."""

import subprocess
import sys

import lab
import pytest

sync_api = pytest.importorskip(
    "playwright.sync_api", reason="the browser tests need playwright (pip install playwright)"
)
if lab.CHROMIUM is None:
    pytest.skip("the browser tests need chromium (apt-get install chromium)", allow_module_level=True)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder `site` where `make docs` has made it; else the site without the notebooks' outputs."""
    folder = lab.ROOT / "site"
    if not (folder / "index.html").exists():
        folder = tmp_path_factory.mktemp("site")
        command = [sys.executable, lab.ROOT / "docs" / "build.py", "--plain", folder]
        done = subprocess.run(command, cwd=lab.ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    return folder


def lost(request):
    """Whether a file could not be had; one that is still on its way when the next page is opened could."""
    return request.failure != "net::ERR_ABORTED"


@pytest.fixture(scope="module")
def pages(site):
    """For every page the errors of its console, what it could not load, and what axe finds serious."""
    found = {}
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=lab.CHROMIUM, args=lab.FLAGS)
        page = chromium.new_context(offline=True, viewport={"width": 1300, "height": 900}).new_page()
        page.set_default_timeout(300_000)
        errors = []
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("requestfailed", lambda request: errors.append(f"not loaded: {request.url}") if lost(request) else None)
        for path in sorted(site.rglob("*.html")):
            name = path.relative_to(site).as_posix()
            if not name.startswith(("_modules", "_static")):
                page.goto(path.as_uri())
                found[name] = [*errors], [each for each in lab.findings(page) if each[0] in ("serious", "critical")]
                errors.clear()
        chromium.close()
    print(f"\n{len(found)} pages")
    return found


def test_no_page_has_an_error_in_its_console(pages):
    assert len(pages) > 50
    assert {name: errors for name, (errors, _) in pages.items() if errors} == {}


def test_axe_finds_nothing_serious(pages):
    assert {name: serious for name, (_, serious) in pages.items() if serious} == {}
