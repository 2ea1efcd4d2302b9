"""`dpskit benchmark`: measure, and print a table."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dpskit.benchmarks.paper import command as paper
from dpskit.benchmarks.paper.options import add_cluster, on_cluster
from dpskit.benchmarks.views import command as views
from dpskit.commands.parser import add_command
from dpskit.priors.networks import PRESETS


def add(commands: Any) -> None:
    """Add the command to the parser's `commands`."""
    benchmark = commands.add_parser("benchmark", help="measure, and print a table")
    kinds = benchmark.add_subparsers(required=True, metavar="what")
    paper.add(kinds)
    views.add(kinds)
    for add_kind in (
        _add_prior,
        _add_learning,
        _add_speed,
        _add_runtime,
        _add_assignment,
        _add_coarse_graining,
        _add_exact,
        _add_calibration,
    ):
        add_kind(kinds)


def _add_prior(kinds: Any) -> None:
    text = "sample a prior, and print its row of the paper's Table 3"
    prior = add_command(kinds, "table3", _prior, text, aliases=["prior"])
    prior.add_argument("prior", help="a shipped name, or a .safetensors file")
    prior.add_argument("--train", required=True, help="packed npz file of the training clouds")
    prior.add_argument("--test", required=True, help="packed npz file of the test clouds")
    prior.add_argument("--n-samples", type=int, default=50, help="samples, test clouds and training clouds")
    prior.add_argument("--n-points", type=int, default=1024, help="points per cloud")
    prior.add_argument("--n-steps", type=int, default=100, help="steps from t = 80 to 0")
    prior.add_argument(
        "--solver",
        choices=["flow", "algorithm1", "heun"],
        default="flow",
        help="solver of the samples: flow is Heun's method without noise, algorithm1 the paper's, heun Heun's method"
        " with the same noise",
    )
    prior.add_argument("--seed", type=int, default=0, help="random seed of the samples and of the reference sets")
    prior.add_argument(
        "--emd-clouds",
        type=int,
        default=50,
        help="clouds of each set that are measured with the earth mover's distance, the slow one",
    )
    prior.add_argument(
        "--record",
        help="file of JSON lines to add to; samples and a picture are kept beside it"
        " (default: results/table3/NAME.jsonl)",
    )


def _prior(options: argparse.Namespace) -> None:
    from dpskit.benchmarks import prior as prior_benchmark
    from dpskit.claim import claim
    from dpskit.files import replacing
    from dpskit.plots.figures import cloud_grid
    from dpskit.priors.store import load_prior
    from dpskit.records import append_records

    prior = load_prior(options.prior)
    settings = prior_benchmark.SampleSettings(
        options.n_samples, options.n_points, options.n_steps, options.solver, options.seed, options.emd_clouds
    )
    path = options.record or f"results/table3/{prior.name}.jsonl"
    with claim(path, 12 * settings.n_samples * settings.n_points, name="record") as record:
        result, samples = prior_benchmark.benchmark_prior(prior, options.train, options.test, settings, record.parent)
        append_records(record, [asdict(result)])
        picture = record.with_name(f"{record.stem}-{settings.solver}.png")
        with replacing(picture) as temporary:
            cloud_grid(samples[:16]).savefig(temporary, format="png")
    print(prior_benchmark.prior_table(result))
    print(f"\nThe first {min(16, len(samples))} samples: {picture}")


def _add_learning(kinds: Any) -> None:
    text = "how the loss of priors fell with the hours of training, and what ten times as many would give"
    learning = add_command(kinds, "learning", _learning, text)
    learning.add_argument("prior", nargs="*", help="shipped names, or .safetensors files (default: all that ship)")
    learning.add_argument("--picture", default="results/learning.png", help="file of the picture")


