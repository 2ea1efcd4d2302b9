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
