"""Kill runs, and fill their disk, at random moments: `python tests/faults/faults.py [COUNT] [SEED]`, or `make faults`.

Of train, sample, reconstruct and benchmark: whatever has a final name afterwards is whole, the same
command (train: with --resume) then ends well, and nothing temporary stays. A full disk ends a run with one sentence.
"""

import contextlib
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import gemmi
import numpy as np
import torch

import dpskit
from dpskit.cli import main as dpskit_main
from dpskit.priors.latents import LatentConfig
from dpskit.records import read_records
from dpskit.shards import load_tensors
from dpskit.training.config import Stage, TrainConfig
from dpskit.training.train import train

RUVAB = dpskit.load_example("ruvab").structure_path
POINTS = "48"
COMMANDS = {
    "train": ["train", "DATA", "--out", "out/a"],
    "sample": ["sample", "PRIOR", "--out", "out/s.npz", "--n-samples", "4", "--n-points", "256", "--n-steps", "6"],
    "reconstruct": ["reconstruct", str(RUVAB), "--out", "out/r", "--n-samples", "2", "--n-points", POINTS, "--views",
                    "2", "--view-points", "40", "--n-steps", "8", "--alpha", "1000", "--resolution", "25"],
    "benchmark": ["benchmark", "prior", "PRIOR", "--train", "DATA", "--test", "DATA", "--n-samples", "3", "--n-points",
                  "16", "--n-steps", "10", "--emd-clouds", "2", "--record", "out/b.jsonl"],
}  # fmt: skip
DISK = 8 << 20

SMALL = LatentConfig(latents=4, width=32, point_width=16, rounds=1, blocks=1, cross_width=16, head_width=16,
                     latent_head_width=16)  # fmt: skip


def train_small(arguments):
    """What `dpskit train` does, with a network that is smaller than any that it offers."""
    stages = (Stage(1.0, 16, 8),)
    config = TrainConfig(arguments[1], clouds=320, network=SMALL, curriculum=stages, precision="fp32", held_out=16)
    try:
        train(config, arguments[3], resume="--resume" in arguments, accelerator="cpu", interval=0.3)
    except (OSError, ValueError) as error:
        print(f"dpskit: {error if str(error).endswith('.') else f'{error}.'}", file=sys.stderr)
        return 2
    return 0


def start(arguments, folder, limit=None):
    """A child of this process, which has everything imported already, that runs the command in `folder`."""
    child = os.fork()
    if child:
        return child
    status = 99
    try:
        os.chdir(folder)
        log = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        torch.set_num_threads(1)
        status = train_small(arguments) if arguments[0] == "train" else dpskit_main(arguments)
    finally:
        with contextlib.suppress(OSError):
            sys.stderr.flush()
        os._exit(status)


def finish(child):
    """The exit status, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def check_whole(folder):
    """Read every file with a final name; raises for one that is half-written."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")):
        if "part" in path.relative_to(folder).parts:  # of a checkpoint that has no name yet
            continue
        if path.suffix == ".npz":
            dpskit.load_samples(path)
        elif path.suffix == ".cif":
            assert gemmi.read_structure(str(path))[0].count_atom_sites() > 0, path
            assert path.read_text().endswith("\n"), path
        elif path.suffix == ".mrc":
            dpskit.read_map(path)
        elif path.suffix == ".safetensors":
            load_tensors(path)
        elif path.suffix == ".jsonl":
            assert len(read_records(path)) == path.read_text().count("\n"), path
        elif path.suffix == ".toml":
            dpskit.read_observations(path)


def temporary(folder):
    return [path for path in folder.rglob(".*") if path.is_file()]


def prepare(folder):
    """What the commands read, and a first complete training run whose prior is sampled."""
    points = np.random.default_rng(0).uniform(-1, 1, (80, 32, 3)).astype(np.float32)
    np.savez(folder / "data.npz", points=points)
    child = start(command("train", folder, out="prior/a"), folder)
    assert finish(child) == 0, (folder / "log").read_text()


