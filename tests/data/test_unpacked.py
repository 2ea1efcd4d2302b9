"""What a file of some size may hold: every door refuses more with one sentence, before it fills the memory."""

import bz2
import gzip
import struct

import numpy as np
import pytest

import dpskit
from dpskit import arrays
from dpskit.data import meshes, poses, unpacked
from dpskit.data.atomic import binary_cif, table
from dpskit.data.cloud_files import read_points
from dpskit.data.packed import read_packed
from dpskit.data.unpacked import TooMuch, check_lines, is_packed, most_rows, read_unpacked

HEAD = b"data_x\nloop_\n" + b"".join(
    b"_atom_site.%s\n" % tag for tag in (b"label_atom_id", b"label_comp_id", b"label_asym_id", b"Cartn_x", b"Cartn_y",
                                         b"Cartn_z")
)  # fmt: skip


@pytest.mark.parametrize("pack", [lambda content: content, gzip.compress, bz2.compress])
def test_files_are_unpacked_by_what_they_begin_with(tmp_path, pack, one_sentence):
    path = tmp_path / "a.anything"
    path.write_bytes(pack(b"word " * 1000))
    assert is_packed(path) == (pack(b"") != b"")
    assert read_unpacked(path, 5000) == b"word " * 1000
    with one_sentence(ValueError, path, "at most 0 MB"):
        read_unpacked(path, 4999)


def test_a_packed_file_that_is_cut_off(tmp_path, one_sentence):
    path = tmp_path / "a"
    path.write_bytes(gzip.compress(np.random.default_rng(0).bytes(5000))[:2000])
    with one_sentence(ValueError, path, "truncated or damaged"):
        read_unpacked(path, 10_000)


def test_rows_and_lines_grow_with_the_file():
    assert most_rows(0) == most_rows(20_000_000) == 1_250_000
    assert most_rows(1 << 30) == 1 << 26
    check_lines(b"\n" * 5_000_000, 0)
    with pytest.raises(TooMuch, match="5,000,000 lines"):
        check_lines(b"\n" * 5_000_001, 0)
    with pytest.raises(TooMuch, match="5,000,000 lines"):
        check_lines(b"\r" * 5_000_001, 0)


@pytest.mark.parametrize("name", ["a.cif", "a.cif.gz", "a.pdb", "a.pdb.gz"])
@pytest.mark.parametrize("limit", ["ROWS", "LINES_A_ROW"])
def test_structures_with_too_many_atoms_or_lines(tmp_path, monkeypatch, one_sentence, name, limit):
    row = b"ATOM      1  CA  ALA A   1       0.000   0.000   0.000\n"
    content = HEAD + b"CA ALA A 0 0 0\n" * 30 if "cif" in name else row * 30
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    assert len(dpskit.read_structure(path).atoms) > 0
    monkeypatch.setattr(unpacked, "ROWS", 29 if limit == "ROWS" else 8)
    monkeypatch.setattr(unpacked, "ROW_BYTES", 10**9)
    word = "at most 29 atoms" if limit == "ROWS" else "at most 16 lines"
    monkeypatch.setattr(unpacked, "LINES_A_ROW", 2)
    with one_sentence(ValueError, path, word):
        dpskit.read_structure(path)


def test_columns_of_ever_new_texts(tmp_path, monkeypatch, one_sentence):
    path = tmp_path / "a.cif"
    path.write_bytes(HEAD + b"".join(b"CA ALA A%d 0 0 0\n" % k for k in range(30)))
    monkeypatch.setattr(table, "MAX_DISTINCT", 30)
    assert len(dpskit.read_structure(path).atoms) == 30
    monkeypatch.setattr(table, "MAX_DISTINCT", 29)
    with one_sentence(ValueError, path, "29 different texts"):
        dpskit.read_structure(path)


def test_binary_cif_of_nothing_but_lists(tmp_path, monkeypatch, one_sentence):
    path = tmp_path / "a.bcif"
    path.write_bytes(b"\xdc" + struct.pack(">H", 1000) + b"\x90" * 1000)
    monkeypatch.setattr(binary_cif, "MAX_PARTS", 500)
    with one_sentence(ValueError, path):
        dpskit.read_structure(path)
    path.write_bytes(b"\xdc" + struct.pack(">H", 400) + b"\x91\xc0" * 400)
    with one_sentence(ValueError, path, "at most 500 parts"):
        dpskit.read_structure(path)


