"""Read the points of one file: meshes are sampled uniformly by area, all other formats are taken as they are."""

from __future__ import annotations

import re
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dpskit.arrays import read_npy
from dpskit.checks import check_path
from dpskit.data.meshes import read_off, read_ply
from dpskit.data.text import decode
from dpskit.data.unpacked import check_lines

TABLES = (".xyz", ".pts", ".txt")
MESHES = {".off": read_off, ".ply": read_ply}
SUFFIXES = (".npy", *TABLES, *MESHES)
MAX_BYTES = 1 << 30
MAX_COLUMNS = 16  # of a table with a row per point: place, normal, colour, labels


def read_points(path: str | Path, n_points: int = 4096, seed: int = 0) -> Tensor:
    """The points (m, 3) float32 of a file that ends in .npy, .xyz, .pts, .txt, .off or .ply.

    .npy: an array (m, 3 or more); .xyz, .pts and .txt: a row of numbers per point (see `read_rows`); of both the first
    three columns count. A number of points may stand above the rows, alone, or as in the XYZ files of chemistry with a
    line of comment and before each row the name of an element. .off and .ply: the vertices, or, if there are faces,
    `n_points` points drawn uniformly by area, which depend on (seed, name of the file) alone. Raises ValueError for an
    empty, truncated or unreadable file, and for an array (3, m).
    """
    path = check_path("path", path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"it must end in one of {', '.join(SUFFIXES)}")
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"it must have at most {MAX_BYTES >> 20} MB")
    content = path.read_bytes()
    if not content.strip():
        raise ValueError("it is empty")
    if suffix in MESHES:
        vertices, faces = MESHES[suffix](content)
        points = _sample(vertices, faces, n_points, (seed << 32) + zlib.crc32(path.name.encode()))
    else:
        points = read_npy(content) if suffix == ".npy" else read_rows(content, counted=True)
    if points.ndim != 2 or points.shape[1] < 3 or points.dtype.kind not in "fiu":
        raise ValueError(f"it must hold rows of at least three numbers, got an array of shape {points.shape}")
    columns = points.shape[1]
    if len(points) <= MAX_COLUMNS < columns or (suffix == ".npy" and len(points) == 3 < columns):
        raise ValueError(f"it must hold a row for each point, got an array of shape {points.shape}: transpose it")
    with np.errstate(over="ignore"):  # infinity is told by those who use the points
        return torch.from_numpy(points[:, :3].astype(np.float32))


def read_rows(content: bytes, *, counted: bool = False) -> np.ndarray:
    """The rows (m, k) of a text: numbers with spaces, or commas, between them; # begins a comment.

    counted: whether the number of rows may stand above them.

    Raises ValueError, which never quotes the text: it may be of a file that was not meant to be read.
    """
    if b"\0" in content[:4096] and not content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ValueError("it is a binary file, not a text with a row of numbers for each point")
    check_lines(content, len(content))
    lines = decode(content).split("\n")
    if counted:
        lines = _without_count(lines)
    first = next((row for line in lines if (row := line.partition("#")[0].strip())), None)
    if first is None:
        raise ValueError("it is empty")
    separator = "," if "," in first else None
    try:
        return np.loadtxt(lines, delimiter=separator, ndmin=2)
    except ValueError:
        raise ValueError(_wrong_line(lines, separator)) from None


def _without_count(lines: list[str]) -> list[str]:
    """The lines below one with nothing but the number of those that follow; as they are, if none says so."""
    begin = next((k for k, line in enumerate(lines) if line.strip()), None)
    if begin is None or not lines[begin].strip().isdecimal() or len(lines[begin]) > 20:
        return lines
    head, count = begin + 1, int(lines[begin])
    rows = [k for k in range(head, len(lines)) if lines[k].strip()]
    named = [k for k in rows if k > head]  # below a line of comment, which may be empty
    if count in (len(rows), len(named)):
        first = head + (len(rows) != count)
        return [""] * first + [re.sub(r"^\s*[A-Za-z]\w*(?=\s)", "", line) for line in lines[first:]]
    if any(len(lines[k].split()) > 1 for k in rows):
        raise ValueError(f"it is cut off, or says a wrong number: {count} points above {len(rows)} lines")
    return lines


def _wrong_line(lines: list[str], separator: str | None) -> str:
    """What is wrong with the first line that is no row like those before it."""
    width = 0
    for number, line in enumerate(lines, start=1):
        words = line.partition("#")[0].strip().split(separator) if line.partition("#")[0].strip() else []
        try:
            [float(word) for word in words]
        except ValueError:
            return f"line {number} has something else than numbers"
        if words and width and len(words) != width:
            return f"line {number} has {len(words)} numbers instead of {width}"
        width = len(words) or width
    return "its lines are no rows of numbers"


def _sample(vertices: np.ndarray, faces: np.ndarray, n_points: int, seed: int) -> np.ndarray:
    """The vertices of a mesh without faces, or points drawn uniformly by area."""
    if len(faces) == 0:
        return vertices
    import trimesh

    mesh = trimesh.Trimesh(vertices, faces, process=False)
    if not (np.isfinite(vertices).all() and mesh.area > 0):
        raise ValueError("its faces have no area, or its vertices are not finite")
    return np.asarray(trimesh.sample.sample_surface(mesh, n_points, seed=seed)[0])
