"""The command line: `dpskit reconstruct | data | train | sample | benchmark`, thin over the library's functions."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dpskit.priors.transformer import PRESETS

if TYPE_CHECKING:
    from dpskit.training.config import Stage

STAGE = "UNTIL N_POINTS BATCH [P_MEAN P_STD T_MAX], with UNTIL the share of the clouds at which the stage ends"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; errors in the input end with one sentence and exit status 2."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except (ValueError, TypeError, FileNotFoundError, FileExistsError, ConnectionError) as error:
        print(f"dpskit: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dpskit", description="Bayesian 3-D reconstruction with diffusion priors.")
    commands = parser.add_subparsers(required=True, metavar="command")

    known = _add(commands, "reconstruct", _reconstruct, "reconstruct a complex from observations in angstrom")
    known.add_argument(
        "source", help="TOML file of observations, or a structure (file or PDB code) to simulate some of"
    )
    known.add_argument("--out", required=True, help="folder to write: samples as npz and mmCIF, densities as MRC")
    known.add_argument("--prior", default="complexes", help="a shipped name, or a .safetensors file")
    known.add_argument("--n-samples", type=int, default=10, help="number of models")
    known.add_argument("--n-points", type=int, default=1024, help="points per model")
    known.add_argument("--n-steps", type=int, default=40, help="steps from t = 1 to 0")
    known.add_argument("--alpha", type=float, help="strength of the data (default: by the paper's Table 4)")
    known.add_argument("--resolution", type=float, default=15.0, help="of the densities, in angstrom")
    known.add_argument("--seed", type=int, default=0, help="of the samples, and of simulated observations")
    known.add_argument("--ml", action="store_true", help="also by maximum likelihood, for comparison")
    simulated = known.add_argument_group("observations simulated from a structure")
    simulated.add_argument("--views", type=int, default=4, help="number of projections")
    simulated.add_argument("--view-points", type=int, default=1024, help="points per projection")
    simulated.add_argument("--coarse-points", type=int, default=0, help="points of a low-resolution structure")
    simulated.add_argument("--chains", nargs="+", default=[], help="chains of a known subunit")

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
    budget = train.add_mutually_exclusive_group()
    budget.add_argument("--clouds", type=int, help="how many clouds to draw in all; all schedules follow it")
    budget.add_argument("--minutes", type=float, help="the same, as the time it takes here, which is measured first")
    train.add_argument("--resume", action="store_true", help="continue the run of --out, in its settings")
    train.add_argument("--time-limit", type=float, help="stop after so many minutes, to be resumed later")
    train.add_argument("--preset", choices=sorted(PRESETS), default="small", help="size of the network")
    train.add_argument("--initial", help="prior to start from (fine-tuning): a shipped name, or a .safetensors file")
    train.add_argument("--proper", action="store_true", help="augment with proper rotations only (biomolecules)")
    train.add_argument("--stage", nargs="+", action="append", type=float, help=f"repeatable: {STAGE}")
    train.add_argument("--learning-rate", type=float, default=2e-3, help="at its peak")
    train.add_argument("--precision", choices=["bf16", "fp32"], default="bf16", help="of the arithmetic")
    train.add_argument("--accelerator", choices=["auto", "cpu", "cuda"], default="auto", help="where to train")
    train.add_argument("--threads", type=int, help="CPU threads (default: all)")
    train.add_argument("--compile", action="store_true", help="use torch.compile (needs a C++ compiler)")
    train.add_argument("--seed", type=int, default=0, help="of weights, data order and noise")
    train.add_argument("--interval", type=float, default=150, help="seconds between checkpoints")
    train.add_argument(
        "--shard-size", type=float, nargs="?", const=15.0, help="split what is written into files of MiB"
    )

    draw = _add(commands, "sample", _sample, "draw unconditional samples of a prior")
    draw.add_argument("prior", help="a shipped name, or a .safetensors file")
    draw.add_argument("--out", required=True, help="npz file to write")
    draw.add_argument("--n-samples", type=int, default=10, help="number of clouds")
    draw.add_argument("--n-points", type=int, default=1024, help="points per cloud")
    draw.add_argument("--n-steps", type=int, default=100, help="steps from t = 80 to 0")
    draw.add_argument("--seed", type=int, default=0, help="of the noise")

    benchmark = commands.add_parser("benchmark", help="measure, and print a table")
    kinds = benchmark.add_subparsers(required=True, metavar="what")
    helps = {"chairs": "npz file with points (k, m, 3) and name", "complexes": "structure files or PDB codes"}
    for name, targets in helps.items():
        kind = _add(kinds, name, _benchmark, f"reconstruct {name} with several priors and by maximum likelihood")
        kind.add_argument("targets", nargs="+" if name == "complexes" else 1, help=targets)
        kind.add_argument("--train", required=name == "chairs", help="npz of training clouds, for the baseline priors")
        kind.add_argument("--prior", default=name, help="a shipped name, or a .safetensors file")
        kind.add_argument("--record", help="file of JSON lines to continue (default: results/benchmark/...)")
        kind.add_argument("--no-prior", action="store_true", help="the baselines alone")
        kind.add_argument("--n-samples", type=int, default=2, help="per target and method")
        kind.add_argument("--sweep", type=int, default=4 if name == "chairs" else 0, help="targets for a scan of alpha")
        kind.set_defaults(kind=name)
    kinds.choices["chairs"].add_argument("--count", type=int, default=12, help="number of targets")
    kinds.choices["complexes"].add_argument(
        "--setting", action="append", help="A.4.1 to A.4.7, repeatable (default: all)"
    )
    prior = _add(kinds, "prior", _benchmark_prior, "sample a prior, and print its row of the paper's Table 3")
    prior.add_argument("prior", help="a shipped name, or a .safetensors file")
    prior.add_argument("--train", required=True, help="packed npz file of the training clouds")
    prior.add_argument("--test", required=True, help="packed npz file of the test clouds")
    prior.add_argument("--n-samples", type=int, default=50, help="samples, test clouds and training clouds")
    prior.add_argument("--n-points", type=int, default=1024, help="points per cloud")
    prior.add_argument("--n-steps", type=int, default=100, help="steps from t = 80 to 0")
    prior.add_argument("--solver", choices=["algorithm1", "heun", "flow"], default="algorithm1", help="of samples")
    prior.add_argument("--seed", type=int, default=0, help="of the samples, and of the poses and points of references")
    prior.add_argument("--emd-clouds", type=int, default=50, help="clouds of each set that are measured with EMD")
    prior.add_argument("--record", help="file of JSON lines to add to; samples and a picture are kept beside it"
                       " (default: results/benchmark/prior-NAME.jsonl)")  # fmt: skip
    speed = _add(kinds, "speed", _benchmark_speed, "time training and sampling for each preset, beside the peak")
    speed.add_argument("--preset", action="append", choices=sorted(PRESETS), help="may be repeated (default: all)")
    speed.add_argument("--n-points", type=int, default=1024, help="points per cloud")
    speed.add_argument("--batch", type=int, help="clouds per step (default: 2 on a CPU, 256 on a GPU)")
    speed.add_argument("--seconds", type=float, default=5.0, help="to measure each for, at least")
    energy = _add(kinds, "energy", _energy, "the energy of maximum likelihood beside the paper's Table 1")
    energy.add_argument("targets", help="npz file with points (k, m, 3) and name")
    energy.add_argument("--count", type=int, default=12, help="number of targets")
    assignment = _add(kinds, "assignment", _assignment, "time the assignment engine beside SciPy and POT")
    assignment.add_argument("--prior", default="chairs", help="whose runs make the problems")
    assignment.add_argument("--example", default="chair", help="the shipped example to reconstruct")
    assignment.add_argument("--n-samples", type=int, default=10, help="clouds per run")
    assignment.add_argument("--every", type=int, default=4, help="let SciPy and POT solve every so many evaluations")
    exact = _add(kinds, "exact", _exact, "guidance rules and samplers where the posterior is known")
    exact.add_argument("--trials", type=int, default=40, help="data sets per case")
    exact.add_argument("--n-samples", type=int, default=48, help="samples per data set")
    calibration = _add(kinds, "calibration", _calibration, "coverage of DPS on targets drawn from the prior")
    calibration.add_argument("--prior", default="chairs", help="a shipped name, or a .safetensors file")
    calibration.add_argument("--folder", default="results/calibration", help="of the runs; continued if it exists")
    calibration.add_argument("--targets", type=int, default=64, help="number of targets to report on")
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


def _reconstruct(options: argparse.Namespace) -> None:
    from dpskit.checks import check_integer, check_number
    from dpskit.data.coarse_grain import coarse_grain
    from dpskit.data.observation_file import read_observations, write_observations
    from dpskit.data.structures import read_structure
    from dpskit.priors.store import load_prior
    from dpskit.reconstruction import deviation, reconstruct, simulate

    for name, least in {"n_samples": 1, "n_points": 2, "n_steps": 1, "seed": 0}.items():
        check_integer(name, getattr(options, name), least=least)
    check_number("resolution", options.resolution, above=0.0)
    prior, folder = load_prior(options.prior), Path(options.out)
    structure = model = None
    if options.source.endswith(".toml"):
        data = read_observations(options.source)
    else:
        structure = read_structure(options.source)
        print(structure)
        # fmt: off
        model = coarse_grain(structure.atoms, options.n_points)
        points = model.frame.to_physical(model.points)
        subunit = structure.chain_points(points, options.chains) if options.chains else None
        data = simulate(model, n_views=options.views, view_points=options.view_points,
                        coarse_points=options.coarse_points, subunit=subunit, seed=options.seed)
        # fmt: on
        write_observations(data, folder / "observations.toml")
    frame = model.frame if model else data.frame()
    x, y, z = frame.center
    print(f"the cube: {2 * frame.scale:.1f} angstrom wide, centre ({x:.1f}, {y:.1f}, {z:.1f})")
    for name, chosen in {"samples": prior, **({"ml": None} if options.ml else {})}.items():
        # fmt: off
        found = reconstruct(data, chosen, frame=frame, n_samples=options.n_samples, n_points=options.n_points,
                            n_steps=options.n_steps, alpha=options.alpha, seed=options.seed)
        # fmt: on
        print(f"{name}: mean energy x 1,000: {1000 * float(found.samples.energy.mean()):.3f}")
        if structure is not None:
            print(f"{name}: {deviation(found, model, structure.atoms)}")
        print(*found.save(folder, name=name, resolution=options.resolution), sep="\n")


def _train(options: argparse.Namespace) -> None:
    import torch

    from dpskit.training.checkpoint import load_checkpoint
    from dpskit.training.config import CURRICULUM, TrainConfig
    from dpskit.training.speed import clouds_in
    from dpskit.training.train import train

    if options.threads:
        torch.set_num_threads(options.threads)
    if options.resume:
        config = load_checkpoint(Path(options.out).with_suffix(".checkpoint"))[1]
        config = replace(config, data=options.data, compile=options.compile)
    elif options.clouds is None and options.minutes is None:
        raise ValueError("--clouds or --minutes must be given, or --resume.")
    else:
        # fmt: off
        config = TrainConfig(options.data, options.clouds or 1, PRESETS[options.preset], options.initial,
                             options.proper, tuple(map(_stage, options.stage or [])) or CURRICULUM,
                             learning_rate=options.learning_rate, precision=options.precision,
                             compile=options.compile, seed=options.seed)
        # fmt: on
        if options.minutes is not None:
            config = replace(config, clouds=clouds_in(options.minutes, config, options.accelerator))
    # fmt: off
    print(train(config, options.out, resume=options.resume, accelerator=options.accelerator,
                interval=options.interval, time_limit=options.time_limit,
                shard_size=None if options.shard_size is None else int(options.shard_size * 2**20)))
    # fmt: on


def _stage(values: Sequence[float]) -> Stage:
    from dpskit.training.config import Stage

    if len(values) not in (3, 6) or any(value != int(value) for value in values[1:3]):
        raise ValueError(f"--stage must be {STAGE}; got {list(values)}.")
    return Stage(values[0], int(values[1]), int(values[2]), *values[3:])


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
    from dpskit.checks import check_choice
    from dpskit.evaluation.benchmark import run, scenarios, tables, targets
    from dpskit.priors.store import load_prior

    if options.kind == "chairs":
        settings, clouds = [scenarios.CHAIRS], targets.chair_targets(options.targets[0], options.count)
        count = len(clouds)
    else:
        known = {scenario.name: scenario for scenario in scenarios.COMPLEXES}
        settings = [known[check_choice("--setting", name, list(known))] for name in options.setting or known]
        clouds, count = targets.complex_targets(options.targets), len(options.targets)
    priors = run.baseline_priors(run.training_clouds(options.train)) if options.train else {}
    if not options.no_prior:
        priors[f"DPS, {Path(options.prior).stem} prior"] = load_prior(options.prior)
    record = Path(options.record or f"results/benchmark/{options.kind}.jsonl")
    # fmt: off
    results = run.run_benchmark(clouds, settings, priors, record, n_samples=options.n_samples, n_swept=options.sweep,
                                count=count)
    # fmt: on
    print(tables.benchmark_table(results, settings))
    if options.kind == "complexes":
        from dpskit.evaluation.benchmark.figures import benchmark_figure

        benchmark_figure(results, settings).savefig(record.with_suffix(".png"))
        print(f"\n{record.with_suffix('.png')}")


def _benchmark_prior(options: argparse.Namespace) -> None:
    from dpskit.evaluation import prior_benchmark
    from dpskit.files import replacing
    from dpskit.priors.store import load_prior
    from dpskit.widgets.figures import cloud_grid

    prior = load_prior(options.prior)
    # fmt: off
    settings = prior_benchmark.Settings(options.n_samples, options.n_points, options.n_steps, options.solver,
                                        options.seed, options.emd_clouds)
    # fmt: on
    record = Path(options.record or f"results/benchmark/prior-{prior.name}.jsonl")
    result, samples = prior_benchmark.benchmark_prior(prior, options.train, options.test, settings, record.parent)
    prior_benchmark.append_record(result, record)
    picture = record.with_name(f"{record.stem}-{settings.solver}.png")
    with replacing(picture) as temporary:
        cloud_grid(samples[:16]).savefig(temporary, format="png")
    print(prior_benchmark.prior_table(result))
    print(f"\nThe first {min(16, len(samples))} samples: {picture}")


def _benchmark_speed(options: argparse.Namespace) -> None:
    from dpskit.evaluation.speed import measure_speed, speed_table

    presets = options.preset or list(PRESETS)
    print(speed_table(measure_speed(presets, options.n_points, options.batch, options.seconds)))


def _energy(options: argparse.Namespace) -> None:
    from dpskit.evaluation.benchmark.tables import energy_table
    from dpskit.evaluation.benchmark.targets import chair_targets

    print(energy_table(chair_targets(options.targets, options.count)))


def _assignment(options: argparse.Namespace) -> None:
    from dpskit import Projections
    from dpskit.data.examples import load_example
    from dpskit.evaluation.assignment_benchmark import assignment_benchmark, assignment_table, record_trajectories
    from dpskit.evaluation.run_profile import profile_run, profile_table, thread_speedup
    from dpskit.priors.store import load_prior

    prior, points = load_prior(options.prior), load_example(options.example).points
    data = Projections.observe(points, n_views=6, n_points=1024)
    profile = profile_run(prior, data, n_samples=options.n_samples)
    print(profile_table(profile, thread_speedup(profile.denoised, data)), end="\n\n")
    trajectories = record_trajectories(prior, points, n_samples=options.n_samples)
    print(assignment_table(assignment_benchmark(trajectories, every=options.every)))


def _exact(options: argparse.Namespace) -> None:
    from dpskit.evaluation.exact_benchmark import exact_benchmark, exact_table

    print(exact_table(exact_benchmark(n_trials=options.trials, n_samples=options.n_samples)))


def _calibration(options: argparse.Namespace) -> None:
    from dpskit.evaluation.calibration_benchmark import calibration_benchmark, calibration_table
    from dpskit.priors.store import load_prior

    print(calibration_table(*calibration_benchmark(load_prior(options.prior), options.folder, options.targets)))
