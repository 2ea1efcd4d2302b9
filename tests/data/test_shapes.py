import json
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dpskit import load_example
from dpskit.cli import main
from dpskit.data import shapes
from dpskit.data.cloud_files import read_points
from dpskit.data.packed import NamedCloud, pack_clouds, read_packed
from dpskit.data.shapes import read_clouds


def box(height):
    """The lines of an OFF file after the word OFF: 1 x 1 x height, six squares."""
    corners = "".join(f"{x} {y} {z}\n" for x in (0, 1) for y in (0, 1) for z in (0, height))
    return "8 6 0\n" + corners + "4 0 1 3 2\n4 4 6 7 5\n4 0 4 5 1\n4 2 3 7 6\n4 0 2 6 4\n4 1 5 7 3\n"


CUBE = box(1)


def table(m, seed=0, columns=3):
    rows = np.random.default_rng(seed).normal(size=(m, columns)).round(5)
    return rows, "".join(" ".join(f"{v:.5f}" for v in row) + "\n" for row in rows)


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def split_lists(root, **splits):
    for split, keys in splits.items():
        text = json.dumps([f"shape_data/{key}" for key in keys])
        write(root / "train_test_split" / f"shuffled_{split}_file_list.json", text)
    write(root / "synsetoffset2category.txt", "Chair\t03001627\nTable\t04379243\n")


@pytest.fixture
def normal_layout(tmp_path):
    """synset/id.txt with x y z nx ny nz label; one of the split's files is missing, one file is in two splits."""
    root = tmp_path / "partanno_v0_normal"
    split_lists(root, train=["03001627/a", "03001627/a", "03001627/gone"], test=["04379243/c", "03001627/a"])
    for key, m in {"03001627/a": 30, "03001627/b": 20, "04379243/c": 10}.items():
        write(root / f"{key}.txt", table(m, m, columns=7)[1])
    return root


def test_shapenet_with_normals(normal_layout):
    with pytest.warns(UserWarning, match=r"^3 clouds were read.*skipped 1 of 4: 03001627/gone \(there is no such") as w:
        clouds = read_clouds(normal_layout, progress=False)
    assert len(w) == 1
    assert [(c.name, c.category, c.split, len(c.points)) for c in clouds] == [
        ("03001627/a", "Chair", "train", 30),
        ("03001627/b", "Chair", "", 20),
        ("04379243/c", "Table", "test", 10),
    ]
    assert np.allclose(clouds[0].points, table(30, 30, columns=7)[0][:, :3], atol=1e-6)


def test_a_split_keeps_what_its_list_names(normal_layout):
    clouds = read_clouds(normal_layout, split="test", progress=False)
    assert [(c.name, c.split) for c in clouds] == [("03001627/a", "test"), ("04379243/c", "test")]
    tables = read_clouds(normal_layout.parent, category="table", progress=False)  # the folder above it will do
    assert [c.name for c in tables] == ["04379243/c"]


def test_shapenet_points_layout(tmp_path):
    split_lists(tmp_path, train=["04379243/t"], val=["03001627/u"])
    write(tmp_path / "04379243" / "points" / "t.pts", table(12, 1)[1])
    write(tmp_path / "04379243" / "points_label" / "t.seg", "1\n" * 12)
    write(tmp_path / "03001627" / "points" / "u.pts", table(9, 2)[1])
    clouds = read_clouds(tmp_path, progress=False)
    assert [(c.category, c.split, len(c.points)) for c in clouds] == [("Chair", "val", 9), ("Table", "train", 12)]


