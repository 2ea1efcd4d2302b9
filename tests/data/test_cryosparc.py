"""Tables of cryoSPARC: the same particles as in a STAR file, and what is wrong with a file."""

import math

import mrcfile
import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

import dpskit

ANGLES = np.array([[10.0, 50.0, -30.0], [200.0, 120.0, 75.0], [0.0, 90.0, 0.0]])


def relion_matrix(rot, tilt, psi):
    """A of RELION's own source: a point r of the object appears at A r."""
    (ca, sa), (cb, sb), (cg, sg) = ((math.cos(math.radians(a)), math.sin(math.radians(a))) for a in (rot, tilt, psi))
    return np.array(
        [
            [cg * cb * ca - sg * sa, cg * cb * sa + sg * ca, -cg * sb],
            [-sg * cb * ca - cg * sa, -sg * cb * sa + cg * ca, sg * sb],
            [sb * ca, sb * sa, cb],
        ]
    )


@pytest.fixture
def columns():
    """Three particles. A pose w means A = 1 - sin|w| K + (1 - cos|w|) K^2, with K r = w x r / |w|."""
    matrices = np.stack([relion_matrix(*angles) for angles in ANGLES])
    poses = Rotation.from_matrix(matrices.transpose(0, 2, 1)).as_rotvec()
    for pose, matrix in zip(poses, matrices, strict=True):
        size = np.linalg.norm(pose)
        x, y, z = pose / size
        k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
        np.testing.assert_allclose(np.eye(3) - np.sin(size) * k + (1 - np.cos(size)) * k @ k, matrix, atol=1e-12)
    return {
        "uid": np.arange(3, dtype="<u8"),
        "alignments3D/pose": poses.astype("<f4"),
        "alignments3D/shift": np.array([[1.0, -2.0], [0.5, 0.0], [0.0, 3.0]], "<f4"),
        "alignments3D/psize_A": np.full(3, 2.0, "<f4"),
        "blob/path": np.array([b">stack.mrcs"] * 3),
        "blob/idx": np.array([2, 0, 1], "<u4"),
        "blob/psize_A": np.full(3, 1.5, "<f4"),
        "ctf/df1_A": np.array([9e3, 1e4, 1.1e4], "<f4"),
        "ctf/df2_A": np.array([8e3, 9e3, 1e4], "<f4"),
        "ctf/df_angle_rad": np.array([0.5, 0.0, 1.0], "<f4"),
        "ctf/accel_kv": np.full(3, 300.0, "<f4"),
        "ctf/cs_mm": np.full(3, 2.7, "<f4"),
        "ctf/amp_contrast": np.full(3, 0.1, "<f4"),
        "ctf/phase_shift_rad": np.zeros(3, "<f4"),
    }


def write(path, columns):
    kinds = [(name, values.dtype, values.shape[1:]) for name, values in columns.items()]
    table = np.zeros(len(next(iter(columns.values()))), kinds)
    for name, values in columns.items():
        table[name] = values
    with path.open("wb") as file:
        np.save(file, table)
    return path


def test_the_same_as_from_a_star_file(tmp_path, columns):
    head = ["data_particles", "loop_", "_rlnAngleRot", "_rlnAngleTilt", "_rlnAnglePsi", "_rlnOriginXAngst"]
    rows = [f"{a} {b} {c} {x}" for (a, b, c), x in zip(ANGLES, (2.0, 1.0, 0.0), strict=True)]
    (tmp_path / "p.star").write_text("\n".join([*head, *rows]) + "\n")
    star, cs = dpskit.read_poses(tmp_path / "p.star"), dpskit.read_poses(write(tmp_path / "p.cs", columns))
    torch.testing.assert_close(cs.rotations, star.rotations, atol=1e-5, rtol=0)
    assert torch.equal(cs.shifts[:, 0], star.shifts[:, 0]) and cs.shifts[:, 1].tolist() == [-4.0, 0.0, 6.0]
    assert cs.pixel_size == 1.5 and cs.images == (("stack.mrcs", 3), ("stack.mrcs", 1), ("stack.mrcs", 2))
    assert cs.optics.defocus_angle.tolist() == pytest.approx([math.degrees(0.5), 0.0, math.degrees(1.0)], rel=1e-5)
    assert cs.optics.defocus_u.tolist() == [9e3, 1e4, 1.1e4] and cs.optics.voltage.tolist() == [300.0] * 3


def test_images_in_the_order_of_the_table(tmp_path, columns):
    stack = np.arange(3, dtype=np.float32)[:, None, None] + np.zeros((3, 4, 4), np.float32)
    mrcfile.write(tmp_path / "stack.mrcs", stack, voxel_size=1.5)
    images = dpskit.read_images(write(tmp_path / "p.cs", columns))
    assert images.pixels[:, 0, 0].tolist() == [2.0, 0.0, 1.0] and images.pixel_size == 1.5


def test_without_orientations(tmp_path, columns):
    for name in ("pose", "shift", "psize_A"):
        del columns[f"alignments3D/{name}"]
    found = dpskit.read_poses(write(tmp_path / "p.cs", columns))
    assert found.rotations is None and found.shifts.tolist() == [[0.0, 0.0]] * 3 and found.pixel_size == 1.5


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("alignments3D/pose", np.full((3, 3), np.nan, "<f4"), ["alignments3D/pose", "finite", "nan"]),
        ("alignments3D/pose", np.zeros((3, 2), "<f4"), ["alignments3D/pose", "(3, 3)"]),
        ("blob/psize_A", np.array([1.0, 2.0, 1.0], "<f4"), ["blob/psize_A", "one pixel size", "2.0"]),
        ("blob/psize_A", np.zeros(3, "<f4"), ["blob/psize_A", "above 0"]),
        ("ctf/df1_A", np.array([b"a"] * 3), ["ctf/df1_A", "numbers"]),
    ],
)
def test_bad_columns(tmp_path, columns, one_sentence, name, values, words):
    with one_sentence(ValueError, "p.cs", *words):
        dpskit.read_poses(write(tmp_path / "p.cs", columns | {name: values}))


def test_bad_files(tmp_path, columns, one_sentence):
    path = write(tmp_path / "p.cs", columns)
    with one_sentence(FileNotFoundError, "none.cs"):
        dpskit.read_poses(tmp_path / "none.cs")
    path.write_bytes(path.read_bytes()[:-20])
    with one_sentence(ValueError, "p.cs", "whole table"):
        dpskit.read_poses(path)
    for content in (b"", b"text", b"\x80\x04N."):
        path.write_bytes(content)
        with one_sentence(ValueError, "p.cs"):
            dpskit.read_poses(path)
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    with one_sentence(ValueError, "p.cs", "table of particles"):
        dpskit.read_poses(path)
