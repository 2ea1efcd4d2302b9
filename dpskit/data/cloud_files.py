"""Read the points of one file: meshes are sampled uniformly by area, all other formats are taken as they are."""

from __future__ import annotations

import codecs
import io
import re
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

TABLES = (".xyz", ".pts", ".txt")
MESHES = (".off", ".ply")
SUFFIXES = (".npy", *TABLES, *MESHES)


def read_points(path: str | Path, n_points: int = 4096, seed: int = 0) -> Tensor:
    """The points (m, 3) float32 of a file that ends in .npy, .xyz, .pts, .txt, .off or .ply.

    .npy: an array (m, 3 or more); .xyz, .pts and .txt: a row of numbers per point (see `read_rows`); of both the first
    three columns count. .off and .ply: the vertices, or, if there are faces, `n_points` points drawn uniformly by area,
    which depend on (seed, name of the file) alone. Raises ValueError for an empty, truncated or unreadable file.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    content = path.read_bytes()
    if not content.strip():
        raise ValueError("it is empty")
    if suffix == ".npy":
        points = np.load(io.BytesIO(content), allow_pickle=False)
    elif suffix in TABLES:
        points = read_rows(content)
    elif suffix in MESHES:
        points = _read_mesh(content, suffix, n_points, (seed << 32) + zlib.crc32(path.name.encode()))
    else:
        raise ValueError(f"it must end in one of {', '.join(SUFFIXES)}")
    if points.ndim != 2 or points.shape[1] < 3 or points.dtype.kind not in "fiu":
        raise ValueError(f"it must hold rows of at least three numbers, got an array of shape {points.shape}")
    return torch.from_numpy(points[:, :3].astype(np.float32))


def read_rows(content: bytes) -> np.ndarray:
    """The rows (m, k) of a text: numbers with spaces, or commas, between them; # begins a comment. ValueError."""
    lines = content.removeprefix(codecs.BOM_UTF8).decode("latin-1").splitlines()
    first = next((line for line in lines if line.partition("#")[0].strip()), None)
    if first is None:
        raise ValueError("it is empty")
    return np.loadtxt(lines, delimiter="," if "," in first else None, ndmin=2)


def _read_mesh(content: bytes, suffix: str, n_points: int, seed: int) -> np.ndarray:
    import trimesh

    if suffix == ".off":
        mesh = trimesh.Trimesh(*_read_off(content.decode("latin-1")), process=False)
    else:
        mesh = trimesh.load(io.BytesIO(content), file_type=suffix[1:], process=False)
        _check_ply(content, len(mesh.vertices), len(getattr(mesh, "faces", ())))
    if len(getattr(mesh, "faces", ())) == 0:
        return np.asarray(mesh.vertices)
    if not (np.isfinite(mesh.vertices).all() and mesh.area > 0):
        raise ValueError("its faces have no area, or its vertices are not finite")
    return np.asarray(trimesh.sample.sample_surface(mesh, n_points, seed=seed)[0])


def _read_off(text: str) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (v, 3) and triangles (f, 3), polygons cut into fans. The counts may stand on the line of OFF itself.

    Written out because trimesh, like most readers, takes a truncated file for a smaller mesh.
    """
    lines = "\n".join(line.partition("#")[0] for line in text.splitlines())
    rows = [row for row in (line.split() for line in lines.partition("OFF")[2].splitlines()) if row]
    if not rows:
        raise ValueError("it must begin with OFF and the numbers of vertices and faces")
    v, f = int(rows[0][0]), int(rows[0][1])
    if len(rows) < 1 + v + f:
        raise ValueError(f"it is truncated: {len(rows) - 1} lines for {v} vertices and {f} faces")
    vertices = np.array([row[:3] for row in rows[1 : v + 1]], dtype=np.float64).reshape(v, 3)
    polygons = [[int(index) for index in row[: 1 + int(row[0])]] for row in rows[v + 1 : v + f + 1]]
    if any(len(polygon) != 1 + polygon[0] for polygon in polygons):
        raise ValueError("it is truncated: a face has fewer corners than it says")
    fans = [(p[1], p[k], p[k + 1]) for p in polygons for k in range(2, p[0])]
    faces = np.array(fans, dtype=np.int64).reshape(-1, 3)
    if faces.size and not 0 <= faces.min() <= faces.max() < v:
        raise ValueError(f"its faces must have corners among the {v} vertices")
    return vertices, faces


def _check_ply(content: bytes, vertices: int, faces: int) -> None:
    """Raise ValueError when a PLY file holds less than its header says; trimesh reads the rest of a text file."""
    head = content.partition(b"end_header")[0]
    for name, found in ((b"vertex", vertices), (b"face", faces)):
        due = re.search(rb"element\s+" + name + rb"\s+(\d+)", head)
        if due and found < int(due[1]):
            raise ValueError(f"it is truncated: {found} of {int(due[1])} elements {name.decode()}")
