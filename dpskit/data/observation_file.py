"""Observations on disk: a TOML file that a person can write, beside text files of points."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dpskit.checks import check_integer, check_number, check_points, check_rotations
from dpskit.data.coarse_grain import coarse_grain
from dpskit.data.observations import Observations
from dpskit.data.structures import read_structure
from dpskit.files import replacing

PART_KEYS = {
    "projection": {"points", "rotation", "weight"},
    "coarse": {"points", "weight"},
    "subunit": {"points", "structure", "chains", "n_points", "weight"},
}


def read_observations(path: str | Path) -> Observations:
    """Read a file like this one; names of files are relative to its folder, all lengths are in angstrom.

    ```
    [[projection]]                # once for each projection
    points = "view1.txt"          # one "x y" per line, or a .npy file (m, 2)
    rotation = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]     # R in (x R)_{:, (1, 2)}: row vectors x, z dropped

    [coarse]                      # a low-resolution structure
    points = "coarse.txt"         # one "x y z" per line, or .npy (m, 3)
    weight = 2                    # of this observation beside the others (default 1)

    [subunit]                     # a known part in its place: points as above, or chains of a structure file
    structure = "part.cif"
    chains = ["A", "B"]           # default: all
    n_points = 300                # how many of the model's points it takes: about n of the model times its mass share
    ```
    Raises FileNotFoundError or ValueError with one sentence that names the file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"path must be an existing TOML file of observations, got {str(path)!r}.")
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} must be a TOML file, but it cannot be read: {str(error).rstrip('.')}.") from None
    views = content.get("projection", [])
    if not isinstance(views, list):
        raise ValueError(f"{path}: every projection must be headed by [[projection]], got [projection].")
    parts = [("projection", view) for view in views]
    parts += [(name, content[name]) for name in ("coarse", "subunit") if name in content]
    _check_keys(path, content, parts)
    coarse, subunit = content.get("coarse"), content.get("subunit")
    weights = [check_number(f"{path}: weight", part.get("weight", 1.0), least=0) / len(parts) for _, part in parts]
    return Observations(
        [_points(path, view, 2) for view in views],
        torch.cat([check_rotations(f"{path}: rotation", [view.get("rotation")]) for view in views]) if views else None,
        None if coarse is None else _points(path, coarse, 3),
        None if subunit is None else _subunit(path, subunit),
        weights,
    )


def write_observations(observations: Observations, path: str | Path) -> None:
    """Write `path`, a TOML file as `read_observations` takes it, and its points as text files beside it."""
    path = Path(path)
    if path.suffix != ".toml":
        raise ValueError(f"path must end in .toml, got {path}.")
    weights = iter(observations.weights or [None] * (len(observations.projections) + 2))
    parts = [(f"view{k}", y) for k, y in enumerate(observations.projections, start=1)]
    parts += [(name, y) for name in ("coarse", "subunit") if (y := getattr(observations, name)) is not None]
    lines = ["# Lengths in angstrom. A projection holds (x R)_{:, (1, 2)}: row vectors x, z dropped."]
    for k, (name, points) in enumerate(parts):
        file = path.with_name(f"{path.stem}_{name}.txt")
        with replacing(file) as part:
            np.savetxt(part, points.numpy(), fmt="%.4f")
        is_view = name.startswith("view")
        lines += ["", "[[projection]]" if is_view else f"[{name}]", f'points = "{file.name}"']
        if is_view:
            lines.append(f"rotation = {observations.rotations[k].tolist()}")
        if (weight := next(weights)) is not None:
            lines.append(f"weight = {weight * len(parts):.8g}")
    with replacing(path) as part:
        part.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _check_keys(path: Path, content: dict[str, Any], parts: list[tuple[str, Any]]) -> None:
    unknown = set(content) - set(PART_KEYS)
    if unknown:
        raise ValueError(f"{path} may hold {', '.join(PART_KEYS)}; got {sorted(unknown)[0]!r}.")
    for name, part in parts:
        known = PART_KEYS[name]
        if not isinstance(part, dict) or set(part) - known:
            got = repr(sorted(set(part) - known)[0]) if isinstance(part, dict) else repr(part)
            raise ValueError(f"{path}: {name} may hold {', '.join(sorted(known))}; got {got}.")


def _points(path: Path, part: dict[str, Any], dim: int) -> Tensor:
    if not isinstance(part.get("points"), str):
        raise ValueError(f"{path}: points must be the name of a file of points, got {part.get('points')!r}.")
    file = path.parent / part["points"]
    if not file.is_file():
        raise FileNotFoundError(f"{path}: points must name an existing file, but there is no {file}.")
    try:
        points = np.load(file, allow_pickle=False) if file.suffix == ".npy" else np.loadtxt(file, ndmin=2)
    except (ValueError, EOFError, OSError) as error:
        reason = (str(error).splitlines() or ["it is cut off"])[0].rstrip(".")
        raise ValueError(f"{file} must hold {dim} numbers per line, but it cannot be read: {reason}.") from None
    return check_points(str(file), points, dim)


def _subunit(path: Path, part: dict[str, Any]) -> Tensor:
    if "structure" not in part:
        return _points(path, part, 3)
    if "points" in part:
        raise ValueError(f"{path}: subunit must name points or a structure, got both.")
    if not isinstance(part["structure"], str):
        raise ValueError(f"{path}: structure must be the name of a structure file, got {part['structure']!r}.")
    n_points = check_integer(f"{path}: n_points", part.get("n_points"), least=2)
    structure = read_structure(path.parent / part["structure"], assembly=False)
    atoms = structure.chain_atoms(part["chains"]) if "chains" in part else structure.atoms
    coarse = coarse_grain(atoms, n_points)
    return coarse.frame.to_physical(coarse.points)
