"""Kill workers at random moments, and time them: `python tests/faults/workers.py [COUNT] [SEED]`, or `make workers`.

A part of Table 1 by the Gaussian prior alone, on tori that are made here: in one process, by one, two and four workers,
and by two of which one is killed COUNT times. Every run must leave the same numbers, to the bit.
"""

import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import torch

from dpskit.benchmarks.paper import ROWS
from dpskit.experiments.cluster import open_client
from dpskit.experiments.methods import MAXIMUM_LIKELIHOOD, posterior
from dpskit.experiments.targets import Target
from dpskit.experiments.units import Unit, run_units
from dpskit.priors.analytic import GaussianPrior

N_POINTS = 1024


def torus(seed):
    """A target: points of a torus of random radii."""
    draw = np.random.default_rng(seed)
    ring, tube = draw.uniform(0.5, 0.7), draw.uniform(0.1, 0.3)
    u, v = draw.uniform(0, 2 * np.pi, (2, N_POINTS))
    rows = [(ring + tube * np.cos(v)) * np.cos(u), (ring + tube * np.cos(v)) * np.sin(u), tube * np.sin(v)]
    return Target(f"torus{seed}", torch.tensor(np.stack(rows, axis=1), dtype=torch.float32), seed)


def make_units(count):
    scenario = ROWS["1"]
    methods = [MAXIMUM_LIKELIHOOD, posterior("Gaussian", GaussianPrior(0.0, 0.4), scenario)]
    return [Unit(torus(k), scenario, method, 2) for k in range(count) for method in methods]


def numbers(folder):
    """What the files of units hold, without the time that each took."""
    found = {path.name: json.loads(path.read_text())["result"] for path in sorted(folder.iterdir())}
    for result in found.values():
        del result["seconds"]
    return found


def run(units, folder, client=None):
    """The seconds that the units take, and their numbers."""
    started = time.monotonic()
    list(run_units(units, folder, client))
    return time.monotonic() - started, numbers(folder)


def run_with_kills(units, folder, client, count, seed):
    """Kill one of the workers every few seconds, until `count` have died; how many did before the units ended."""
    draw, ended, killed = random.Random(seed), threading.Event(), []

    def reap():
        while len(killed) < count and not ended.wait(draw.uniform(1, 5)):
            children = psutil.Process().children(recursive=True)
            workers = [child.pid for child in children if "spawn_main" in " ".join(child.cmdline())]
            killed.append(draw.choice(workers))
            os.kill(killed[-1], signal.SIGKILL)

    reaper = threading.Thread(target=reap)
    reaper.start()
    seconds, found = run(units, folder, client)
    ended.set()
    reaper.join()
    return seconds, found, len(killed)


def main(count=10, seed=0, n_targets=24):
    units = make_units(n_targets)
    with tempfile.TemporaryDirectory() as made:
        alone, expected = run(units, Path(made) / "alone")
        print(f"{len(units)} units: {alone:.1f} s in one process", flush=True)
        for workers in (1, 2, 4):
            with open_client(workers) as client:
                run(make_units(workers), Path(made) / f"start{workers}", client)  # imports and compilation
                seconds, found = run(units, Path(made) / f"workers{workers}", client)
            assert found == expected, f"{workers} workers gave other numbers"
            print(f"{workers} workers: {seconds:.1f} s, {alone / seconds:.2f} times as fast, same numbers", flush=True)
        with open_client(2) as client:
            seconds, found, killed = run_with_kills(units, Path(made) / "killed", client, count, seed)
        assert found == expected, "killed workers changed the numbers"
        print(f"2 workers, {killed} killed: {seconds:.1f} s, same numbers")


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:3]))
