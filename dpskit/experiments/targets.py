"""What is to be reconstructed: shapes as they stand or turned, and structures in random rotations."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from dpskit.checks import check_integer, check_seed
from dpskit.cloud import Frame, normalise, resample
from dpskit.data.coarse_grain import coarse_grain
from dpskit.data.packed import read_packed
from dpskit.data.structures import check_structure_files, is_pdb_code, read_structure
from dpskit.rotations import random_rotations


@dataclass(frozen=True, eq=False)
class Target:
    """An object to reconstruct.

    Attributes
    ----------
    name, points, seed
        points (n, 3): in the cube, in the pose in which it is observed. seed: of its data and of the samples.
    pose
        (3, 3): points = object @ pose. The identity for a shape that stands upright.
    rest
        (m, 3): other points of the surface of a shape, unposed.
    atoms, frame
        Of a structure: (N, 3) as in its file, in angstrom, and the map of the unposed cube to angstrom.
    part
        (l, 3): a known part, those of `points` that belong to it.
    """

    name: str
    points: Tensor
    seed: int
    pose: Tensor = field(default_factory=lambda: torch.eye(3))
    rest: Tensor | None = None
    atoms: Tensor | None = None
    frame: Frame | None = None
    part: Tensor | None = None

    @property
    def scale(self) -> float:
        """Angstrom in a unit of the cube; 1 for shapes."""
        return 1.0 if self.frame is None else self.frame.scale

    @property
    def posed_atoms(self) -> Tensor | None:
        """The atoms in the cube and pose of `points`."""
        if self.atoms is None or self.frame is None:
            return None
        return self.frame.to_cube(self.atoms) @ self.pose

    @property
    def has_others(self) -> bool:
        """Whether other points of the object are known, so that `draw` can be called."""
        return self.atoms is not None or (self.rest is not None and len(self.rest) > 0)

    def draw(self, k: int) -> Tensor:
        """The k-th other set of n points of the same object, in the cube and pose of `points`.

        Of a structure: another coarse-graining of its atoms. Of a shape: other points of its surface. Raises ValueError
        for a shape of which no other points are known.
        """
        if self.atoms is not None and self.frame is not None:
            # The fits of one structure are the same for all poses and seeds of the target, so that they are kept once.
            model = coarse_grain(self.atoms, len(self.points), 1 + k, progress=False)
            return self.frame.to_cube(model.frame.to_physical(model.points)) @ self.pose
        if self.rest is None or not self.has_others:
            raise ValueError(f"targets must hold more points than are reconstructed, but {self.name} has no others.")
        return resample(self.rest, len(self.points), self.seed + k) @ self.pose


def shape_targets(
    path: str | Path,
    n_points: int = 1024,
    seed: int = 0,
    *,
    categories: Collection[str] | None = None,
    turned: int | None = None,
) -> list[Target]:
    """The clouds of a packed npz file (see `dpskit.data.packed`) that are marked "test", or all if none are.

    Parameters
    ----------
    path
        Its clouds stand upright.
    n_points, seed
        Of the points that are to be found, and of the data. Target k of a seed is the same however many are used.
    categories
        Only shapes of these; None: all. Those of several come in a random order (by the seed), others as in the file.
    turned
        Seed of random rotations and reflections, O(3), of the shapes; None: upright.
    """
    clouds = read_packed(path, "targets").clouds()
    clouds = [c for c in clouds if c.split == "test"] or clouds
    if categories is not None:
        clouds = [c for c in clouds if c.category in categories]
    if not clouds:
        raise ValueError(f"targets must hold shapes of {', '.join(sorted(categories or ()))}, but {path} has none.")
    if len({c.category for c in clouds}) > 1:
        order = torch.randperm(len(clouds), generator=torch.Generator().manual_seed(check_seed("seed", seed)))
        clouds = [clouds[k] for k in order.tolist()]
    poses = torch.eye(3).expand(len(clouds), 3, 3)
    if turned is not None:
        poses = random_rotations(len(clouds), turned, reflections=True)
    found = []
    for k, (cloud, pose) in enumerate(zip(clouds, poses, strict=True)):
        mixed = resample(normalise(cloud.points)[0], max(len(cloud.points), n_points), seed)
        found.append(Target(cloud.name, mixed[:n_points] @ pose, seed + k, pose, rest=mixed[n_points:]))
    return found


def draw_sources(sources: Sequence[str], count: int | None, seed: int = 0) -> list[str]:
    """`count` different ones of the sources at random; None: all, in order."""
    if count is None:
        return list(sources)
    count = check_integer("count", count)
    if count > len(sources):
        raise ValueError(f"count must be at most the number of structures, {len(sources)}, got {count}.")
    order = torch.randperm(len(sources), generator=torch.Generator().manual_seed(seed))
    return [sources[k] for k in order[:count].tolist()]


def source_id(source: str | Path) -> str:
    """The id by which a structure file or PDB code is chosen: the file's name up to its first dot, in lower case."""
    return (str(source) if is_pdb_code(source) else Path(source).name.partition(".")[0]).lower()


def complex_targets(
    sources: Sequence[str | Path], n_points: int = 1024, seed: int = 0, *, chains: Sequence[str] = ()
) -> Iterator[Target]:
    """Structures (files or PDB codes), coarse-grained to `n_points` when their turn comes, under random rotations.

    Rotation, data and samples of a structure follow from its name and `seed`, whatever else is in the list. chains: of
    a part that is known. Raises FileNotFoundError at once for a file that is missing.
    """
    check_structure_files(sources)
    return (complex_target(source, n_points, seed, chains) for source in sources)


def complex_target(source: str | Path, n_points: int = 1024, seed: int = 0, chains: Sequence[str] = ()) -> Target:
    """One of `complex_targets`."""
    structure = read_structure(source)
    model = coarse_grain(structure.atoms, n_points, 0, progress=False)
    own = (zlib.crc32(structure.name.lower().encode()) + seed) % 2**31
    pose, part = random_rotations(1, own)[0], None
    if chains:
        known = structure.chain_points(model.frame.to_physical(model.points), chains)
        part = model.frame.to_cube(known) @ pose
    return Target(structure.name, model.points @ pose, own, pose, atoms=structure.atoms, frame=model.frame, part=part)
