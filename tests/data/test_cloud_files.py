"""Clouds, meshes and arrays as programs write them."""

import io
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpskit.data.cloud_files import read_points, read_rows
from dpskit.data.meshes import read_off, read_ply, triangulate
from dpskit.data.observation_file import read_observations
from dpskit.data.shapes import read_clouds

POINTS = np.random.default_rng(0).normal(size=(50, 3)).round(4)
TEXT = "".join("{} {} {}\n".format(*row) for row in POINTS.tolist())


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def area(vertices, faces):
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


# ---- text


@pytest.mark.parametrize(
    "comment", ["# pixel size in Å 1.5 2.5", "# \x85 1 2 3", "# a\x0b1 2 3", "# a\x0c1 2 3", "# \u2028 1 2 3"]
)
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_a_comment_is_one_line(write, comment, encoding):
    content = (comment + "\n" + TEXT).encode(encoding, errors="ignore")
    np.testing.assert_allclose(read_points(write("a.xyz", content)), POINTS, atol=1e-6)
    square = f"OFF\n4 1 0\n0 0 0\n2 0 0 {comment}\n2 1 0\n0 1 0\n4 0 1 2 3\n".encode(encoding, errors="ignore")
    assert area(*read_off(square)) == 2


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["utf-8-sig", "utf-16"])
def test_marks_and_ends_of_lines(write, newline, mark):
    content = TEXT.replace("\n", newline).encode(mark)
    np.testing.assert_allclose(read_points(write("a.txt", content)), POINTS, atol=1e-6)


def test_what_is_no_text_is_not_quoted(one_sentence):
    for content, word in {
        b"secret words here\n": "line 1 has something else",
        b"1 2 3\n1 2\n": "line 2 has 2 numbers instead of 3",
        b"1 2 3\n\n# x\n1 2 3 4 # y\n": "line 4 has 4",
        b"\x00\x01" * 500: "binary",
        b"# nothing\n": "empty",
    }.items():
        with pytest.raises(ValueError, match=word) as caught:
            read_rows(content)
        assert "secret" not in str(caught.value)


NAMED = "".join(f"{name} {row}\n" for name, row in zip(["C", "Na", "H1"] * 20, TEXT.splitlines(), strict=False))


@pytest.mark.parametrize("head", ["50\n", "# a\n50\n", "50\na comment of 1 2 3\n", "50\n\n", "  50 \r\n"])
@pytest.mark.parametrize("suffix", ["xyz", "pts", "txt"])
def test_a_number_of_points_above_the_rows(write, head, suffix):
    if not head.startswith("#"):
        np.testing.assert_allclose(read_points(write(f"a.{suffix}", head + TEXT)), POINTS, atol=1e-6)
    if "comment" in head or head.endswith("\n\n"):
        np.testing.assert_allclose(read_points(write(f"a.{suffix}", head + NAMED)), POINTS, atol=1e-6)
        with pytest.raises(ValueError, match=r"50 points above 4[89] lines"):
            read_points(write(f"a.{suffix}", head + "".join(NAMED.splitlines(keepends=True)[:-2])))


def test_lines_that_end_as_no_text_file_does(write):
    with pytest.raises(ValueError, match="transpose it"):
        read_points(write("a.xyz", TEXT.replace("\n", "\x85")))


# ---- arrays


@pytest.mark.parametrize("dtype", [">f4", ">f8", ">i2", "<u4", "f2", "i8"])
def test_any_byte_order(write, dtype):
    rows = np.rint(np.abs(POINTS) * 100).astype(dtype)
    buffer = io.BytesIO()
    np.save(buffer, rows)
    np.testing.assert_allclose(read_points(write("a.npy", buffer.getvalue())), rows.astype(float), atol=0.1)
    path = write("b.npz", b"")
    np.savez(path, points=rows)
    np.testing.assert_allclose(read_clouds(path, progress=False)[0].points, rows.astype(float), atol=0.1)
    np.savez(path, points=np.stack([rows, rows + 1]))
    np.testing.assert_allclose(read_clouds(path, progress=False)[1].points, rows.astype(float) + 1, atol=0.1)


def test_views_of_any_byte_order(tmp_path):
    np.save(tmp_path / "view.npy", POINTS[:, :2].astype(">f8"))
    (tmp_path / "o.toml").write_text('[[projection]]\npoints = "view.npy"\nrotation = [[1,0,0],[0,1,0],[0,0,1]]\n')
    np.testing.assert_allclose(read_observations(tmp_path / "o.toml").projections[0], POINTS[:, :2], atol=1e-6)


