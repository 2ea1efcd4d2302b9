"""Observations on disk: a TOML file that a person can write, beside text files of points."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dpskit.arrays import read_npy
from dpskit.checks import (
    check_array,
    check_integer,
    check_kind,
    check_number,
    check_path,
    check_points,
    check_rotations,
)
from dpskit.data.cloud_files import read_rows
from dpskit.data.coarse_grain import coarse_grain
from dpskit.data.observations import Observations
from dpskit.data.structures import read_structure
from dpskit.data.text import decode
from dpskit.files import replacing

MAX_BYTES, MAX_DOTS = 1 << 20, 200  # of the TOML file, and in a line: keys of many parts take long to read
MAX_POINTS_BYTES = 1 << 28  # of a file of points
PART_KEYS = {
    "projection": {"points", "rotation", "weight"},
    "coarse": {"points", "means", "weight"},
    "subunit": {"points", "structure", "chains", "n_points", "weight"},
}
VIEWS_KEYS = {"trimmed", "shifted"}  # of the table [views], which is no part but says how all projections are


def read_observations(path: str | Path) -> Observations:
    """Read observations from a TOML file that a person can write.

    Names of files in it are relative to its folder, all lengths are in angstrom::

        [[projection]]                # once for each projection
        points = "view1.txt"          # one "x y" or "x, y" per line, or a .npy file (m, 2)
        rotation = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]     # R in (x R)_{:, (1, 2)}: row vectors x, z dropped; or
                                      # "unknown": the run finds it; if all are, the models have the first view's axes

        [views]                       # of all projections, if need be
        trimmed = 0.05                # the share of their points that may be outliers (default 0)
        shifted = true                # each may have been shifted by a length that nobody knows (default false)

        [coarse]                      # a low-resolution structure
        points = "coarse.txt"         # one "x y z" per line, or .npy (m, 3)
        means = true                  # the default: each is the mean of a group of the model's points; false: as in
                                      # the paper, every point of the group lies at it
        weight = 2                    # of this observation beside the others (default 1)

        [subunit]                     # a known part in its place: points as above, or chains of a structure file
        structure = "part.cif"
        chains = ["A", "B"]           # default: all
        n_points = 300                # how many of the model's points it takes: about n times its share of the mass

    Names of files may lead anywhere: read only files of people that you would let choose them.

    Parameters
    ----------
    path : str or Path
        The TOML file.

    Returns
    -------
    Observations
        In angstrom.

    Raises
    ------
    FileNotFoundError, ValueError, TypeError
        One sentence that names the file, and the part of it, such as the second projection.

    Examples
    --------
    >>> import dpskit, pathlib
    >>> _ = pathlib.Path("coarse.txt").write_text("0 0 0, 0 0 90, 0 60 0".replace(", ", chr(10)))
    >>> _ = pathlib.Path("data.toml").write_text('[coarse]' + chr(10) + 'points = "coarse.txt"')
    >>> dpskit.read_observations("data.toml").coarse.shape
    torch.Size([3, 3])
    """
    path = check_path("path", path)
    if not path.is_file():
        raise FileNotFoundError(f"path must be an existing TOML file of observations, got {str(path)!r}.")
    content = _read_toml(path)
    with _named(path):
        views_are = content.pop("views", {})
        with _named("views"):
            _check_keys(views_are, VIEWS_KEYS)
            _check_flag("shifted", views_are.get("shifted", False))
        parts = _parts(content)
        points, rotations, weights, means = {}, [], [], True
        for kind, name, part in parts:
            with _named(name):
                _check_keys(part, PART_KEYS[kind])
                weights.append(check_number("weight", part.get("weight", 1.0), least=0) / len(parts))
                if kind == "projection":
                    rotations.append(_read_rotation(part))
                if kind == "coarse":
                    means = _check_flag("means", part.get("means", True))
                points[name] = _read_part(path.parent, kind, part)
        coarse, subunit = points.pop("coarse", None), points.pop("subunit", None)
        views = list(points.values())
        return Observations(
            views, torch.cat(rotations) if views else None, coarse, subunit, weights, means, **views_are
        )


def write_observations(observations: Observations, path: str | Path) -> None:
    """Write a TOML file as `read_observations` takes it, and its points as text files beside it.

    Parameters
    ----------
    observations : Observations
        What was measured, in angstrom.
    path : str or Path
        Must end in .toml.

    Raises
    ------
    ValueError, TypeError
        For another ending, and for what are no `Observations`.

    Examples
    --------
    >>> import dpskit
    >>> observations = dpskit.Observations(coarse=[[0.0, 0.0, 0.0], [0.0, 60.0, 90.0]])
    >>> dpskit.write_observations(observations, "data.toml")
    >>> dpskit.read_observations("data.toml").coarse.tolist()
    [[0.0, 0.0, 0.0], [0.0, 60.0, 90.0]]
    """
    check_kind("observations", observations, Observations, ", in angstrom")
    path = check_path("path", path)
    if path.suffix != ".toml":
        raise ValueError(f"path must end in .toml, got {path}.")
    parts = [(f"view{k}", y) for k, y in enumerate(observations.projections, start=1)]
    parts += [(name, y) for name in ("coarse", "subunit") if (y := getattr(observations, name)) is not None]
    weights: Sequence[float | None] = observations.weights or [None] * len(parts)
    lines = ["# Lengths in angstrom. A projection holds (x R)_{:, (1, 2)}: row vectors x, z dropped."]
    if observations.trimmed or observations.shifted:
        lines += ["", "[views]", f"trimmed = {observations.trimmed:.8g}"]
        lines += [f"shifted = {str(observations.shifted).lower()}"]
    for k, ((name, points), weight) in enumerate(zip(parts, weights, strict=True)):
        file = path.with_name(f"{path.stem}_{name}.txt")
        with replacing(file) as part:
            np.savetxt(part, points.numpy(), fmt="%.9g")
        is_view = name.startswith("view")
        quoted = json.dumps(file.name, ensure_ascii=False)
        lines += ["", "[[projection]]" if is_view else f"[{name}]", f"points = {quoted}"]
        if is_view:
            rotation = '"unknown"' if k in observations.unknown else str(observations.rotations[k].tolist())
            lines.append(f"rotation = {rotation}")
        if name == "coarse":
            lines.append(f"means = {str(observations.means).lower()}")
        if weight is not None:
            lines.append(f"weight = {weight * len(parts):.8g}")
    with replacing(path) as part:
        part.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _check_flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be true or false, got {value!r}.")
    return value


def _read_toml(path: Path) -> dict[str, Any]:
    """The content of a file that is small and not deeply nested, as these are."""
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{path} must be a TOML file of at most {MAX_BYTES >> 20} MB.")
    text = decode(path.read_bytes())
    numbered = enumerate(text.split("\n"), start=1)
    deep = next((k for k, row in numbered if row.partition("=")[0].count(".") > 20 or row.count(".") > MAX_DOTS), 0)
    if deep:
        raise ValueError(f"{path} must be a TOML file, but it cannot be read: too many dots in a key (at line {deep}).")
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        reason = str(error).rstrip(".") if isinstance(error, ValueError) else "it is nested too deeply"
        if "('projection',) twice" in reason:
            reason += "; head every projection by [[projection]], with two brackets"
        if reason.startswith("Invalid value"):
            reason += '; texts need quotes, as in rotation = "unknown"'
        raise ValueError(f"{path} must be a TOML file, but it cannot be read: {reason}.") from None


@contextmanager
def _named(where: Any) -> Iterator[None]:
    """Prefix error messages with their location."""
    try:
        yield
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{where}: {error}") from None
    except TypeError as error:
        raise TypeError(f"{where}: {error}") from None
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _parts(content: dict[str, Any]) -> list[tuple[str, str, Any]]:
    """Kind, name and content of every observation, in the order of `Observations.weights`."""
    unknown = set(content) - set(PART_KEYS)
    if unknown:
        raise ValueError(f"it may hold views, {', '.join(PART_KEYS)}; got {sorted(unknown)[0]!r}.")
    views = content.get("projection", [])
    if not isinstance(views, list):
        raise ValueError("every projection must be headed by [[projection]], got [projection].")
    parts = [("projection", f"projection {k}", view) for k, view in enumerate(views, start=1)]
    return parts + [(kind, kind, content[kind]) for kind in ("coarse", "subunit") if kind in content]


def _check_keys(part: Any, known: set[str]) -> None:
    if isinstance(part, dict) and "rotation" in known and {"shift", "shifts", "origin"} & set(part):
        got = min({"shift", "shifts", "origin"} & set(part))
        raise ValueError(f"it may not hold {got!r}: subtract the shift from the points of the projection.")
    if not isinstance(part, dict) or set(part) - known:
        got = repr(sorted(set(part) - known)[0]) if isinstance(part, dict) else repr(part)
        raise ValueError(f"it may hold {', '.join(sorted(known))}; got {got}.")


def _read_rotation(part: dict[str, Any]) -> Tensor:
    """(1, 3, 3), NaN where it is unknown."""
    if "rotation" not in part:
        raise ValueError('rotation is missing: give a matrix of three rows, or "unknown".')
    if part["rotation"] == "unknown":
        return torch.full((1, 3, 3), torch.nan)
    if isinstance(part["rotation"], str):
        raise ValueError(f'rotation must be a matrix of three rows, or "unknown"; got {part["rotation"]!r}.')
    rotation = check_array("rotation", part["rotation"], "(3, 3)")
    if rotation.shape == (3,):
        hint = "a matrix of three rows, not three angles: dpskit.read_poses knows those of RELION"
        raise ValueError(f"rotation must be {hint}; got {rotation.tolist()}.")
    if rotation.shape != (3, 3):
        raise ValueError(f"rotation must be a matrix of three rows, got an array of shape {tuple(rotation.shape)}.")
    return check_rotations("rotation", rotation[None])


def _read_part(folder: Path, kind: str, part: dict[str, Any]) -> Tensor:
    """The points (m, 2) of a projection, (m, 3) of others."""
    if "structure" not in part:
        for key in sorted({"chains", "n_points"} & set(part)):
            raise ValueError(f"{key} belongs to a structure, but it names points.")
        return _read_points(_file(folder, part, "points"), 2 if kind == "projection" else 3)
    if "points" in part:
        raise ValueError("it must name points or a structure, got both.")
    n_points = check_integer("n_points", part.get("n_points"), least=2)
    structure = read_structure(_file(folder, part, "structure"), assembly=False)
    atoms = structure.chain_atoms(part["chains"]) if "chains" in part else structure.atoms
    coarse = coarse_grain(atoms, n_points)
    return coarse.frame.to_physical(coarse.points)


def _file(folder: Path, part: dict[str, Any], key: str) -> Path:
    name = part.get(key)
    if not isinstance(name, str):
        raise ValueError(f"{key} must be the name of a file, got {name!r}.")
    path = folder / check_path(key, name)
    if not path.is_file():
        raise FileNotFoundError(f"{key} must name an existing file, but there is no {path}.")
    return path


def _read_points(file: Path, dim: int) -> Tensor:
    try:
        if file.stat().st_size > MAX_POINTS_BYTES:
            raise ValueError(f"it must have at most {MAX_POINTS_BYTES >> 20} MB")
        points = (read_npy if file.suffix.lower() == ".npy" else read_rows)(file.read_bytes())
    except (ValueError, OSError) as error:
        reason = str(error) if isinstance(error, ValueError) else error.strerror
        raise ValueError(f"{file} must hold {dim} numbers per line, but it cannot be read: {reason}.") from None
    return check_points(str(file), points, dim)
