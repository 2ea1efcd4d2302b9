import os
import platform
import subprocess
import sys

import pytest

from dpskit.files import replacing


def test_replacing_takes_the_place_of_the_target(tmp_path):
    path = tmp_path / "new" / "folder" / "a.txt"
    for text in ["first", "second"]:
        with replacing(path) as temporary:
            assert temporary.parent == path.parent and temporary != path
            temporary.write_text(text)
        assert path.read_text() == text
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_replacing_leaves_the_old_file_and_nothing_else_on_failure(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write():
        with replacing(path) as temporary:
            temporary.write_text("half")
            assert path.read_text() == "old"
            raise error

    with pytest.raises(error):
        write()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_replacing_without_a_file_to_begin_with(tmp_path):
    def write():
        with replacing(tmp_path / "a.txt"):
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        write()
    assert list(tmp_path.iterdir()) == []


def test_what_killed_processes_left_is_removed(tmp_path):
    """Of this machine, and no other's; not of processes that live."""
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    node, number = platform.node(), dead.stdout.strip()
    stale, foreign = tmp_path / f".{number}@{node}.b.txt", tmp_path / f".{number}@elsewhere.b.txt"
    own, alive = tmp_path / f".{os.getpid()}@{node}.c.txt", tmp_path / ".1@x.y"
    for path in (stale, foreign, own, alive):
        path.write_text("part")
    with replacing(tmp_path / "a.txt") as temporary:
        temporary.write_text("whole")
    assert not stale.exists() and foreign.exists() and own.exists() and alive.exists()


def test_a_process_that_is_killed_leaves_the_file_before(tmp_path):
    code = (
        "import os, signal, sys; from dpskit.files import replacing\n"
        "with replacing(sys.argv[1]) as part:\n"
        "    part.write_text('half'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    target = tmp_path / "a.txt"
    target.write_text("before")
    assert subprocess.run([sys.executable, "-c", code, target]).returncode == -9
    assert target.read_text() == "before" and len(list(tmp_path.iterdir())) == 2
    with replacing(target) as part:
        part.write_text("after")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["after"]


def test_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with replacing("~/sub/a.txt") as part:
        part.write_text("x")
    assert (tmp_path / "sub" / "a.txt").read_text() == "x"