@pytest.mark.parametrize("shape", [(2, 50), (4, 50), (6, 2000), (1, 150)])
def test_a_few_rows_of_many_columns_are_refused(write, shape):
    """Homogeneous places, or places and normals, the wrong way round."""
    buffer = io.BytesIO()
    np.save(buffer, np.ones(shape))
    with pytest.raises(ValueError, match="transpose it"):
        read_points(write("a.npy", buffer.getvalue()))


@pytest.mark.parametrize("columns", [4, 10, 50, 1024])
def test_an_array_of_columns_is_refused(write, columns):
    buffer = io.BytesIO()
    np.save(buffer, np.ones((3, columns)))
    with pytest.raises(ValueError, match=rf"shape \(3, {columns}\): transpose it"):
        read_points(write("a.npy", buffer.getvalue()))


def test_a_text_of_three_long_lines_is_refused(write):
    with pytest.raises(ValueError, match="transpose it"):
        read_points(write("a.txt", "\n".join(" ".join(map(str, row)) for row in POINTS.T.tolist())))


@pytest.mark.parametrize("name", ["a.pdb.npy", "b.cif.npy", "c.ent.gz.npy"])
def test_the_last_suffix_counts(tmp_path, name):
    np.save(tmp_path / name, POINTS)
    np.savez(tmp_path / "d.cif.npz", points=POINTS)
    clouds = read_clouds(tmp_path, progress=False)
    assert [len(cloud.points) for cloud in clouds] == [50, 50]


def test_arrays_that_declare_more_than_they_hold(write, one_sentence):
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<f8", "fortran_order": False, "shape": (10**12, 3)})
    with pytest.raises(ValueError, match="header is wrong"):
        read_points(write("a.npy", head.getvalue() + b"\0" * 100))


def test_arrays_that_are_no_numbers(tmp_path, one_sentence):
    for points in (POINTS > 0, POINTS.astype(str), POINTS + 0j):
        np.savez(tmp_path / "a.npz", points=points)
        with one_sentence(ValueError, "a.npz", "numbers"):
            read_clouds(tmp_path / "a.npz", progress=False)


def test_splits_as_bytes_and_a_note_beside_the_arrays(tmp_path):
    two = np.stack([POINTS, POINTS + 1])
    np.savez(tmp_path / "a.npz", points=two, split=np.array([b"train", b"test"]))
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as file:
        file.writestr("readme.txt", "where it is from")
    assert [len(read_clouds(tmp_path / "a.npz", split=s, progress=False)) for s in ("train", "test")] == [1, 1]


def test_an_npz_that_unpacks_to_much(tmp_path, one_sentence):
    np.savez_compressed(tmp_path / "a.npz", points=np.zeros((200, 100_000, 3), dtype=np.float32))
    assert (tmp_path / "a.npz").stat().st_size < 1 << 20
    with one_sentence(ValueError, "a.npz", "unpack to at most 128 MB"):
        read_clouds(tmp_path / "a.npz", progress=False)


# ---- lists and folders


@pytest.mark.parametrize(
    "line",
    [
        "my cloud.cif",
        '"my cloud.cif"',
        "other.cif, my cloud.cif",
        "other.cif other.cif",
        "my cloud.cif # the first",
        "a#b.cif",
        "a, b.cif",
    ],
)
def test_names_in_lists(write, line, monkeypatch):
    from dpskit.data import shapes

    names = ["my cloud.cif", "other.cif", "a#b.cif", "a, b.cif"]
    for name in names:
        write(name, "data_x\n")
    items = list(shapes._listed(write("list.txt", "\ufeff" + line + "\n"), None, 0))
    wanted = {"other.cif, my cloud.cif": ["other.cif", "my cloud.cif"], "other.cif other.cif": ["other.cif"] * 2}
    expected = wanted.get(line, [line.strip('"').partition(" #")[0]])
    assert [item.name for item in items] == expected
    assert [item.name for item in shapes._listed(write("codes.txt", "7pbl 6zu5,1abc"), None, 0)] == [
        "7pbl",
        "6zu5",
        "1abc",
    ]


def test_hidden_folders_are_passed_over(write):
    for name in ("a.xyz", ".hidden.xyz", ".git/b.xyz", "__MACOSX/c.xyz", "sub/.cache/d.xyz", "sub/e.xyz"):
        path = write(name, TEXT)
    clouds = read_clouds(path.parents[1], progress=False)
    assert [cloud.name for cloud in clouds] == ["a", "sub/e"]


# ---- meshes

SQUARE = "4 1 0\n0 0 0\n2 0 0\n2 1 0\n0 1 0\n4 0 1 2 3\n"