def command(name, folder, out=None):
    given = [
        {"DATA": str(folder / "data.npz"), "PRIOR": str(folder / "prior" / "a.safetensors")}.get(a, a)
        for a in COMMANDS[name]
    ]
    return [out if out and argument.startswith("out/") else argument for argument in given]


def resumed(name, arguments, folder):
    """The command that goes on with an interrupted run."""
    begun = any(path.is_dir() and path.name.isdigit() for path in (folder / "out" / "a.checkpoint").glob("*"))
    return [*arguments, "--resume"] if name == "train" and begun else arguments


def kill(name, base, moment, duration):
    """Kill a run at `moment`, a share of its `duration`, check, and go on; returns whether it was still alive."""
    with tempfile.TemporaryDirectory() as made:
        folder, arguments = Path(made), command(name, base)
        child = start(arguments, folder)
        time.sleep(moment * duration)
        os.kill(child, signal.SIGKILL)
        killed = finish(child) == -signal.SIGKILL
        check_whole(folder)
        status = finish(start(resumed(name, arguments, folder), folder))
        assert status == 0, (name, moment, (folder / "log").read_text())
        check_whole(folder)
        assert not temporary(folder), temporary(folder)
        return killed


@contextlib.contextmanager
def small_disk(folder):
    """Mount a file system of `DISK` bytes at `folder`; yields whether that is allowed here (it takes root)."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder)]
    mounted = shutil.which("mount") and subprocess.run(mount, capture_output=True).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill_up(path):
    """Write `path` until there is no space left."""
    with contextlib.suppress(OSError), open(path, "wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def fill(name, base, moment, duration, limit):
    """Fill the disk of a run at `moment`, a share of its `duration`, check, and go on; returns whether that ended it.

    Where no disk can be mounted, no file may be larger than `limit` bytes from the beginning on.
    """
    with tempfile.TemporaryDirectory() as made, small_disk(Path(made) / "out") as mounted:
        folder, arguments = Path(made), command(name, base)
        child = start(arguments, folder, None if mounted else limit)
        if mounted:
            time.sleep(moment * duration)
            fill_up(folder / "out" / ".filler")
        status = finish(child)
        (folder / "out" / ".filler").unlink(missing_ok=True)
        check_whole(folder)
        assert not temporary(folder), temporary(folder)
        said = [line for line in (folder / "log").read_text().splitlines() if line.startswith("dpskit: ")]
        assert "Traceback" not in (folder / "log").read_text(), (name, moment, (folder / "log").read_text())
        assert status == 0 or (status == 2 and said and said[-1].endswith(".")), (name, moment, status, said)
        again = finish(start(resumed(name, arguments, folder), folder))
        assert again == 0, (name, moment, (folder / "log").read_text())
        check_whole(folder)
        return status != 0


def run(names, count, number):
    """{name: (runs killed while alive, runs ended by the disk)}; raises AssertionError for what was lost."""
    draw, found = random.Random(number), {}
    with tempfile.TemporaryDirectory() as made:
        base = Path(made)
        prepare(base)
        for name in names:
            with tempfile.TemporaryDirectory() as trial:
                started = time.monotonic()
                assert finish(start(command(name, base), Path(trial))) == 0, (Path(trial) / "log").read_text()
                duration = time.monotonic() - started
                sizes = [path.stat().st_size for path in Path(trial).rglob("*") if path.is_file()]
            killed = sum(kill(name, base, draw.uniform(0, 1), duration) for _ in range(count))
            moments = [(draw.uniform(0, 1), max(4096, int(draw.uniform(0, 1) * max(sizes)))) for _ in range(count)]
            found[name] = killed, sum(fill(name, base, moment, duration, limit) for moment, limit in moments)
    return found


if __name__ == "__main__":
    count, number = (int(sys.argv[k]) if len(sys.argv) > k else default for k, default in ((1, 10), (2, 0)))
    for name, (killed, ended) in run(COMMANDS, count, number).items():
        print(f"{name}: {count} kills ({killed} while it ran) and {count} full disks ({ended} ended it): nothing lost")