@pytest.mark.parametrize("head", ["OFF\n", "OFF", "OFF\n# a comment\n", "\nOFF "])
def test_a_mesh_is_sampled_by_area(tmp_path, head):
    """A box of 1 x 1 x 3: its four long sides hold 12 of 14 parts of the area."""
    path = write(tmp_path / "box.off", head + box(3))
    (cloud,) = read_clouds(path, n_points=7000, progress=False)
    x, _, z = cloud.points.T
    assert cloud.points.shape == (7000, 3)
    assert bool((cloud.points.amin(dim=0) >= 0).all()) and cloud.points.amax(dim=0).tolist() == pytest.approx([1, 1, 3])
    ends = int(((z < 1e-6) | (z > 3 - 1e-6)).sum())
    assert abs(ends - 1000) < 4 * (7000 * (1 / 7) * (6 / 7)) ** 0.5
    side = z[(x < 1e-6) & (z > 0) & (z < 3)]
    assert abs(float(side.mean()) - 1.5) < 4 * (9 / 12 / len(side)) ** 0.5
    again = read_clouds(path, n_points=7000, progress=False)[0].points
    assert torch.equal(again, cloud.points)
    assert not torch.equal(read_clouds(path, n_points=7000, seed=1, progress=False)[0].points, cloud.points)


def test_modelnet_folders(tmp_path):
    for name in ("chair/train/chair_0001", "chair/test/chair_0002", "night_stand/train/night_stand_0001"):
        write(tmp_path / f"{name}.off", "OFF" + CUBE)
    write(tmp_path / "README.md", "not a cloud")
    clouds = read_clouds(tmp_path, split="train", n_points=5, progress=False)
    assert [(c.name, c.category, c.split) for c in clouds] == [
        ("chair/train/chair_0001", "chair", "train"),
        ("night_stand/train/night_stand_0001", "night_stand", "train"),
    ]
    assert not torch.equal(clouds[0].points, clouds[1].points)  # the same mesh, but each draws for itself


def ply(points, binary):
    kind = "binary_little_endian" if binary else "ascii"
    head = f"ply\nformat {kind} 1.0\nelement vertex {len(points)}\n"
    head += "".join(f"property float {axis}\n" for axis in "xyz") + "end_header\n"
    rows = points.astype("<f4").tobytes() if binary else "".join("{} {} {}\n".format(*p) for p in points).encode()
    return head.encode() + rows


def test_a_folder_of_all_kinds(tmp_path):
    points = table(15)[0].astype(np.float32)
    np.save(tmp_path / "a.npy", points)
    np.savez(tmp_path / "b.npz", points=points)
    np.savez(tmp_path / "c.npz", points=np.stack([points, points + 1]), name=np.array(["one", "two"]))
    write(tmp_path / "d.ply", ply(points, binary=True))
    write(tmp_path / "e.PLY", ply(points, binary=False))
    write(tmp_path / "sub" / "f.xyz", table(15)[1])
    clouds = read_clouds(tmp_path, progress=False)
    assert [c.name for c in clouds] == ["a", "b", "one", "two", "d", "e", "sub/f"]
    assert [c.category for c in clouds] == [""] * 6 + ["sub"]
    for cloud in clouds:
        assert np.allclose(cloud.points - float(cloud.name == "two"), points, atol=1e-6), cloud.name
    assert len(read_clouds([tmp_path / "a.npy", tmp_path / "c.npz"], progress=False)) == 3


def test_an_npz_of_named_clouds(one_sentence, tmp_path):
    one, two = np.random.default_rng(0).normal(size=(2, 7, 3))
    (tmp_path / "chair" / "test").mkdir(parents=True)
    np.savez(tmp_path / "chair" / "test" / "all.npz", one=one, two=two)
    clouds = read_clouds(tmp_path, progress=False)
    assert [(c.name, c.category, c.split) for c in clouds] == [
        ("chair/test/all/one", "chair", "test"),
        ("chair/test/all/two", "chair", "test"),
    ]
    assert all(np.allclose(c.points, points) for c, points in zip(clouds, (one, two), strict=True))
    np.savez(tmp_path / "other.npz", one=one, names=np.arange(4))
    with one_sentence(ValueError, "source", "other.npz", "names: (4,)"):
        read_clouds(tmp_path / "other.npz", progress=False)


