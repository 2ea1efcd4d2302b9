"""Seconds per sample under guidance, of several networks, beside the paper's 72 s (section 4.4)."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from dpskit.benchmarks.run_profile import PAPER_SECONDS, profile_run
from dpskit.data.examples import load_example
from dpskit.files import replacing
from dpskit.likelihoods.projection import Projections
from dpskit.markdown import markdown_table
from dpskit.priors.edm import DiffusionPrior
from dpskit.priors.networks import PRESETS, build
from dpskit.priors.protocol import Prior
from dpskit.sampling.trial import check_device


@dataclass(frozen=True)
class Runtime:
    """Of one prior: seconds per sample in the network (forward and backward), in the assignments and in the rest.

    weights: of the network, in millions. cpu: seconds of CPU time per sample, which on a busy machine say more.
    threads, cores: used, and of the machine.
    """

    prior: str
    weights: float
    n_samples: int
    n_points: int
    n_views: int
    n_steps: int
    device: str
    threads: int
    cores: int
    network: float
    assignment: float
    rest: float
    cpu: float

    @property
    def total(self) -> float:
        """Seconds per sample in all."""
        return self.network + self.assignment + self.rest


def untrained(preset: str) -> DiffusionPrior:
    """A network of this preset with random weights: as fast as a trained one."""
    torch.manual_seed(0)
    network = build(PRESETS[preset]).eval().requires_grad_(False)
    return DiffusionPrior(network, f"{preset} (untrained)")


def measure_runtime(
    prior: Prior,
    name: str,
    *,
    n_samples: int = 10,
    n_points: int = 1024,
    n_views: int = 6,
    n_steps: int = 40,
    device: str = "cpu",
    progress: bool = True,
) -> Runtime:
    """Time one run of DPS on projections of the shipped chair, as section 4.4 of the paper describes it."""
    check_device(device)
    points = load_example("chair").points
    data = Projections.observe(points, n_views, n_points)
    if isinstance(prior, DiffusionPrior):
        prior.network.to(device)
    start = time.process_time()
    profile = profile_run(
        prior, data, n_samples=n_samples, n_points=n_points, n_steps=n_steps, device=device, progress=progress
    )
    cpu = time.process_time() - start
    weights = sum(p.numel() for p in prior.network.parameters()) if isinstance(prior, DiffusionPrior) else 0
    parts = [value / n_samples for value in (profile.network, profile.assignment, profile.rest, cpu)]
    cores = os.cpu_count() or 1
    sizes = (n_samples, n_points, n_views, n_steps)
    return Runtime(name, weights / 1e6, *sizes, device, profile.threads, cores, *parts)


def runtime_table(found: Sequence[Runtime]) -> str:
    """A line per prior, beside the paper's."""
    rows = []
    for one in found:
        name = f"{one.prior}, {one.weights:.1f} M weights" if one.weights else one.prior
        run = f"{one.n_samples} x {one.n_points:,} points, {one.n_views} views, {one.n_steps} steps"
        where = f"{one.device}, {one.threads} of {one.cores} cores" if one.device == "cpu" else one.device
        seconds = [f"{value:.2f}" for value in (one.network, one.assignment, one.rest, one.total, one.cpu)]
        rows.append([name, run, where, *seconds, f"{PAPER_SECONDS / one.total:.1f}"])
    rows.append(
        ["paper", "10 samples, 6 views, 40 steps", "A100 and Xeon", "", "", "", f"{PAPER_SECONDS:.0f}", "", "1"]
    )
    head = ["prior", "run", "device", "network", "assignment", "rest", "s per sample", "CPU s", "times as fast"]
    return markdown_table(head, rows)


def save_runtime(one: Runtime, folder: str | Path) -> Path:
    """Keep it in the folder under the name of its prior and device; atomic."""
    name = "".join(c if c.isalnum() else "-" for c in f"{one.prior} {one.device}").strip("-").lower()
    path = Path(folder) / f"{name}.json"
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(asdict(one)) + "\n")
    return path


def load_runtimes(folder: str | Path) -> list[Runtime]:
    """What `save_runtime` kept, by the name of its file."""
    return [Runtime(**json.loads(path.read_text())) for path in sorted(Path(folder).glob("*.json"))]
