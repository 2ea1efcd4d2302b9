"""The command line: `dpskit data | train | sample | benchmark`, thin over the functions of the library."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dpskit.priors.transformer import PRESETS


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; errors in the input end with one sentence and exit status 2."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except (ValueError, TypeError, FileNotFoundError, FileExistsError) as error:
        print(f"dpskit: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dpskit", description="Bayesian 3-D reconstruction with diffusion priors.")
    commands = parser.add_subparsers(required=True, metavar="command")

    data = _add(commands, "data", _data, "read clouds of any kind, and pack them into one npz file to train on")
    data.add_argument("source", nargs="+", help="folder, file, list of PDB codes, PDB code or URL (see read_clouds)")
    data.add_argument("--out", required=True, help="npz file to write")
    data.add_argument("--n-points", type=int, help="per cloud (default: 4096, or 1024 for structures)")
    data.add_argument("--category", action="append", help="keep only this category; may be repeated")
    data.add_argument("--split", choices=["train", "val", "test"], help="keep only this split")
    data.add_argument("--seed", type=int, default=0, help="of the points that are drawn")

    train = _add(commands, "train", _train, "train a prior on point clouds")
    train.add_argument("data", help="npz file with points (k, m, 3)")
    train.add_argument("--out", required=True, help="path of the result, without suffix")
    train.add_argument("--minutes", type=float, required=True, help="time budget; all schedules follow it")
    train.add_argument("--preset", choices=sorted(PRESETS), default="small", help="size of the network")
    train.add_argument("--proper", action="store_true", help="augment with proper rotations only (biomolecules)")
    train.add_argument("--learning-rate", type=float, default=2e-3, help="at its peak")
    train.add_argument("--precision", choices=["bf16", "fp32"], default="bf16", help="of the arithmetic")
    train.add_argument("--threads", type=int, help="CPU threads (default: all)")
    train.add_argument("--compile", action="store_true", help="use torch.compile (needs a C++ compiler)")
    train.add_argument("--seed", type=int, default=0, help="of weights, data order and noise")
    train.add_argument("--resume", action="store_true", help="continue from the checkpoint beside the result")

    draw = _add(commands, "sample", _sample, "draw unconditional samples of a prior")
    draw.add_argument("prior", help="a shipped name, or a .safetensors file")
    draw.add_argument("--out", required=True, help="npz file to write")
    draw.add_argument("--n-samples", type=int, default=10, help="number of clouds")
    draw.add_argument("--n-points", type=int, default=1024, help="points per cloud")
    draw.add_argument("--n-steps", type=int, default=100, help="steps from t = 80 to 0")
    draw.add_argument("--seed", type=int, default=0, help="of the noise")

    benchmark = commands.add_parser("benchmark", help="measure, and print a table")
    kinds = benchmark.add_subparsers(required=True, metavar="what")
    for name, targets in {"chairs": "npz file with points (k, m, 3) and name", "complexes": "structure files"}.items():
        kind = _add(kinds, name, _benchmark, f"reconstruct {name} with several priors and by maximum likelihood")
        kind.add_argument("targets", nargs="+" if name == "complexes" else 1, help=targets)
        kind.add_argument("--train", required=True, help="npz file of training clouds, for the baseline priors")
        kind.add_argument("--prior", default=name, help="a shipped name, or a .safetensors file")
        kind.add_argument("--record", help="file of JSON lines to continue (default: results/benchmark/...)")
        kind.add_argument("--no-prior", action="store_true", help="the baselines alone")
        kind.set_defaults(kind=name)
    kinds.choices["chairs"].add_argument("--count", type=int, default=12, help="number of targets")
    energy = _add(kinds, "energy", _energy, "the energy of maximum likelihood beside the paper's Table 1")
    energy.add_argument("targets", help="npz file with points (k, m, 3) and name")
    energy.add_argument("--count", type=int, default=12, help="number of targets")
    assignment = _add(kinds, "assignment", _assignment, "time the assignment engine beside SciPy and POT")
    assignment.add_argument("--prior", default="chairs", help="whose runs make the problems")
    assignment.add_argument("--example", default="chair", help="the shipped example to reconstruct")
    assignment.add_argument("--n-samples", type=int, default=2, help="clouds per run")
    assignment.add_argument("--every", type=int, default=4, help="let SciPy and POT solve every so many evaluations")
    return parser


def _add(commands: Any, name: str, run: Callable[[argparse.Namespace], None], text: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.set_defaults(run=run)
    return parser


def _data(options: argparse.Namespace) -> None:
    import warnings

    from dpskit.data.packed import pack_clouds
    from dpskit.data.shapes import read_clouds

    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_: print(f"dpskit: {message}", file=sys.stderr)
        # fmt: off
        clouds = read_clouds(options.source, category=options.category, split=options.split,
                             n_points=options.n_points, seed=options.seed)
        # fmt: on
    packed = pack_clouds(clouds, options.n_points, options.seed)
    packed.save(options.out)
    count, n_points = packed.points.shape[:2]
    fewer = packed.size[packed.size < n_points]
    repeated = f"; {len(fewer)} of them have fewer, {fewer.min()} or more, and repeat some" if len(fewer) else ""
    print(f"{options.out}: {count} clouds of {n_points} points{repeated}.")


def _train(options: argparse.Namespace) -> None:
    import signal

    import torch

    from dpskit.training.config import TrainConfig
    from dpskit.training.train import train

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the loop writes its checkpoint on the way out
    if options.threads:
        torch.set_num_threads(options.threads)
    # fmt: off
    config = TrainConfig(options.data, options.minutes, PRESETS[options.preset], options.proper,
                         learning_rate=options.learning_rate, precision=options.precision,
                         compile=options.compile, seed=options.seed)
    # fmt: on
    print(train(config, options.out, resume=options.resume))


def _sample(options: argparse.Namespace) -> None:
    from dpskit import Algorithm1, InverseTime, karras_schedule, load_prior, sample

    prior, schedule = load_prior(options.prior), karras_schedule(options.n_steps, t_max=80.0)
    solver = Algorithm1(InverseTime(cutoff=1.0, below=1.0))
    # fmt: off
    samples = sample(prior, None, n_samples=options.n_samples, n_points=options.n_points, schedule=schedule,
                     solver=solver, seed=options.seed)
    # fmt: on
    samples.save(options.out)


def _benchmark(options: argparse.Namespace) -> None:
    from dpskit.evaluation import benchmark
    from dpskit.priors.store import load_prior

    if options.kind == "chairs":
        scenario, targets = benchmark.CHAIRS, benchmark.chair_targets(options.targets[0], options.count)
    else:
        scenario, targets = benchmark.COMPLEXES, benchmark.complex_targets(options.targets)
    priors = benchmark.baseline_priors(benchmark.training_clouds(options.train))
    if not options.no_prior:
        priors[f"DPS, {Path(options.prior).stem} prior"] = load_prior(options.prior)
    record = options.record or f"results/benchmark/{options.kind}.jsonl"
    print(benchmark.benchmark_table(benchmark.run_benchmark(targets, scenario, priors, record), scenario))


def _energy(options: argparse.Namespace) -> None:
    from dpskit.evaluation.benchmark import chair_targets, energy_table

    print(energy_table(chair_targets(options.targets, options.count)))


def _assignment(options: argparse.Namespace) -> None:
    from dpskit.data.examples import load_example
    from dpskit.evaluation.assignment_benchmark import assignment_benchmark, assignment_table, record_trajectories
    from dpskit.priors.store import load_prior

    points = load_example(options.example).points
    trajectories = record_trajectories(load_prior(options.prior), points, n_samples=options.n_samples)
    print(assignment_table(assignment_benchmark(trajectories, every=options.every)))