def test_what_cannot_be_read_is_named_and_counted(tmp_path):
    points = table(15)[0].astype(np.float32)
    np.save(tmp_path / "good.npy", points)
    np.save(tmp_path / "flat.npy", points[:, :2])
    np.save(tmp_path / "pickle.npy", np.array([{}], dtype=object))
    np.save(tmp_path / "place.npy", np.ones((5, 3)))
    np.save(tmp_path / "empty.npy", np.zeros((0, 3)))
    packed = np.stack([points, points])
    packed[1, 3, 2] = np.nan
    np.savez(tmp_path / "two.npz", points=packed)
    broken = {
        "cut.off": ("OFF" + CUBE)[:-20],
        "cut2.off": ("OFF" + CUBE)[:60],
        "line.off": "OFF\n3 1 0\n0 0 0\n1 0 0\n2 0 0\n3 0 1 2\n",  # no area
        "corner.off": ("OFF" + CUBE)[:-3],
        "index.off": ("OFF" + CUBE).replace("1 5 7 3", "1 5 8 3"),
        "zero.ply": "",
        "cut.ply": ply(points, binary=True)[:-5],
        "cut2.ply": ply(points, binary=False)[:-60],
        "ragged.xyz": "0 0 0\n1 1\n",
        "words.txt": "read me\n",
        "cut.npz": (tmp_path / "two.npz").read_bytes()[:200],
        "bad.cif": "data_x\n",
    }
    for name, content in broken.items():
        write(tmp_path / name, content)
    with pytest.warns(UserWarning, match="2 clouds were read") as caught:
        clouds = read_clouds(tmp_path, progress=False)
    assert [c.name for c in clouds] == ["good", "two_00000"]
    message = str(caught[0].message)
    for name in [*broken, "flat.npy", "pickle.npy", "empty", "two_00001"]:
        assert f"{name} (" in message, name
    assert f"skipped {len(broken) + 5} of {len(broken) + 7}" in message and "place (all its points coincide)" in message
    assert message.endswith(".") and "\n" not in message


def test_a_table_with_commas_as_in_modelnet40_with_normals(tmp_path):
    rows, text = table(12, columns=6)
    found = read_points(write(tmp_path / "chair_0001.txt", text.replace(" ", ",")))
    np.testing.assert_allclose(found.numpy(), rows[:, :3], atol=1e-6)


@given(
    st.sampled_from([".npy", ".npz", ".xyz", ".pts", ".off", ".ply", ".cif", ".pdb.gz"]),
    st.sampled_from(
        [b"", b"OFF\n", b"OFF2 1 0\n", b"ply\nformat ascii 1.0\n", b"\x93NUMPY", b"PK\x03\x04", b"data_x\n"]
    ),
    st.binary(max_size=200),
)
def test_any_bytes_are_a_cloud_or_one_sentence(tmp_path_factory, suffix, head, rest):
    path = write(tmp_path_factory.mktemp("fuzz") / f"a{suffix}", head + rest)
    try:
        (cloud,) = read_clouds(path, n_points=4, progress=False)
    except ValueError as error:
        assert str(error).startswith("source must hold clouds") and str(error).endswith(").")
        assert f"a{suffix} (" in str(error)
    else:
        assert bool(torch.isfinite(cloud.points).all()) and cloud.points.shape[1] == 3


@given(st.integers(1, 40), st.integers(3, 7), st.integers(0, 99))
def test_tables_come_back(tmp_path_factory, m, columns, seed):
    rows, text = table(m, seed, columns)
    path = write(tmp_path_factory.mktemp("xyz") / "a.xyz", text)
    if m == 1:  # one place
        with pytest.raises(ValueError, match="all its points coincide"):
            read_clouds(path, progress=False)
    else:
        assert np.allclose(read_clouds(path, progress=False)[0].points, rows[:, :3], atol=1e-6)


