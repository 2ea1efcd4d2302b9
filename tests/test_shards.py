import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dpskit.shards import load_tensors, save_tensors


@settings(max_examples=30, deadline=None)
@given(sizes=st.lists(st.integers(0, 50), min_size=1, max_size=12), limit=st.none() | st.integers(1, 300))
def test_round_trip(tmp_path_factory, sizes, limit):
    path = tmp_path_factory.mktemp("shards") / "a.safetensors"
    tensors = {f"t{k}": torch.arange(size) + 100.0 * k for k, size in enumerate(sizes)}
    files = save_tensors(tensors, {"step": "3"}, path, limit)
    assert sorted(path.parent.iterdir()) == sorted(files)
    found, metadata = load_tensors(path)
    assert metadata == {"step": "3"}
    assert found.keys() == tensors.keys() and all(torch.equal(found[key], tensors[key]) for key in tensors)
    if limit is None:
        assert files == [path]
    else:  # as few files as filling one after the other takes
        count, room = 1, limit
        for k, size in enumerate(sizes):
            if 4 * size > room and k and room < limit:
                count, room = count + 1, limit
            room -= 4 * size
        assert len(files) == count or 0 in sizes


def test_a_second_save_replaces_the_first(tmp_path):
    path, tensors = tmp_path / "a.safetensors", {"a": torch.ones(10), "b": torch.zeros(10)}
    (tmp_path / "a-1-of-9.txt").write_text("mine")
    for limit, count in [(40, 2), (None, 1), (40, 2)]:
        assert len(save_tensors(tensors, {}, path, limit)) == count
        assert len(list(tmp_path.glob("*.safetensors"))) == count
    assert (tmp_path / "a-1-of-9.txt").exists()


def test_incomplete_and_mixed_shards(one_sentence, tmp_path):
    path, tensors = tmp_path / "a.safetensors", {"a": torch.ones(10), "b": torch.zeros(10)}
    with one_sentence(FileNotFoundError, "prior", path):
        load_tensors(path, "prior")
    _, second = save_tensors(tensors, {"step": "1"}, path, 40)
    content = second.read_bytes()
    second.unlink()
    with one_sentence(ValueError, "path", path, "incomplete"):
        load_tensors(path)
    second.write_bytes(content[:-1])
    with one_sentence(ValueError, "path", second):
        load_tensors(path)
    save_tensors(tensors, {"step": "2"}, path, 40)
    second.write_bytes(content)
    with one_sentence(ValueError, "mixed"):
        load_tensors(path)


def test_the_parent_folder_is_made(tmp_path):
    path = tmp_path / "new" / "a.safetensors"
    save_tensors({"a": torch.ones(2)}, {}, path)
    assert torch.equal(load_tensors(path)[0]["a"], torch.ones(2))
    with pytest.raises(FileNotFoundError):
        load_tensors(tmp_path / "none" / "a.safetensors")
