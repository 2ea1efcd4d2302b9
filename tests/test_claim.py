"""Outputs are tried before a run, and two runs do not share one."""

import os
import subprocess
import sys

import pytest

from dpskit.claim import claim
from dpskit.files import replacing


@pytest.mark.parametrize("folder", [False, True])
def test_what_a_claim_made_is_gone_unless_something_was_written(tmp_path, folder):
    out = tmp_path / "new" / "deep" / "a"
    with claim(out, 1000, folder=folder) as path:
        assert path == out and out.parent.is_dir()
    assert list(tmp_path.iterdir()) == []
    with claim(out, folder=folder) as path:
        (path / "x" if folder else path).write_text("kept")
    assert [p.name for p in sorted(tmp_path.rglob("*")) if p.is_file()] == ["x" if folder else "a"]
    with pytest.raises(RuntimeError), claim(tmp_path / "other" / "b"):
        raise RuntimeError
    assert not (tmp_path / "other").exists()


def test_places_that_cannot_be_written(tmp_path, one_sentence):
    (tmp_path / "file").write_text("x")
    with one_sentence(FileExistsError, "out must be a folder", "is a file"), claim(tmp_path / "file", folder=True):
        pass
    with one_sentence(FileExistsError, "out must be a file", "is a folder"), claim(tmp_path):
        pass
    for folder in (True, False):
        with one_sentence(NotADirectoryError, "file/sub"), claim(tmp_path / "file" / "sub" / "a", folder=folder):
            pass
    with one_sentence(ValueError, "out must be a path", "255 bytes"), claim(tmp_path / ("x" * 300) / "a"):
        pass
    with one_sentence(OSError, "out must be", "/proc/none"), claim("/proc/none/a"):
        pass
    with one_sentence(OSError, "record must be", "no space left"), claim(tmp_path / "big", 1 << 60, name="record"):
        pass
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_what_is_no_place(tmp_path, one_sentence):
    """A device would be replaced by a file (by root, /dev/null), a pipe too; nobody has the home of no user."""
    os.mkfifo(tmp_path / "pipe")
    for action in (lambda path: claim(path).__enter__(), lambda path: claim(path, folder=True).__enter__()):
        with one_sentence(FileExistsError, "out must be a", "pipe", "is a device"):
            action(tmp_path / "pipe")
    with one_sentence(FileExistsError, "path must be a file", "pipe"), replacing(tmp_path / "pipe"):
        pass
    assert (tmp_path / "pipe").is_fifo()
    for bad, error in {"a\0b": ValueError, None: TypeError, b"a": TypeError}.items():
        with one_sentence(error, "out must be a path"), claim(bad):
            pass


def test_links_are_followed(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "far" / "a")
    with claim(tmp_path / "link") as path, replacing(tmp_path / "link") as part:
        assert path == tmp_path / "far" / "a"
        part.write_text("kept")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "far" / "a").read_text() == "kept"


def test_a_user_who_is_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with claim("~no-such-user/a") as path:
        assert path.parent.is_dir()


def test_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with claim("~/a.npz") as path:
        assert path == tmp_path / "a.npz"


@pytest.mark.parametrize("folder", [False, True])
def test_a_second_run_is_told_of_the_first(tmp_path, one_sentence, folder):
    """And a killed one holds nothing."""
    code = (
        "import sys, time; from dpskit.claim import claim\n"
        f"with claim(sys.argv[1], folder={folder}): print('held', flush=True); time.sleep(60)"
    )
    out = tmp_path / "a"
    first = subprocess.Popen([sys.executable, "-c", code, out], stdout=subprocess.PIPE, env=os.environ)
    assert first.stdout.readline() == b"held\n"
    with one_sentence(BlockingIOError, "out", "another run writes to", out), claim(out, folder=folder):
        pass
    with claim(tmp_path / "b", folder=folder):
        pass
    first.kill()
    first.wait()
    with claim(out, folder=folder):
        pass
    assert list(tmp_path.rglob("*")) == ([out] if folder else [])
