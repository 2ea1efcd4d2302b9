"""Nothing that is printed ends a run, and what a run made is there whatever happens afterwards."""

import os
import subprocess
import sys

import numpy as np
import pytest

import dpskit
from dpskit.data.packed import read_packed

RUVAB = dpskit.load_example("ruvab").structure_path
FEW = [
    "--n-samples",
    "2",
    "--n-points",
    "32",
    "--n-steps",
    "3",
    "--views",
    "2",
    "--view-points",
    "30",
    "--resolution",
    "25",
]


def shell(command, tmp_path, **environment):
    """Run `dpskit` as $DPSKIT in a shell, and return the process's result."""
    inherited = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "DPSKIT": f"{sys.executable} -m dpskit"}
    return subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, env=os.environ | inherited | environment, capture_output=True, text=True
    )


RESULTS = {"observations.toml", "samples.npz", "samples.cif", "samples_mean.mrc", "samples_spread.mrc"}


@pytest.mark.parametrize(
    ("after", "environment"),
    [
        ("", {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"}),
        (">&- 2>&-", {"COLUMNS": "0"}),
    ],
)
def test_reconstructions_are_there_whatever_the_terminal_lacks(tmp_path, after, environment):
    done = shell(f"$DPSKIT reconstruct {RUVAB} {' '.join(FEW)} --out r {after}", tmp_path, **environment)
    assert done.returncode == 0 and "Traceback" not in done.stderr
    assert {path.name for path in (tmp_path / "r").iterdir()} >= RESULTS
    if not after:
        assert "samples: RMSD" in done.stdout and " ? " in done.stdout and "angstrom" in done.stdout


@pytest.mark.parametrize(
    "after", ["2>&-", ">&- 2>&-", "| true", "2>&1 | head -c 1 > /dev/null", "> /dev/full 2> /dev/full"]
)
def test_no_stream_ends_a_run(tmp_path, after):
    np.savez(tmp_path / "clouds.npz", points=np.random.default_rng(0).normal(size=(3, 20, 3)))
    done = shell(f"$DPSKIT data clouds.npz --out p.npz {after}; echo ${{PIPESTATUS[0]}} > status", tmp_path)
    assert (tmp_path / "status").read_text().strip() == "0", done.stderr
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr
    assert len(read_packed(tmp_path / "p.npz").points) == 3


def test_a_failed_score_leaves_the_samples(tmp_path, monkeypatch, capsys):
    from dpskit.cli import main
    from dpskit.experiments import known_structure

    def fail(*_):
        raise RuntimeError("no score")

    monkeypatch.setattr(known_structure, "deviation", fail)
    assert main(["reconstruct", str(RUVAB), *FEW, "--out", str(tmp_path / "r")]) == 0
    assert {path.name for path in (tmp_path / "r").iterdir()} >= RESULTS
    assert "saved, but could not be scored (no score)" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["sample", "reconstruct", "data"])
def test_outputs_are_tried_first(command, tmp_path, capsys, monkeypatch):
    """Before anything is computed, and nothing is left behind."""
    from dpskit import sampling
    from dpskit.cli import main
    from dpskit.data import shapes

    def never(*_, **__):
        raise AssertionError("work before the output was tried")

    monkeypatch.setattr(sampling.sample, "iterate", never)
    monkeypatch.setattr(shapes, "read_clouds", never)
    (tmp_path / "afile").write_text("x")
    (tmp_path / "folder").mkdir()
    (tmp_path / "x.npz").write_bytes(b"x")
    arguments = {
        "sample": ["sample", "chairs", "--n-samples", "2"],
        "reconstruct": ["reconstruct", str(RUVAB), *FEW],
        "data": ["data", str(tmp_path)],
    }[command]
    for out in ("afile/sub", "afile" if command == "reconstruct" else "folder"):
        assert main([*arguments, "--out", str(tmp_path / out)]) == 2
        error = capsys.readouterr().err.strip()
        assert error.startswith("dpskit: out must be") and out in error and "\n" not in error
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["afile", "folder", "x.npz"]


def test_an_interruption_is_one_line(monkeypatch, capsys, tmp_path):
    from dpskit.cli import main
    from dpskit.commands import sample

    def interrupted(_):
        raise KeyboardInterrupt

    for error, status, words in [
        (KeyboardInterrupt, 130, "interrupted"),
        (MemoryError, 2, "memory"),
        (PermissionError(13, "Permission denied", "a/b"), 2, "permission denied (a/b)"),
        (OSError(28, "No space left on device"), 2, "no space left"),
        (RecursionError, 2, "deeply"),
    ]:

        def fail(_, error=error):
            raise error

        monkeypatch.setattr(sample, "run", fail)
        assert main(["sample", "chairs", "--out", str(tmp_path / "a.npz")]) == status
        shown = capsys.readouterr().err
        assert shown.startswith("dpskit: ") and words in shown and shown.count("\n") == 1
