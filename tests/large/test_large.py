"""A part of `make large` in every test run: files that took seconds and gigabytes before they were counted."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("large.py")


@pytest.mark.parametrize(("edit", "status"), [("", 0), ("large.MEMORY = 1 << 20; ", 1)])
def test_the_worst_files_are_answered_soon_and_in_little_memory(edit, status):
    code = f"import sys; sys.path.insert(0, {str(SCRIPT.parent)!r}); import large; {edit}"
    code += "sys.exit(large.main(['semicolons.cif', 'entities.cif', 'lists.bcif']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ)
    assert done.returncode == status, done.stdout + done.stderr
    assert done.stdout.count("cannot be read" if status == 0 else "! ") >= 2, done.stdout
