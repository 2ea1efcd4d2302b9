"""What is to be reconstructed: clouds under a random rotation, because priors know no upright."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from dpskit.checks import check_integer
from dpskit.cloud import normalise, random_rotations, resample
from dpskit.data.coarse_grain import coarse_grain
from dpskit.data.packed import read_packed
from dpskit.data.structures import check_structure_files, read_structure


@dataclass(frozen=True, eq=False)
class Target:
    """A cloud to reconstruct, (n, 3) in the cube and randomly rotated.

    seed: of its data and of the samples. scale: angstrom per unit, and atoms: (N, 3) in the same cube and rotation;
    both None for shapes.
    """

    name: str
    points: Tensor
    seed: int
    scale: float | None = None
    atoms: Tensor | None = None


def chair_targets(path: str | Path, count: int, n_points: int = 1024, seed: int = 0) -> list[Target]:
    """The first `count` clouds of a packed npz file (see `dpskit.data.packed`), each under a random O(3) matrix."""
    clouds = read_packed(path, "targets").clouds()[: check_integer("count", count)]
    rotations = random_rotations(len(clouds), seed, reflections=True)
    return [
        Target(cloud.name, resample(normalise(cloud.points)[0], n_points, seed) @ rotation, seed + k)
        for k, (cloud, rotation) in enumerate(zip(clouds, rotations, strict=True))
    ]


def draw_sources(sources: Sequence[str], count: int | None, seed: int = 0) -> list[str]:
    """`count` different ones of the sources at random; None: all, in order."""
    if count is None:
        return list(sources)
    count = check_integer("count", count)
    if count > len(sources):
        raise ValueError(f"count must be at most the number of structures, {len(sources)}, got {count}.")
    order = torch.randperm(len(sources), generator=torch.Generator().manual_seed(seed))
    return [sources[k] for k in order[:count].tolist()]


def complex_targets(sources: Sequence[str | Path], n_points: int = 1024, seed: int = 0) -> Iterator[Target]:
    """Structures (files or PDB codes), coarse-grained to `n_points` when their turn comes, under random rotations.

    Rotation, data and samples of a structure follow from its name and `seed`, whatever else is in the list. Raises
    FileNotFoundError at once for a file that is missing.
    """
    check_structure_files(sources)
    return _complex_targets(sources, n_points, seed)


def _complex_targets(sources: Sequence[str | Path], n_points: int, seed: int) -> Iterator[Target]:
    for source in sources:
        structure = read_structure(source)
        model = coarse_grain(structure.atoms, n_points, seed)
        own = (zlib.crc32(structure.name.lower().encode()) + seed) % 2**31
        rotation = random_rotations(1, own)[0]
        atoms = model.frame.to_cube(structure.atoms) @ rotation
        yield Target(structure.name, model.points @ rotation, own, model.frame.scale, atoms)
