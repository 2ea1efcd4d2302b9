"""Units of work of a table: one method on one target in one scenario, each with a file of its own.

A run can be interrupted at any time, and taken up again, by other processes too: what has a file is not computed again.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from dpskit.evaluation.alignment import overlay, rmsd_to_atoms, rmsd_to_points
from dpskit.evaluation.distances import chamfer_distance, earth_movers_distance
from dpskit.experiments.cluster import run_tasks
from dpskit.experiments.methods import Method
from dpskit.experiments.scenarios import Scenario
from dpskit.experiments.targets import Target
from dpskit.files import replacing
from dpskit.likelihoods.protocol import Likelihood
from dpskit.rotations import angles_between
from dpskit.sampling.samples import Samples, load_samples
from dpskit.version import NUMBERS, __version__

if TYPE_CHECKING:
    from distributed import Client


@dataclass(frozen=True)
class Result:
    """One number per sample: CD, EMD and E as the library gives them; of structures also RMSDs in angstrom.

    rmsd and rmsd_atoms: to the target's points and to all heavy atoms, after matching the radius of gyration and
    superposing on the points. own_rmsd: of the target's own points to the atoms. seconds: of CPU time, in all.
    pose_error: degrees between the pose that was found and the target's; the mirror image x -> -x of an object counts
    as the object.
    """

    cd: tuple[float, ...]
    emd: tuple[float, ...]
    energy: tuple[float, ...] | None
    rmsd: tuple[float, ...] | None
    rmsd_atoms: tuple[float, ...] | None
    own_rmsd: float | None
    seconds: float
    pose_error: tuple[float, ...] | None = None


@dataclass(frozen=True, eq=False)
class Unit:
    """One method on one target in one scenario. scenario: None for the floor, which needs no data."""

    target: Target
    scenario: Scenario | None
    method: Method
    n_samples: int

    @cached_property
    def about(self) -> dict[str, Any]:
        """What the result depends on, as JSON."""
        data = None
        if self.scenario is not None:
            data = asdict(self.scenario)
            for name in ("name", "alpha", "cutoff", "n_steps"):  # of the method, where it has them
                del data[name]
            for name in ("balanced", "means"):  # younger than the format: results of before are those without them
                if not data[name]:
                    del data[name]
        target = {"name": self.target.name, "points": _digest(self.target.points), "seed": self.target.seed}
        if data is not None and self.target.part is not None:
            target["part"] = _digest(self.target.part)
        return {"format": NUMBERS, "target": target, "data": data, "n_samples": self.n_samples} | self.method.about

    def path(self, folder: str | Path) -> Path:
        """The file of the result in `folder`, named after the target, the method and a hash of `about`."""
        digest = hashlib.sha256(json.dumps(self.about, sort_keys=True).encode()).hexdigest()[:16]
        readable = re.sub(r"[^a-zA-Z0-9]+", "-", f"{self.target.name} {self.method.about['method']}").lower()
        return Path(folder) / f"{readable[:60]}-{digest}.json"

    def load(self, folder: str | Path) -> Result | None:
        """The result in `folder`; None if there is none that can be read."""
        try:
            found = json.loads(self.path(folder).read_text())["result"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        fields: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in found.items()}
        return Result(**fields)

    def save(self, result: Result, folder: str | Path) -> None:
        """Write the result; atomic."""
        with replacing(self.path(folder)) as temporary:
            temporary.write_text(json.dumps({"about": self.about, "result": asdict(result)}, indent=1))

    def observe(self) -> Likelihood:
        """The data. Raises ValueError where nothing is observed, as of the floor."""
        target, scenario = self.target, self.scenario
        data = None
        if scenario is not None:
            data = scenario.observe(target.points, target.seed, scale=target.scale, draw=target.draw, part=target.part)
        if data is None:
            raise ValueError(f"scenario must observe something of a target, got {scenario}.")
        return data

    def reconstruct(self) -> Samples:
        """Observe, and reconstruct; of the floor, other points of the same object."""
        target = self.target
        if self.scenario is None or self.method.run is None:
            others = torch.stack([target.draw(k) for k in range(self.n_samples)])
            return Samples(others, None, {}, target.seed, __version__)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of a bad fit: the table shows E
            settings = {"n_samples": self.n_samples, "n_points": len(target.points), "seed": target.seed}
            return self.method.run(self.observe(), **settings)

    def compute(self) -> Result:
        """Reconstruct, and measure."""
        return self.compute_samples()[1]

    def compute_samples(self) -> tuple[Samples, Result]:
        """The samples, and how far they are from the target."""
        start = time.process_time()
        samples = self.reconstruct()
        return samples, measure(self.target, samples, time.process_time() - start)


def measure(target: Target, samples: Samples, seconds: float = 0.0) -> Result:
    """How far samples in the cube are from the target."""
    points = samples.points
    cd, emd = chamfer_distance(points, target.points), earth_movers_distance(points, target.points)
    rmsd = rmsd_atoms = own = None
    atoms = target.posed_atoms
    if atoms is not None:
        moved = overlay(points, target.points)
        rmsd = _numbers(rmsd_to_points(moved, target.points) * target.scale)
        rmsd_atoms = _numbers(rmsd_to_atoms(moved, atoms) * target.scale)
        own = float(rmsd_to_atoms(target.points, atoms)) * target.scale
    energy = None if samples.energy is None else _numbers(samples.energy)
    pose_error = None if samples.pose is None else _numbers(_pose_error(samples.pose, target.pose))
    return Result(_numbers(cd), _numbers(emd), energy, rmsd, rmsd_atoms, own, seconds, pose_error)


def _pose_error(found: Tensor, pose: Tensor) -> Tensor:
    """Degrees between poses (s, 3, 3) and one, (3, 3); those of the other handedness are first mirrored, x -> -x."""
    mirrored = torch.diag(torch.tensor([-1.0, 1.0, 1.0])) @ found
    same = torch.linalg.det(found).sign() == torch.linalg.det(pose).sign()
    return angles_between(torch.where(same[:, None, None], found, mirrored), pose)


def _digest(points: Tensor) -> str:
    return hashlib.sha256(points.contiguous().numpy().tobytes()).hexdigest()[:12]


def _numbers(values: Tensor) -> tuple[float, ...]:
    return tuple(values.tolist())


def run_units(units: Sequence[Unit], folder: str | Path, client: Client | None = None) -> Iterator[tuple[Unit, Result]]:
    """The units with their results: first those with a file in `folder`, then the others, written to one as they end.

    client: of Dask, whose workers compute them, and end in any order; see `dpskit.experiments.cluster`.
    """
    missing = []
    for unit in units:
        found = unit.load(folder)
        if found is None:
            missing.append(unit)
        else:
            yield unit, found
    tasks = [(unit.target, unit.scenario, unit.method, unit.n_samples) for unit in missing]
    for number, result in run_tasks(_compute, tasks, client):
        missing[number].save(result, folder)
        yield missing[number], result


def _compute(target: Target, scenario: Scenario | None, method: Method, n_samples: int) -> Result:
    return Unit(target, scenario, method, n_samples).compute()


def keep_samples(unit: Unit, folder: str | Path) -> Samples:
    """The samples of a unit, which are kept beside its result; computed if they are not there."""
    path = unit.path(folder).with_suffix(".npz")
    if path.is_file() and unit.load(folder) is not None:
        return load_samples(path)
    samples, result = unit.compute_samples()
    samples.save(path)
    unit.save(result, folder)
    return samples
