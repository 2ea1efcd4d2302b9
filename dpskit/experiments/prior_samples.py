"""Unconditional samples of a prior for benchmarks and model cards, drawn once and kept."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from dpskit.checks import check_choice, check_integer, check_seed
from dpskit.priors.edm import DiffusionPrior
from dpskit.sampling.noise import InverseTime
from dpskit.sampling.protocol import Solver
from dpskit.sampling.sample import iterate
from dpskit.sampling.samples import Samples, describe, load_samples
from dpskit.sampling.schedule import karras_schedule
from dpskit.sampling.solvers import FLOW, Algorithm1, Heun
from dpskit.version import NUMBERS, __version__

SOLVERS = ("flow", "algorithm1", "heun")
T_MAX = 80.0


@dataclass(frozen=True)
class SampleSettings:
    """Settings of unconditional samples: number, points, steps from t = 80, solver and seed.

    The seed also draws the rotations and points of the reference sets. emd_clouds: how many of each set, the first
    ones, are measured with the earth mover's distance, which is some six times as slow.
    """

    n_samples: int = 50
    n_points: int = 1024
    n_steps: int = 100
    solver: str = "flow"
    seed: int = 0
    emd_clouds: int = 50

    def __post_init__(self) -> None:
        for name in ("n_samples", "n_points", "n_steps", "emd_clouds"):
            check_integer(name, getattr(self, name))
        check_seed("seed", self.seed)
        check_choice("solver", self.solver, list(SOLVERS))

    def make_solver(self, orientation: str) -> Solver:
        """The solver: "flow" is Heun's method without noise, "algorithm1" the paper's way, "heun" has the same noise.

        That is beta(t) = 1/t above 1 ("rotated", biomolecules: above 0.8), 1 below. Paper: figures 3-5. It narrows the
        spread of samples, or widens it with "heun": see `docs/measurements.md`.
        """
        noise = InverseTime(cutoff=0.8 if orientation == "rotated" else 1.0, below=1.0)
        solvers: dict[str, Solver] = {
            "algorithm1": Algorithm1(noise),
            "heun": Heun(noise),
            "flow": FLOW,
        }
        return solvers[self.solver]


def draw_samples(
    prior: DiffusionPrior, settings: SampleSettings, folder: str | Path, *, batch_size: int | None = None
) -> tuple[Tensor, Path]:
    """Unconditional samples (s, n, 3), and the file in `folder` that keeps them, named by weights and settings.

    They are saved after every batch, so that an interrupted run is continued, and a larger one extends a smaller one.
    batch_size: default 2, or 64 on a GPU, where it runs if there is one.
    """
    from dpskit.progress import tqdm

    device = "cuda" if torch.cuda.is_available() else "cpu"
    batch_size = batch_size or (64 if device == "cuda" else 2)
    solver, schedule = settings.make_solver(prior.orientation), karras_schedule(settings.n_steps, t_max=T_MAX)
    about = {"prior": describe(prior), "weights": weights_digest(prior), "n_points": settings.n_points}
    about |= {"solver": describe(solver), "schedule": schedule.tolist(), "numbers": NUMBERS}
    name = hashlib.sha256(json.dumps([about, settings.seed]).encode()).hexdigest()[:12]
    path = Path(folder) / f"{prior.name}-{settings.solver}-{name}.npz"
    points = load_samples(path).points if path.is_file() else torch.zeros(0, settings.n_points, 3)
    prior = prior.to(device)
    with tqdm(total=settings.n_samples, initial=len(points), desc=f"sampling {prior.name}", unit="cloud") as bar:
        while len(points) < settings.n_samples:
            count = min(batch_size, settings.n_samples - len(points))
            run = iterate(
                prior,
                None,
                n_samples=count,
                n_points=settings.n_points,
                schedule=schedule,
                solver=solver,
                seed=settings.seed,
                first=len(points),
                device=device,
                progress=False,
            )
            for info in run:
                reached = info.x
                bar.set_postfix(t=f"{info.t:.3g}")
            points = torch.cat([points, reached.cpu()])
            Samples(points, None, about, settings.seed, __version__).save(path)
            bar.update(count)
    return points[: settings.n_samples], path


def weights_digest(prior: DiffusionPrior) -> str:
    """A hash of the network's weights and size."""
    digest = hashlib.sha256(json.dumps(describe(prior)).encode())
    for name, value in sorted(prior.network.state_dict().items()):
        digest.update(name.encode() + value.detach().cpu().float().numpy().tobytes())
    return digest.hexdigest()[:12]
