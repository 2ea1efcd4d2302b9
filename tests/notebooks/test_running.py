"""How notebooks are run: errors in threads fail, and pages are measured."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "notebooks"))
import run as runner  # noqa: E402

THREAD = "import threading\nthread = threading.Thread(target={})\nthread.start()\nthread.join()"


def write(path, *cells):
    parts = [nbformat.v4.new_markdown_cell("# A small one"), *map(nbformat.v4.new_code_cell, cells)]
    nbformat.write(nbformat.v4.new_notebook(cells=parts), path)
    return path


@pytest.mark.parametrize(("target", "code"), [("lambda: 1 / 0", 1), ("lambda: 1", 0)])
def test_nbval_sees_errors_in_threads(tmp_path, target, code):
    path = write(tmp_path / "thread.ipynb", THREAD.format(target))
    command = [sys.executable, "-m", "pytest", "-p", "conftest", "--nbval-lax", "--nbval-current-env", str(path)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == code, done.stdout
    assert ("ZeroDivisionError" in done.stdout) == (code == 1)


def test_a_page_is_written_and_measured(tmp_path):
    path = write(
        tmp_path / "07_small.ipynb", "import time\ntime.sleep(1)\nblock = bytearray(200_000_000)\nprint('seen')"
    )
    page = runner.run(path, tmp_path / "out")
    assert page.title == "A small one" and page.seconds > 1 and page.cpu_seconds > 0 and 0.2 < page.gigabytes < 1
    text = page.path.read_text()
    assert "seen" in text and "_threading" not in text
    assert page.row().startswith("| 07_small |") and page.row().count("|") == runner.HEAD.splitlines()[0].count("|")


def test_running_sees_errors_in_threads(tmp_path):
    path = write(tmp_path / "thread.ipynb", THREAD.format("lambda: 1 / 0"))
    with pytest.raises(Exception, match="an error in a thread"):
        runner.run(path, tmp_path / "out")
    assert not (tmp_path / "out" / "thread.html").exists()