def test_structures_listed(tmp_path):
    """A PDB code needs no network when its file is in the cache; here all are files, in angstrom."""
    ruvab = load_example("ruvab")
    write(tmp_path / "sub" / "here.cif.gz", ruvab.structure_path.read_bytes())
    listing = write(tmp_path / "entries.txt", "sub/here.cif.gz, missing.cif  # a comment, with a comma\n")
    with pytest.warns(UserWarning, match=r"skipped 1 of 2: missing.cif \("):
        (cloud,) = read_clouds(listing, n_points=16, progress=False)
    assert cloud.name == "here" and cloud.points.shape == (16, 3)
    center = cloud.points.mean(dim=0) - ruvab.atoms.mean(dim=0)
    assert float(center.norm()) < 10 and float(cloud.points.std()) > 20  # it is 150 angstrom wide


def test_a_data_set_by_url_is_downloaded_once(tmp_path, monkeypatch, normal_layout):
    import functools
    import http.server
    import shutil
    import threading

    monkeypatch.setenv("DPSKIT_CACHE", str(tmp_path / "cache"))
    shutil.make_archive(str(tmp_path / "served" / "parts"), "zip", normal_layout.parent, normal_layout.name)
    write(tmp_path / "served" / "cut.zip", (tmp_path / "served" / "parts.zip").read_bytes()[:300])
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / "served"))
    monkeypatch.setattr(http.server.SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/"
        assert len(read_clouds(url + "parts.zip", category="table", progress=False)) == 1
        with pytest.raises(ValueError, match=r"cut.zip must be a complete zip archive.*delete it\.$"):
            read_clouds(url + "cut.zip", progress=False)
        with pytest.raises(FileNotFoundError, match=r"none.zip does not exist\.$"):
            read_clouds(url + "none.zip", progress=False)
        server.shutdown()
    with pytest.raises(ConnectionError, match=r"none.zip could not be downloaded .*none.zip by hand\.$"):
        read_clouds("http://127.0.0.1:9/none.zip", progress=False)
    assert len(read_clouds(url + "parts.zip", category="chair", split="test", progress=False)) == 1  # from the cache
    names = sorted(p.name.partition("-")[2] for p in (tmp_path / "cache").iterdir())
    assert names == ["cut.zip", "parts", "parts.zip"]


def test_nothing_left(one_sentence, tmp_path, normal_layout):
    with one_sentence(ValueError, "source", "'boat'", normal_layout):
        read_clouds(normal_layout, category="boat", progress=False)
    with one_sentence(ValueError, "source", "'val'", normal_layout):
        read_clouds(normal_layout, split="val", progress=False)
    with one_sentence(ValueError, "source", "skipped 1 of 1", "zero", "empty"):
        read_clouds(write(tmp_path / "zero.xyz", " \n"), progress=False)
    with one_sentence(ValueError, "source", ".npz, .npy", tmp_path / "cache"):
        (tmp_path / "cache").mkdir()
        read_clouds(tmp_path / "cache", progress=False)
    with one_sentence(FileNotFoundError, "source", "no-such"):
        read_clouds(tmp_path / "no-such", progress=False)


def test_packing_round_trip(tmp_path):
    sets = [NamedCloud(f"c{k}", 5 + 40 * torch.randn(20 + k, 3), "chair", "train", k == 2) for k in range(4)]
    packed = pack_clouds(sets, progress=False)
    packed.save(tmp_path / "a.npz")
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]
    found = read_packed(tmp_path / "a.npz")
    assert found.points.shape == (4, 23, 3) and found.size.tolist() == [20, 21, 22, 23]
    assert found.redundant.tolist() == [False, False, True, False]
    for before, after in zip(sets, found.clouds(), strict=True):
        assert (after.name, after.category, after.split) == (before.name, "chair", "train")
        low, high = before.points.amin(dim=0), before.points.amax(dim=0)
        cube = (before.points - (low + high) / 2) / ((high - low).max() / 2)
        nearest = torch.cdist(cube, after.points)
        assert len(after.points) == len(cube) and sorted(nearest.argmin(dim=1).tolist()) == list(range(len(cube)))
        assert float(nearest.amin(dim=1).max()) < 2e-3  # half precision
    assert pack_clouds(sets, 8, progress=False).points.shape == (4, 8, 3)


