"""Meshes of .off and .ply files as triangles; faces of more corners are cut into triangles inside them."""

from __future__ import annotations

import codecs
import re
import warnings
from collections.abc import Sequence
from contextlib import suppress
from tempfile import TemporaryFile
from typing import Any

import numpy as np

from dpskit.data.text import decode
from dpskit.data.unpacked import TooMuch, most_rows

HEADER = re.compile(r"(ST)?(C)?(N)?(4)?OFF", re.IGNORECASE)
MAX_CORNERS = 10_000  # of a face
MAX_ROWS = 500_000  # that are read word by word
MAX_WORDS = 4 * MAX_ROWS
MAX_FACES = 1_000_000  # of a PLY file
MAX_CLIPPED = 100_000  # faces that are not convex
CHUNK = 100_000  # polygons that are taken apart at once


def read_off(content: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (v, 3) and triangles (f, 3) of an OFF file, whatever its vertices carry beside their places.

    The header is [ST][C][N][4]OFF in any case; with 4 the places are homogeneous, (x, y, z, w) / w. The counts may
    stand on the line of OFF itself, as in ModelNet. Written out because trimesh, like most readers, takes a truncated
    file for a smaller mesh, and the four numbers for three. Raises ValueError.
    """
    lines = [bare for line in decode(content).split("\n") if (bare := line.partition("#")[0].strip())]
    first = lines[0].split() if lines else [""]
    head = HEADER.match(first[0])
    if head is None or "BINARY" in first[1:2]:
        raise ValueError("it must begin with OFF and the numbers of vertices and faces, as text")
    first = [word for word in (first[0][head.end() :], *first[1:]) if word]
    lines = [" ".join(first)] * bool(first) + lines[1:]
    try:
        vertices, polygons = _off_parts(lines, 4 if head[4] else 3, plain=not any(head.group(1, 2, 3)))
    except (OverflowError, TypeError):
        raise ValueError("its counts, vertices and faces must be numbers") from None
    if head[4]:
        if not (vertices[:, 3] != 0).all():
            raise ValueError("its vertices must have a fourth coordinate that is not 0")
        vertices = vertices[:, :3] / vertices[:, 3:]
    return vertices, triangulate(vertices, polygons)


def _off_parts(lines: list[str], width: int, *, plain: bool) -> tuple[np.ndarray, Sequence[Sequence[int]] | np.ndarray]:
    """Vertices (v, width) and polygons below the line OFF; plain: whether a vertex has nothing but its place.

    A line for each as a rule; of a plain file without colours the numbers may be broken into lines anywhere.
    """
    if any("_" in line for line in lines):  # which Python takes for 10 in 1_0
        raise TypeError
    counts = lines[0].split() if lines else []
    if len(counts) < 2:
        raise ValueError("it must begin with OFF and the numbers of vertices and faces")
    v, f = _integers(counts[:2])
    truncated = ValueError(f"it is truncated: {len(lines) - 1} lines for {v} vertices and {f} faces")
    size = sum(map(len, lines))
    if min(v, f) < 0 or v + f > size:
        raise truncated
    if max(v, f) > most_rows(size):
        raise TooMuch(f"it must have at most {most_rows(size):,} vertices and as many faces")
    if min(v, f) > 0 and v + f < len(lines):
        with suppress(ValueError):  # what most files hold, in little time and memory
            corners = _integers(lines[v + 1].split()[:1])[0]
            if 3 <= corners <= 4:
                vertices = np.loadtxt(lines[1 : v + 1], usecols=range(width), ndmin=2)
                faces = np.loadtxt(lines[v + 1 : v + f + 1], dtype=np.int64, usecols=range(corners + 1), ndmin=2)
                if (faces[:, 0] == corners).all():
                    return vertices, faces[:, 1:]
    if len(lines) > MAX_ROWS or sum(line.count(" ") for line in lines) > MAX_WORDS:
        raise ValueError(f"it must have at most {MAX_ROWS:,} lines, unless all its faces are triangles, or all quads")
    rows = [line.split() for line in lines[1:]]
    places, polygons = rows[:v], rows[v : v + f]
    broken = len(polygons) < f or any(len(row) < width for row in places)
    if broken or any(len(row) < 1 + _integers(row[:1])[0] for row in polygons):
        words = [*counts[3:], *(word for row in rows for word in row)]
        places, polygons = _unbroken(words, v, f, width) if plain else ([], [])
        if not places:
            raise truncated
    try:
        vertices = np.array([row[:width] for row in places], dtype=np.float64).reshape(v, width)
    except ValueError:
        raise ValueError("its vertices must be numbers") from None
    return vertices, [_integers(row[1 : 1 + int(row[0])]) for row in polygons]


def _unbroken(words: list[str], v: int, f: int, width: int) -> tuple[list[list[str]], list[list[str]]]:
    """A row for each vertex and face, of which `words` must be all; nothing where they are not."""
    places = [words[width * k : width * (k + 1)] for k in range(v)]
    faces, k = [], width * v
    for _ in range(f):
        if k >= len(words):
            return [], []
        size = _integers(words[k : k + 1])[0]
        faces.append(words[k : k + 1 + size])
        k += 1 + max(size, 0)
    return (places, faces) if k == len(words) else ([], [])


def _integers(words: Sequence[str]) -> list[int]:
    try:
        return [int(word) for word in words]
    except ValueError:
        raise ValueError("its counts and the corners of its faces must be integers") from None


def read_ply(content: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (v, 3) and triangles (f, 3) of a PLY file; f is 0 for a cloud. Triangle strips are taken apart.

    Raises ValueError for one that is truncated or otherwise unreadable.
    """
    from plyfile import PlyData, PlyHeaderParseError, PlyParseError

    content = _plain_header(content)
    try:
        with warnings.catch_warnings(), TemporaryFile() as stream:  # a real file is mapped, which is ten times as fast
            warnings.simplefilter("ignore")  # of plyfile about lines that are missing, before it raises
            stream.write(content)
            stream.seek(0)
            data = PlyData.read(stream)
            if "vertex" not in data or not {"x", "y", "z"} <= {p.name for p in data["vertex"].properties}:
                raise ValueError("it must have an element vertex with x, y and z")
            vertices = np.column_stack([np.asarray(data["vertex"][axis], dtype=np.float64) for axis in "xyz"])
    except (PlyParseError, PlyHeaderParseError, UnicodeDecodeError, TypeError, OverflowError, MemoryError) as error:
        raise ValueError(str(error) or "its data do not fit its header") from None
    polygons: list[Sequence[int]] = []
    if "face" in data:
        polygons += _lists(data["face"], ("vertex_indices", "vertex_index"))
    if "tristrips" in data:
        for strip in _lists(data["tristrips"], ("vertex_indices", "vertex_index")):
            polygons += _strip(strip)
    return vertices, triangulate(vertices, polygons)


def triangulate(vertices: np.ndarray, polygons: Sequence[Sequence[int]] | np.ndarray) -> np.ndarray:
    """Triangles (f, 3) that cover the `polygons`, lists of rows of `vertices` (v, 3), and nothing outside them.

    A convex one is cut into a fan, any other by ear clipping in its plane. Faces of fewer than three corners have no
    area and give none. Raises ValueError for a corner that is no row of `vertices`.
    """
    if isinstance(polygons, np.ndarray):
        sizes = np.full(len(polygons), polygons.shape[1] if len(polygons) else 0)
    else:
        sizes = np.array([len(polygon) for polygon in polygons], dtype=np.int64)
    if sizes.max(initial=0) > MAX_CORNERS:
        raise ValueError(f"its faces must have at most {MAX_CORNERS:,} corners, got one of {sizes.max():,}")
    clipped = 0
    triangles, of = [np.zeros((0, 3), dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    alike = {size: np.flatnonzero(sizes == size) for size in np.unique(sizes).tolist()}
    pieces = ((size, part) for size, of_it in alike.items() for part in np.array_split(of_it, 1 + len(of_it) // CHUNK))
    for size, rows in pieces:
        chosen = polygons[rows] if isinstance(polygons, np.ndarray) else [polygons[k] for k in rows.tolist()]
        corners = np.array(chosen, dtype=np.int64).reshape(len(rows), size)
        if corners.size and not 0 <= corners.min() <= corners.max() < len(vertices):
            raise ValueError(f"its faces must have corners among the {len(vertices)} vertices")
        if size < 3:
            continue
        convex = _are_convex(vertices[corners]) if size > 3 else np.ones(len(rows), dtype=bool)
        fans = np.stack([np.broadcast_to(corners[:, :1], (len(rows), size - 2)), corners[:, 1:-1], corners[:, 2:]], -1)
        clipped += int((~convex).sum())
        if clipped > MAX_CLIPPED:
            raise TooMuch(f"it must have at most {MAX_CLIPPED:,} faces that are not convex")
        triangles.append(fans[convex].reshape(-1, 3))
        of.append(np.repeat(rows[convex], size - 2))
        for row, polygon in zip(rows[~convex], corners[~convex], strict=True):
            triangles.append(polygon[_clip_ears(vertices[polygon])])
            of.append(np.full(len(triangles[-1]), row))
    return np.concatenate(triangles)[np.argsort(np.concatenate(of), kind="stable")]


def _are_convex(places: np.ndarray) -> np.ndarray:
    """(k,) which polygons (k, n, 3) the fan from their first corner covers, and no more."""
    following = np.roll(places, -1, axis=1)
    normal = np.cross(places, following).sum(axis=1)[:, :, None]  # Newell's: the area of each projection
    turns = np.cross(following - places, np.roll(following, -1, axis=1) - following) @ normal
    spokes = places[:, 1:] - places[:, :1]
    fan = np.cross(spokes[:, :-1], spokes[:, 1:]) @ normal
    return (turns >= 0).all(axis=(1, 2)) & (fan >= 0).all(axis=(1, 2))


def _clip_ears(places: np.ndarray) -> np.ndarray:
    """Triangles (f, 3) of the corners of a polygon (n, 3), in the coordinate plane in which it is largest."""
    from mapbox_earcut import triangulate_float64

    normal = np.cross(places, np.roll(places, -1, axis=0)).sum(axis=0)
    flat = np.ascontiguousarray(np.delete(places, int(np.abs(normal).argmax()), axis=1))
    return triangulate_float64(flat, np.array([len(flat)], dtype=np.uint32)).reshape(-1, 3)


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


def _plain_header(content: bytes) -> bytes:
    """`content` with "?" for what is not ASCII in the header of a PLY file, such as a name in a comment.

    Raises ValueError for another file, for one that says more elements than it has bytes for, and for more lists than
    can be read in a reasonable time.
    """
    content = content.removeprefix(codecs.BOM_UTF8)
    found = re.search(rb"[\r\n]end_header", content)
    if not content.startswith(b"ply") or not found:
        raise ValueError("it must begin with a header from ply to end_header")
    head, body = content[: found.start()], content[found.start() :]
    count = 0
    for line in decode(head).split("\n"):
        words = line.split()
        if words[:1] == ["element"] and len(words) == 3:
            if not (words[2].isdecimal() and len(words[2]) < 19 and int(words[2]) <= len(body)):
                raise ValueError(f"it is truncated: it cannot hold {words[2][:30]} elements {words[1]}")
            count = int(words[2])
            if b"format ascii" in head and count > most_rows(len(content)):
                raise TooMuch(f"it must have at most {most_rows(len(content)):,} elements as text, got {count:,}")
        elif words[:2] == ["property", "list"] and count > MAX_FACES:
            raise ValueError(f"it must have at most {MAX_FACES:,} faces, got {count:,}: save fewer, or points alone")
    return re.sub(rb"[\x80-\xff]", b"?", head) + body
