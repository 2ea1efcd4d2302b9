"""environment.yml installs what pyproject.toml says, and Binder finds its script."""

import os
import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]


def test_the_conda_environment_is_that_of_the_project():
    content = yaml.safe_load((ROOT / "environment.yml").read_text())
    names = [entry for entry in content["dependencies"] if isinstance(entry, str)]
    (pip,) = [entry["pip"] for entry in content["dependencies"] if isinstance(entry, dict)]
    assert "pip" in names and any(name.startswith("python=3.1") for name in names)
    for name in names:
        assert re.fullmatch(r"[a-z][a-z0-9-]*(=\d+(\.\d+)*)?", name), f"{name} is no name of a conda package"
    assert pip == ["-c constraints.txt", "-e .[dev]"] and (ROOT / "constraints.txt").is_file()


def test_the_script_of_binder_can_run():
    script = ROOT / "postBuild"
    assert os.access(script, os.X_OK) and script.read_text().startswith("#!/bin/sh\n")
    code = script.read_text().split('-c "')[1].rsplit('"', 1)[0]
    exec(compile(code, "postBuild", "exec"), {})