@pytest.mark.parametrize("key", ["name", "size", "split"])
def test_packed_arrays_must_fit(one_sentence, tmp_path, key):
    np.savez(tmp_path / "a.npz", points=np.ones((3, 4, 3)), **{key: np.arange(2)})
    with one_sentence(ValueError, key, "(3,)", "(2,)"):
        read_packed(tmp_path / "a.npz")


def test_packed_sizes_must_be_rows(one_sentence, tmp_path):
    np.savez(tmp_path / "a.npz", points=np.ones((3, 4, 3)), size=np.array([4, 5, 1]))
    with one_sentence(ValueError, "size of data", "1 to 4", "5"):
        read_packed(tmp_path / "a.npz")


def test_the_command(tmp_path, normal_layout, capsys):
    out = tmp_path / "packed.npz"
    assert main(["data", str(normal_layout), "--out", str(out), "--category", "Chair"]) == 0
    captured = capsys.readouterr()
    assert "2 clouds of 30 points; 1 of them have fewer, 20 or more" in captured.out
    assert "dpskit: 2 clouds were read" in captured.err and "03001627/gone" in captured.err
    assert read_packed(out).name.tolist() == ["03001627/a", "03001627/b"]
    assert main(["data", str(normal_layout), "--out", str(tmp_path / "none.npz"), "--category", "Boat"]) == 2
    assert capsys.readouterr().err.strip().endswith("gave none.")
    assert not (tmp_path / "none.npz").exists()


def test_several_draws_are_those_of_the_next_seeds(tmp_path):
    (tmp_path / "a.off").write_text("OFF 4 2 0\n0 0 0\n1 0 0\n1 1 0\n0 1 0\n3 0 1 2\n3 0 2 3\n")
    command = ["data", str(tmp_path / "a.off"), "--n-points", "50", "--out"]
    assert main([*command, str(tmp_path / "two.npz"), "--seed", "3", "--draws", "2"]) == 0
    two = read_packed(tmp_path / "two.npz")
    assert two.name.tolist() == ["a", "a"] and two.size.tolist() == [50, 50]
    for k, seed in enumerate(("3", "4")):
        assert main([*command, str(tmp_path / "one.npz"), "--seed", seed]) == 0
        assert torch.equal(read_packed(tmp_path / "one.npz").points[0], two.points[k])
    assert not torch.equal(two.points[0], two.points[1])
    assert main([*command, str(tmp_path / "none.npz"), "--draws", "0"]) == 2


def test_structures_can_be_balanced_and_keep_their_codes(tmp_path, capsys):
    points = np.random.default_rng(0).normal(size=(3, 60, 3)).astype(np.float32)
    points[2] = points[1] + 5  # a relative, elsewhere
    np.savez(tmp_path / "in.npz", points=points, pdb_id=np.array(["1abc", "2abc", "3abc"]))
    for flags, expected in ([], [1, 1, 1]), (["--balance"], None):
        assert main(["data", str(tmp_path / "in.npz"), "--out", str(tmp_path / "out.npz"), *flags]) == 0
        packed = read_packed(tmp_path / "out.npz")
        assert packed.name.tolist() == ["1abc", "2abc", "3abc"]
        weights = packed.weight if expected is None else expected
        assert packed.weight == pytest.approx(weights)
    assert packed.weight[1] == pytest.approx(packed.weight[2]) and packed.weight[0] > 1.5 * packed.weight[1]


def test_nothing_is_said_when_nothing_is_skipped(tmp_path):
    np.save(tmp_path / "a.npy", table(5)[0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(read_clouds(tmp_path / "a.npy", progress=False)) == 1
    assert shapes.SHAPENET_PART_URL.endswith("_v0_normal.zip")