def test_star_files_of_many_values_or_particles(tmp_path, monkeypatch, one_sentence):
    path = tmp_path / "a.star"
    path.write_text("data_particles\nloop_\n_rlnAngleRot\n_rlnAngleTilt\n_rlnAnglePsi\n" + "0 0 0\n" * 40)
    assert len(dpskit.read_poses(path).rotations) == 40
    monkeypatch.setattr(poses, "MAX_VALUES", 100)
    monkeypatch.setattr(poses, "VALUE_BYTES", 10**9)
    with one_sentence(ValueError, path, "at most 100 values"):
        dpskit.read_poses(path)
    monkeypatch.setattr(poses, "MAX_VALUES", 1000)
    monkeypatch.setattr(unpacked, "ROWS", 39)
    monkeypatch.setattr(unpacked, "ROW_BYTES", 10**9)
    with one_sentence(ValueError, path, "at most 39 particles"):
        dpskit.read_poses(path)


def test_maps_are_counted_in_single_precision(tmp_path, one_sentence):
    """140 MB of bytes would take four times as much."""
    import mrcfile

    path = tmp_path / "a.mrc"
    mrcfile.write(path, np.ones((35, 1000, 1000), np.int8), voxel_size=1.0)
    packed = path.with_suffix(".mrc.gz")
    packed.write_bytes(gzip.compress(path.read_bytes(), 1) + bytes(1 << 20))
    with one_sentence(ValueError, packed, "at most 128 MB", "unpack the file first"):
        dpskit.read_map(packed)


def test_a_mask_packs_to_a_hundredth(tmp_path):
    import mrcfile

    values = np.zeros((64, 64, 64), np.float32)
    values[20:40, 20:40, 20:40] = 1
    mrcfile.write(tmp_path / "mask.mrc", values, voxel_size=1.0)
    packed = tmp_path / "mask.mrc.gz"
    packed.write_bytes(gzip.compress((tmp_path / "mask.mrc").read_bytes()))
    assert packed.stat().st_size < values.nbytes / 100
    assert np.array_equal(dpskit.read_map(packed).values, values)


def test_arrays_are_counted_as_they_are_used(tmp_path, monkeypatch, one_sentence):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, points=np.ones((1000, 3), np.uint8), name=np.full(3, b"x" * 1000))
    with arrays.open_npz(path) as file:
        assert sorted(file) == ["name", "points"]
        assert file["points"].sum() == 3000
        assert "x" not in file
    for name, value in (("ALWAYS", 23_999), ("MAX_RATIO", 0)):  # 12,000 of each
        monkeypatch.setattr(arrays, name, value)
    with pytest.raises(ValueError, match="at most 0 MB of arrays"), arrays.open_npz(path):
        pass
    monkeypatch.setattr(arrays, "ALWAYS", 24_000)
    with arrays.open_npz(path):
        pass
    monkeypatch.setattr(arrays, "MAX_ARRAYS", 1)
    with pytest.raises(ValueError, match="at most 1 arrays"), arrays.open_npz(path):
        pass


def test_texts_of_very_many_lines(tmp_path, monkeypatch):
    path = tmp_path / "a.xyz"
    path.write_text("0 0 0\n" * 50)
    monkeypatch.setattr(unpacked, "ROWS", 10)
    monkeypatch.setattr(unpacked, "ROW_BYTES", 10**9)
    with pytest.raises(ValueError, match="at most 40 lines"):
        read_points(path)


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


def test_packed_clouds_are_counted(tmp_path, monkeypatch, one_sentence):
    path = tmp_path / "a.npz"
    np.savez(path, points=np.zeros((20, 1, 3), np.uint8))
    assert len(read_packed(path).points) == 20
    monkeypatch.setattr(unpacked, "ROWS", 19)
    monkeypatch.setattr(unpacked, "ROW_BYTES", 10**9)
    with one_sentence(ValueError, "data", "at most 19 clouds, got 20"):
        read_packed(path)


def test_ply_files_of_many_lines(tmp_path, monkeypatch):
    path = tmp_path / "a.ply"
    head = "ply\nformat ascii 1.0\nelement vertex 20\n" + "".join(f"property float {axis}\n" for axis in "xyz")
    path.write_text(head + "end_header\n" + "0 0 1\n" * 20)
    assert len(read_points(path)) == 20
    monkeypatch.setattr(unpacked, "ROWS", 19)
    monkeypatch.setattr(unpacked, "ROW_BYTES", 10**9)
    with pytest.raises(TooMuch, match="at most 19 elements as text, got 20"):
        read_points(path)