@pytest.mark.parametrize(
    "text",
    [
        "OFF\n" + SQUARE,
        "off\n" + SQUARE,
        "Off " + SQUARE,
        "OFF" + SQUARE,
        "4OFF\n4 1 0\n0 0 0 2\n4 0 0 2\n4 2 0 2\n0 2 0 2\n4 0 1 2 3\n",
        "4off\n4 1 0\n0 0 0 1\n4 0 0 2\n2 1 0 1\n0 4 0 4\n4 0 1 2 3\n",
        "COFF\n4 1 0\n0 0 0 255 0 0 255\n2 0 0 0 0 0 1\n2 1 0 0 0 0 0\n0 1 0 1 1 1 1\n4 0 1 2 3 255 0 0\n",
        "NOFF\n4 1 0\n0 0 0 0 0 1\n2 0 0 0 0 1\n2 1 0 0 0 1\n0 1 0 0 0 1\n4 0 1 2 3\n",
        "STCN4OFF\n4 1 0\n0 0 0 2 0 0 1\n4 0 0 2 0 0 1\n4 2 0 2 0 0 1\n0 2 0 2 0 0 1\n4 0 1 2 3\n",
        "OFF\n4 1 0\n0 0 0 2 0 0\n2 1 0 0 1 0\n4 0 1 2 3\n",
        "OFF\n4 1 0\n0 0\n0\n2 0 0\n2 1 0\n0 1 0\n4 0 1\n2 3\n",
        "OFF " + " ".join(SQUARE.split()),
        "OFF # square\n\n4 1\n0 0 0\n2 0 0\n2 1 0 # corner\n0 1 0\n4 0 1 2 3\n",
    ],
)
def test_spellings_of_off(text):
    vertices, faces = read_off(text.encode())
    assert area(vertices, faces) == pytest.approx(2)
    np.testing.assert_allclose([vertices.min(axis=0), vertices.max(axis=0)], [[0, 0, 0], [2, 1, 0]])


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("OFF BINARY\n", "as text"),
        ("nOFF\n3\n4 1 0\n", "numbers of vertices"),
        ("4OFF\n1 0 0\n1 1 1 0\n", "not 0"),
        ("OFF\n4.0 1 0\n", "integers"),
        ("OFF\nfour 1 0\n", "integers"),
        ("OFF\n4 1 0\n0 0 0\n2 0 x\n2 1 0\n0 1 0\n4 0 1 2 3\n", "vertices must be numbers"),
        ("OFF\n4 1 0\n0 0 0\n2 0 0\n2 1 0\n0 1 0\n4 0 1 2\n", "truncated"),
        ("OFF\n4 1 0\n0 0 0\n2 0 0\n2 1\n0 1 0\n4 0 1 2 3\n", "truncated"),
        ("OFF\n4 -1 0\n", "truncated"),
        ("OFF\n99999999999 1 0\n", "truncated"),
        ("OFF\n4 1 0\n0 0 0\n1 0 0\n1 1 0\n0 1 0\n4 0 1 2 4\n", "among the 4"),
        ("", "begin with OFF"),
    ],
)
def test_off_that_is_none(text, word):
    with pytest.raises(ValueError, match=word):
        read_off(text.encode())


ARROW = [[0, 0, 0], [4, 2, 0], [0, 4, 0], [1, 2, 0]]  # concave at its last corner: area 6
L = [[0, 0, 0], [3, 0, 0], [3, 1, 0], [1, 1, 0], [1, 3, 0], [0, 3, 0]]  # area 5
STAR = [[np.cos(a) * r, np.sin(a) * r, 0] for a, r in zip(np.arange(10) * np.pi / 5, [2, 0.7] * 5, strict=True)]


@pytest.mark.parametrize("polygon", [ARROW, L, STAR, L[::-1], [*L[3:], *L[:3]]])
@pytest.mark.parametrize("tilt", [0, 1])
def test_concave_faces_are_covered_and_no_more(polygon, tilt):
    flat = np.array(polygon, dtype=float)
    x, y = flat[:, 0], flat[:, 1]
    shoelace = abs(float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum())) / 2
    vertices = flat + tilt * np.column_stack([np.zeros(len(flat)), np.zeros(len(flat)), 2 * x + y])
    faces = triangulate(vertices, [list(range(len(polygon)))])
    assert area(vertices, faces) == pytest.approx(shoelace * (6**0.5 if tilt else 1))
    assert len(faces) == len(polygon) - 2


def test_no_point_outside_a_concave_face(write):
    text = f"OFF\n{len(L)} 1 0\n" + "".join("{} {} {}\n".format(*row) for row in L) + "6 0 1 2 3 4 5\n"
    x, y, _ = read_points(write("l.off", text), n_points=2000).T
    assert not bool(((x > 1.001) & (y > 1.001)).any()) and len(x) == 2000


