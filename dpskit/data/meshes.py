"""Meshes of .off and .ply files as triangles; faces of more corners are cut into triangles inside them."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from dpskit.data.text import decode

HEADER = re.compile(r"(ST)?(C)?(N)?(4)?OFF", re.IGNORECASE)
MAX_CORNERS = 10_000  # of a face


def read_off(content: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (v, 3) and triangles (f, 3) of an OFF file, whatever its vertices carry beside their places.

    The header is [ST][C][N][4]OFF in any case; with 4 the places are homogeneous, (x, y, z, w) / w. The counts may
    stand on the line of OFF itself, as in ModelNet. Written out because trimesh, like most readers, takes a truncated
    file for a smaller mesh, and the four numbers for three. Raises ValueError.
    """
    lines = (line.partition("#")[0].split() for line in decode(content).split("\n"))
    rows = [row for row in lines if row]
    head = HEADER.match(rows[0][0]) if rows else None
    if head is None or "BINARY" in rows[0][1:2]:
        raise ValueError("it must begin with OFF and the numbers of vertices and faces, as text")
    rest = [rows[0][0][head.end() :], *rows[0][1:]]
    rows = rows[1:] if not any(rest) else [[word for word in rest if word], *rows[1:]]
    if not rows or len(rows[0]) < 2:
        raise ValueError("it must begin with OFF and the numbers of vertices and faces")
    v, f = int(rows[0][0]), int(rows[0][1])
    if min(v, f) < 0 or len(rows) < 1 + v + f:
        raise ValueError(f"it is truncated: {len(rows) - 1} lines for {v} vertices and {f} faces")
    width = 4 if head[4] else 3
    vertices = np.array([row[:width] for row in rows[1 : v + 1]], dtype=np.float64).reshape(v, width)
    if width == 4:
        if not (vertices[:, 3] != 0).all():
            raise ValueError("its vertices must have a fourth coordinate that is not 0")
        vertices = vertices[:, :3] / vertices[:, 3:]
    polygons = [[int(index) for index in row[: 1 + int(row[0])]] for row in rows[v + 1 : v + f + 1]]
    if any(len(polygon) != 1 + polygon[0] for polygon in polygons):
        raise ValueError("it is truncated: a face has fewer corners than it says")
    return vertices, triangulate(vertices, [polygon[1:] for polygon in polygons])


def read_ply(content: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (v, 3) and triangles (f, 3) of a PLY file; f is 0 for a cloud. Triangle strips are taken apart.

    Raises ValueError for one that is truncated or otherwise unreadable.
    """
    from plyfile import PlyData, PlyHeaderParseError, PlyParseError

    _check_counts(content)
    try:
        data = PlyData.read(io.BytesIO(content))
    except (PlyParseError, PlyHeaderParseError, UnicodeDecodeError, TypeError, OverflowError, MemoryError) as error:
        raise ValueError(str(error) or "its data do not fit its header") from None
    if "vertex" not in data or not {"x", "y", "z"} <= {p.name for p in data["vertex"].properties}:
        raise ValueError("it must have an element vertex with x, y and z")
    vertices = np.column_stack([np.asarray(data["vertex"][axis], dtype=np.float64) for axis in "xyz"])
    polygons: list[Sequence[int]] = []
    if "face" in data:
        polygons += _lists(data["face"], ("vertex_indices", "vertex_index"))
    if "tristrips" in data:
        for strip in _lists(data["tristrips"], ("vertex_indices", "vertex_index")):
            polygons += _strip(strip)
    return vertices, triangulate(vertices, polygons)


def triangulate(vertices: np.ndarray, polygons: Sequence[Sequence[int]]) -> np.ndarray:
    """Triangles (f, 3) that cover the `polygons`, lists of rows of `vertices` (v, 3), and nothing outside them.

    A convex one is cut into a fan, any other by ear clipping in its plane. Faces of fewer than three corners have no
    area and give none. Raises ValueError for a corner that is no row of `vertices`.
    """
    faces: list[Sequence[int]] = []
    longest = max(map(len, polygons), default=0)
    if longest > MAX_CORNERS:
        raise ValueError(f"its faces must have at most {MAX_CORNERS:,} corners, got one of {longest:,}")
    corners = [index for polygon in polygons for index in polygon]
    if corners and not 0 <= min(corners) <= max(corners) < len(vertices):
        raise ValueError(f"its faces must have corners among the {len(vertices)} vertices")
    for polygon in polygons:
        if len(polygon) == 3:
            faces.append(polygon)
        elif len(polygon) > 3:
            faces += _cut(vertices, polygon)
    return np.array(faces, dtype=np.int64).reshape(-1, 3)


def _cut(vertices: np.ndarray, polygon: Sequence[int]) -> Sequence[Sequence[int]]:
    from mapbox_earcut import triangulate_float64

    fan = [(polygon[0], polygon[k], polygon[k + 1]) for k in range(1, len(polygon) - 1)]
    places = vertices[list(polygon)]
    following = np.roll(places, -1, axis=0)
    normal = np.cross(places, following).sum(axis=0)  # Newell's: the area of each projection
    turns = np.cross(following - places, np.roll(following, -1, axis=0) - following) @ normal
    spokes = places[1:] - places[0]
    if (turns >= 0).all() and (np.cross(spokes[:-1], spokes[1:]) @ normal >= 0).all():
        return fan
    flat = np.delete(places, int(np.abs(normal).argmax()), axis=1)
    cut = triangulate_float64(np.ascontiguousarray(flat), np.array([len(flat)], dtype=np.uint32)).reshape(-1, 3)
    return [[polygon[k] for k in triangle] for triangle in cut.tolist()]


def _lists(element: Any, names: tuple[str, ...]) -> list[list[int]]:
    name = next((name for name in names if name in {p.name for p in element.properties}), None)
    return [] if name is None else [np.asarray(row).astype(np.int64).ravel().tolist() for row in element[name]]


def _strip(strip: Sequence[int]) -> list[Sequence[int]]:
    """The triangles of a strip; -1 ends a strip and begins another."""
    triangles: list[Sequence[int]] = []
    part: list[int] = []
    for index in strip:
        part = [] if index == -1 else [*part[-2:], index]
        if len(part) == 3 and len(set(part)) == 3:
            triangles.append(tuple(part))
    return triangles


def _check_counts(content: bytes) -> None:
    """Raise ValueError when the header of a PLY file says more elements than the file has bytes for."""
    head, found, body = content.partition(b"end_header")
    if not head.startswith(b"ply") or not found:
        raise ValueError("it must begin with a header from ply to end_header")
    for line in decode(head).split("\n"):
        words = line.split()
        if words[:1] == ["element"] and len(words) == 3 and words[2].isdigit() and int(words[2]) > len(body):
            raise ValueError(f"it is truncated: it cannot hold {words[2]} elements {words[1]}")