def _learning(options: argparse.Namespace) -> None:
    from dpskit.benchmarks.learning import learning_curve, learning_figure, learning_table
    from dpskit.claim import claim
    from dpskit.files import replacing
    from dpskit.priors.store import list_priors, load_prior

    curves = [learning_curve(load_prior(name)) for name in options.prior or list_priors()]
    print(learning_table(curves))
    with claim(options.picture, 1 << 20, name="picture") as picture, replacing(picture) as temporary:
        learning_figure(curves).savefig(temporary, format="png")
    print(f"\nThe picture: {picture}")


def _add_speed(kinds: Any) -> None:
    speed = add_command(kinds, "speed", _speed, "time training and sampling for each preset, beside the peak")
    speed.add_argument("--preset", action="append", choices=sorted(PRESETS), help="may be repeated (default: all)")
    speed.add_argument("--n-points", type=int, default=1024, help="points per cloud")
    speed.add_argument("--batch", type=int, help="clouds per step (default: 2 on a CPU, 256 on a GPU)")
    speed.add_argument("--seconds", type=float, default=5.0, help="to measure each for, at least")


def _speed(options: argparse.Namespace) -> None:
    from dpskit.benchmarks.speed import measure_speed, speed_table

    presets = options.preset or list(PRESETS)
    print(speed_table(measure_speed(presets, options.n_points, options.batch, options.seconds)))


def _add_runtime(kinds: Any) -> None:
    runtime = add_command(kinds, "runtime", _runtime, "seconds per sample under guidance, beside the paper's")
    runtime.add_argument("--prior", action="append", default=[], help="a shipped name, or a .safetensors file")
    runtime.add_argument(
        "--network", action="append", default=[], choices=sorted(PRESETS), help="a preset with random weights"
    )
    runtime.add_argument("--n-samples", type=int, default=10, help="that run together")
    runtime.add_argument("--n-points", type=int, default=1024, help="points of a sample, and of a view")
    runtime.add_argument("--n-steps", type=int, default=40, help="steps of Algorithm 1")
    runtime.add_argument("--device", default="cpu", help="cpu or cuda")
    runtime.add_argument("--out", default="results/runtime", help="folder of results; added to")


def _runtime(options: argparse.Namespace) -> None:
    from dpskit.benchmarks.runtime import load_runtimes, measure_runtime, runtime_table, save_runtime, untrained
    from dpskit.claim import claim
    from dpskit.priors.store import load_prior

    named = [(load_prior(name), Path(name).stem) for name in options.prior]
    priors = named + [(untrained(preset), f"{preset} (untrained)") for preset in options.network]
    if not priors:
        raise ValueError("--prior or --network must be given at least once.")
    with claim(options.out, folder=True) as folder:
        for prior, name in priors:
            sizes = {"n_samples": options.n_samples, "n_points": options.n_points, "n_steps": options.n_steps}
            save_runtime(measure_runtime(prior, name, device=options.device, **sizes), folder)
        print(runtime_table(load_runtimes(folder)))


def _add_assignment(kinds: Any) -> None:
    assignment = add_command(kinds, "assignment", _assignment, "time the assignment engine beside SciPy and POT")
    assignment.add_argument("--prior", default="chairs", help="whose runs make the problems")
    assignment.add_argument("--example", default="chair", help="the shipped example to reconstruct")
    assignment.add_argument("--n-samples", type=int, default=10, help="clouds in the runs that make the problems")
    assignment.add_argument(
        "--every",
        type=int,
        default=5,
        help="let SciPy and POT solve every so many evaluations"
        " (odd: the first and the second evaluation of a step differ)",
    )


def _assignment(options: argparse.Namespace) -> None:
    from dpskit import Projections
    from dpskit.benchmarks.assignment import assignment_benchmark, assignment_table, record_trajectories
    from dpskit.benchmarks.run_profile import profile_run, thread_speedup
    from dpskit.data.examples import load_example
    from dpskit.priors.store import load_prior

    prior, points = load_prior(options.prior), load_example(options.example).points
    data = Projections.observe(points, n_views=6, n_points=1024)
    speedup = thread_speedup(profile_run(prior, data).denoised, data)
    print(f"Two threads are {speedup:.2f} times as fast as one on the assignments of a run.\n")
    trajectories = record_trajectories(prior, points, n_samples=options.n_samples)
    print(assignment_table(assignment_benchmark(trajectories, every=options.every)))