HEAD = "ply\nformat {} 1.0\n"
VERTICES = "element vertex 4\nproperty float x\nproperty float y\nproperty float z\n"
FACES = "element face 2\nproperty list uchar int vertex_indices\n"
STRIPS = "element tristrips 1\nproperty list int int vertex_indices\nend_header\n"
COMMENTS = "comment element face 9\nobj_info element vertex 7\n"
PLACES = "0 0 0\n2 0 0\n2 1 0\n0 1 0\n"


def binary(order, *faces):
    head = HEAD.format("binary_little_endian" if order == "<" else "binary_big_endian") + VERTICES
    head += FACES.replace("face 2", f"face {len(faces)}") + "end_header\n"
    places = np.array([float(x) for x in PLACES.split()], dtype=f"{order}f4").tobytes()
    rows = b"".join(bytes([len(face)]) + np.array(face, dtype=f"{order}i4").tobytes() for face in faces)
    return head.encode() + places + rows


@pytest.mark.parametrize(
    "content",
    [
        binary("<", (0, 1, 2), (0, 2, 3)),
        binary("<", (0, 1, 2, 3)),
        binary(">", (0, 1, 2), (0, 2, 3)),
        binary("<", (0, 1), (0, 1, 2, 3), (1, 2)),
        HEAD.format("ascii") + VERTICES + FACES + "end_header\n" + PLACES + "3 0 1 2\n3 0 2 3\n",
        HEAD.format("ascii") + COMMENTS + VERTICES + FACES + "end_header\n" + PLACES
        + "3 0 1 2\n3 0 2 3\n",
        HEAD.format("ascii") + VERTICES + FACES.replace("indices", "index").replace("face 2", "face 1")
        + "property list uchar float texcoord\nend_header\n" + PLACES + "4 0 1 2 3 8 0 0 1 0 1 1 0 1\n",
        b"\xef\xbb\xbf" + (HEAD.format("ascii") + "comment by Å\n" + VERTICES + FACES + "end_header\n" + PLACES
                             + "3 0 1 2\n3 0 2 3\n").encode(),
        (HEAD.format("ascii") + "comment end_header of Å\n" + VERTICES + FACES + "end_header\n" + PLACES
         + "3 0 1 2\n3 0 2 3\n").encode("latin-1"),
        HEAD.format("ascii") + VERTICES + STRIPS + PLACES + "4 0 1 3 2\n",
        HEAD.format("ascii") + VERTICES + STRIPS + PLACES + "7 0 1 2 -1 0 2 3\n",
        HEAD.format("ascii") + VERTICES.replace("float", "double") + "property uchar red\n"
        + FACES.replace("face 2", "face 1") + "end_header\n" + PLACES.replace("\n", " 7\n") + "4 0 1 2 3\n",
    ],
)  # fmt: skip
def test_ply_as_programs_write_it(content):
    vertices, faces = read_ply(content if isinstance(content, bytes) else content.encode())
    assert area(vertices, faces) == pytest.approx(2)


def test_ply_with_a_mixture_of_faces():
    vertices, faces = read_ply(binary("<", (0, 1, 2, 3), (0, 1, 2)))
    assert len(faces) == 3 and area(vertices, faces) == pytest.approx(3)


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "header"),
        (b"ply\nformat ascii 1.0\nend_header\n", "x, y and z"),
        (binary("<", (0, 1, 2))[:-3], "early|end"),
        (binary("<", (0, 1, 2)).replace(b"vertex 4", b"vertex 4000000000"), "cannot hold"),
        (binary("<", (0, 1, 2)).replace(b"vertex 4", b"vertex -4"), "cannot hold -4"),
        (binary("<", (0, 1, 2)).replace(b"vertex 4", b"vertex " + b"9" * 5000), "cannot hold 9"),
        (binary("<", (0, 1, 7)), "among the 4"),
        (binary("<", (0, 1, 2)).replace(b"face 1", b"face 1000001") + bytes(1_000_100), "at most 1,000,000 faces"),
        (b"ply\nformat nothing 1.0\n" + VERTICES.encode() + b"end_header\n" + PLACES.encode(), "format"),
    ],
)
def test_ply_that_is_none(content, word):
    with pytest.raises(ValueError, match=word):
        read_ply(content)


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 5), st.floats(-5, 5)), min_size=3, max_size=9))
def test_any_polygon_gives_triangles_of_its_corners(corners):
    faces = triangulate(np.array(corners), [list(range(len(corners)))])
    assert faces.shape[1] == 3 and (faces.size == 0 or 0 <= faces.min() <= faces.max() < len(corners))


def test_digits_in_groups_are_no_numbers(tmp_path):
    path = tmp_path / "a.off"
    path.write_text("OFF\n3 1 0\n0 0 0\n1_0 0 0\n0 1 0\n3 0 1 2 0\n")
    with pytest.raises(ValueError, match="must be numbers"):
        read_points(path)
