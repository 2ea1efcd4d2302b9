

@pytest.mark.parametrize("limit", ["ROWS", "MAX_CLIPPED"])
def test_meshes_of_many_faces(tmp_path, monkeypatch, limit):
    """Of twenty faces with a dent."""
    path = tmp_path / "a.off"
    path.write_text("OFF\n5 20 0\n0 0 0\n2 0 0\n2 2 0\n1 0.5 0\n0 2 0\n" + "5 0 1 2 3 4\n" * 20)
    assert len(read_points(path, 10)) == 10
    monkeypatch.setattr(unpacked, "ROW_BYTES", 10**9)
    monkeypatch.setattr(unpacked if limit == "ROWS" else meshes, limit, 19)
    with pytest.raises(TooMuch, match="at most 19"):
        read_points(path)
