"""Outputs of the benchmarks are tried before anything else, and no two runs share one."""

import pytest

from dpskit.claim import claim
from dpskit.cli import main

TARGETS = ["--targets", "missing.npz"]
COMMANDS = {
    "table1": ([*TARGETS], "out"),
    "table2": ([*TARGETS], "out"),
    "figure1": ([*TARGETS], "out"),
    "figure6": ([*TARGETS], "out"),
    "a4": (["missing.cif"], "out"),
    "figure2": (["missing.cif"], "out"),
    "paper": (["--results", "missing"], "out"),
    "runtime": (["--prior", "shapes"], "out"),
    "calibration": (["--prior", "shapes"], "folder"),
    "table3": (["shapes", "--train", "missing.npz", "--test", "missing.npz"], "record"),
}


@pytest.mark.parametrize("what", COMMANDS)
def test_outputs_come_first(tmp_path, monkeypatch, capsys, what):
    """A file in place of a folder (table3: the other way round), a run that holds it, and a place that is no place."""
    monkeypatch.chdir(tmp_path)
    arguments, option = COMMANDS[what]
    folder = what != "table3"
    out = tmp_path / "out"
    command = ["benchmark", what, *arguments, f"--{option}"]
    out.touch() if folder else out.mkdir()
    assert main([*command, str(out)]) == 2
    assert f"dpskit: {option} must be a {'folder' if folder else 'file'}, but " in capsys.readouterr().err
    out.unlink() if folder else out.rmdir()
    with claim(out, folder=folder):
        assert main([*command, str(out)]) == 2
        assert f"dpskit: {option} must not be in use, but another run writes to" in capsys.readouterr().err
    assert main([*command, "/proc/none/a"]) == 2
    assert f"dpskit: {option} must be a place that can be written, but" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