def _add_coarse_graining(kinds: Any) -> None:
    coarse = add_command(kinds, "coarse-graining", _coarse_graining, "coarse-grain structures: seconds, and RMSD")
    coarse.add_argument("structures", nargs="+", help="structure files or PDB codes")
    coarse.add_argument("--n-points", type=int, default=1024, help="means per structure")
    coarse.add_argument("--seed", type=int, default=0, help="random seed of the fits")


def _coarse_graining(options: argparse.Namespace) -> None:
    from dpskit.benchmarks.coarse_graining import coarse_graining_benchmark, coarse_graining_table

    print(coarse_graining_table(coarse_graining_benchmark(options.structures, options.n_points, options.seed)))


def _add_exact(kinds: Any) -> None:
    exact = add_command(kinds, "exact", _exact, "guidance rules and samplers where the posterior is known")
    exact.add_argument("--trials", type=int, default=40, help="data sets per case")
    exact.add_argument("--n-samples", type=int, default=48, help="samples per data set")
    exact.add_argument("--out", default="results/exact.json", help="file to keep the table in")


def _exact(options: argparse.Namespace) -> None:
    from dpskit.benchmarks.exact import exact_benchmark, exact_table
    from dpskit.claim import claim

    with claim(options.out) as out:
        table = exact_table(exact_benchmark(n_trials=options.trials, n_samples=options.n_samples))
        print(table)
        table.save(out)


def _add_calibration(kinds: Any) -> None:
    text = "coverage of guidance rules on targets drawn from the prior, or on real ones"
    calibration = add_command(kinds, "calibration", _calibration, text)
    calibration.add_argument("--prior", default="chairs", help="a shipped name, or a .safetensors file")
    calibration.add_argument("--folder", default="results/calibration", help="folder of runs, continued if it exists")
    calibration.add_argument("--setting", help="A.4.1 to A.4.4, with 1,024 points (default: row 1 of Table 1 with a"
                             " quarter of its points)")  # fmt: skip
    calibration.add_argument("--truths", help="packed npz file of clouds (default: drawn from the prior)")
    calibration.add_argument("--targets", type=int, default=64, help="number of targets to report on")
    calibration.add_argument("--n-samples", type=int, default=8, help="per target and sampler")
    calibration.add_argument("--alpha", type=float, action="append", help="report on this one, repeatable (default: the"
                             " paper's, and one that is chosen on 32 other targets)")  # fmt: skip
    calibration.add_argument("--noise", type=float, help="standard deviation of the projected points, in units of the"
                             " cube: also LikelihoodScore, which knows it (default: without noise)")  # fmt: skip
    add_cluster(calibration)


@on_cluster
def _calibration(options: argparse.Namespace) -> None:
    from dataclasses import replace

    from dpskit.benchmarks.calibration import (
        ALPHAS,
        CalibrationSetting,
        calibration_benchmark,
        calibration_table,
        choice_table,
    )
    from dpskit.benchmarks.paper import SETTINGS
    from dpskit.checks import check_choice
    from dpskit.claim import claim
    from dpskit.priors.store import load_prior

    setting = CalibrationSetting(n_samples=options.n_samples, truths=options.truths)
    if options.setting:
        setting = replace(setting, scenario=SETTINGS[check_choice("setting", options.setting, SETTINGS)], n_points=1024)
    if options.alpha:
        setting = replace(setting, n_chosen=0)
    setting = replace(setting, scenario=replace(setting.scenario, sigma=options.noise))
    with claim(options.folder, folder=True, name="folder") as folder:
        calibrated, trials = calibration_benchmark(
            load_prior(options.prior), folder, options.targets, setting, options.alpha or ALPHAS, options.client
        )
        table = calibration_table(trials)
        if calibrated is not None:
            print(choice_table(calibrated), end="\n\n")
        print(table)
        table.save(folder / "table.json")
