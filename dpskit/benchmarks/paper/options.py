"""Options that the paper's commands share, and what they make of them."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dpskit.benchmarks.paper.compare import Study
    from dpskit.experiments.scenarios import Scenario
    from dpskit.experiments.targets import Target
    from dpskit.priors.protocol import Prior

PLAIN = "Gaussian prior"
Command = Callable[[argparse.Namespace], None]


def add_shapes(kind: argparse.ArgumentParser, count: int | None = 24) -> None:
    """Which shapes."""
    kind.add_argument("--targets", required=True, help="packed npz file of shapes that stand upright")
    kind.add_argument("--category", action="append", help="only shapes of this category, repeatable")
    kind.add_argument("--turned", type=int, metavar="SEED", help="turn the shapes at random (O(3)) by this seed")
    kind.add_argument("--count", type=int, default=count,
                      help="number of targets, the first ones" + " (default: all)" * (count is None))  # fmt: skip


def add_run(kind: argparse.ArgumentParser, n_samples: int = 2) -> None:
    """How they are reconstructed, and where results go."""
    kind.add_argument("--n-samples", type=int, default=n_samples, help="per target and method")
    kind.add_argument("--n-points", type=int, default=1024, help="points of a reconstruction")
    kind.add_argument(
        "--prior", action="append", help="shipped name or .safetensors file, repeatable (default: the shipped one)"
    )
    kind.add_argument("--gaussian", type=float, default=0.4, help="standard deviation of the Gaussian prior")
    kind.add_argument(
        "--jacobian",
        type=float,
        nargs=2,
        metavar=("LOW", "HIGH"),
        help="noise levels between which the gradient is taken through the denoiser (default: the prior's own)",
    )
    kind.add_argument(
        "--blur", type=float, help="width of the kernels of the data's surprise; 0: without (default: the prior's own)"
    )
    kind.add_argument("--reach", type=_reach, default=2.0, help='bound of the pull; "none": the rule as printed')
    kind.add_argument("--seed", type=int, default=0, help="of targets, data and samples")
    kind.add_argument("--out", help="folder of results, continued if it exists (default: results/...)")
    add_cluster(kind)


def add_cluster(kind: argparse.ArgumentParser) -> None:
    """Where units are run."""
    kind.add_argument("--workers", type=int, default=0, help="processes of one thread each; 0: this one")
    kind.add_argument("--scheduler", help="address of a running Dask scheduler, for many machines")


def on_cluster(command: Command) -> Command:
    """The command with `options.client`: None, or a client of Dask as the options say."""

    @wraps(command)
    def run(options: argparse.Namespace) -> None:
        from dpskit.experiments.cluster import open_client

        with open_client(options.workers, options.scheduler) as options.client:
            command(options)

    return run


def holding(name: str) -> Callable[[Command], Command]:
    """Let a command hold its folder of results, by default that of `name`: it is tried first, and no other run's."""

    def decorate(command: Command) -> Command:
        @wraps(command)
        def run(options: argparse.Namespace) -> None:
            from dpskit.claim import claim

            with claim(folder_of(options, name), folder=True):
                command(options)

        return run

    return decorate


def add_comparison(kind: argparse.ArgumentParser, *, twin: bool, noise: float) -> None:
    """What is compared beside DPS in the paper's settings."""
    kind.add_argument("--n-steps", type=int, help="steps of the solver (default: the paper's 40)")
    kind.add_argument("--alpha", type=_alpha, help="strength of the guidance, or auto: 50 for each observed point"
                      " (default: the paper's)")  # fmt: skip
    kind.add_argument("--choose-alpha", type=int, default=0, metavar="N", help="choose alpha on N other targets")
    kind.add_argument("--choose-for", choices=["each", "gaussian"], default="each",
                      help="the priors whose alpha is chosen")  # fmt: skip
    kind.add_argument(
        "--balanced",
        action="store_true",
        help="use every observed point equally often, where the paper draws how often",
    )
    kind.add_argument(
        "--means",
        action="store_true",
        help="take coarse points for means of groups of points, where the paper draws every point to them",
    )
    kind.add_argument("--no-prior", action="store_true", help="maximum likelihood and the Gaussian prior alone")
    kind.add_argument(
        "--twin",
        action=argparse.BooleanOptionalAction,
        default=twin,
        help="also with points drawn anew for each view, and noise",
    )
    kind.add_argument("--noise", type=float, default=noise, help="of the twin: angstrom, or units of the cube")
    kind.add_argument("--smooth", action="store_true", help="also maximum likelihood with a roughness penalty")
    kind.add_argument("--train", help="npz file of training clouds: also the nearest of them, and independent points")


def shapes(options: argparse.Namespace, kind: str, n_others: int = 0) -> tuple[list[Target], list[Target]]:
    """The targets of rows of a `kind` ("chairs" or "shapes"), and the others on which alphas are chosen."""
    from dpskit.benchmarks.paper import CHAIR
    from dpskit.checks import check_integer
    from dpskit.data.packed import read_packed
    from dpskit.experiments.targets import shape_targets

    categories = {str(name) for name in read_packed(options.targets, "targets").category}
    chairs = ["chair"] if kind == CHAIR and "chair" in categories else None
    known = shape_targets(
        options.targets, options.n_points, options.seed, categories=options.category or chairs, turned=options.turned
    )
    count = check_integer("--count", len(known) - n_others if options.count is None else options.count)
    if count + n_others > len(known):
        raise ValueError(f"--count and --choose-alpha must be at most {len(known)} targets, got {count} + {n_others}.")
    return known[:count], known[count : count + n_others]


def complexes(options: argparse.Namespace) -> tuple[list[Target], list[Target]]:
    """The targets among the options' structures, and the others on which alphas are chosen."""
    from dpskit.checks import check_choice
    from dpskit.experiments.targets import draw_sources, source_id

    sources = {source_id(source): source for source in options.structures}
    for option, names in (("--exclude", options.exclude), ("--choose", options.choose)):
        for name in names:
            check_choice(option, name.lower(), sources)
    left_out = {name.lower() for name in (*options.exclude, *options.choose)}
    n_others = 0 if options.choose else options.choose_alpha
    drawn = draw_sources([s for s in sources if s not in left_out], options.count + n_others, options.seed)
    others = [name.lower() for name in options.choose] or drawn[options.count :]
    return _read(drawn[: options.count], sources, options), _read(others, sources, options)


def _read(names: Sequence[str], sources: dict[str, str], options: argparse.Namespace) -> list[Target]:
    """The structures, coarse-grained by the workers if there are any."""
    from dpskit.data.structures import check_structure_files
    from dpskit.experiments.cluster import run_tasks
    from dpskit.experiments.targets import complex_target
    from dpskit.progress import tqdm

    check_structure_files([sources[name] for name in names])
    tasks = [(str(sources[name]), options.n_points, options.seed) for name in names]
    running = tqdm(run_tasks(complex_target, tasks, options.client), desc="structures", total=len(tasks))
    found = dict(running)
    return [found[k] for k in range(len(tasks))]


def make_study(
    options: argparse.Namespace, name: str, kind: str, targets: Sequence[Target], others: Sequence[Target] = ()
) -> Study:
    """What the options compare on these targets. kind: of objects, by which a prior is shipped."""
    from dpskit.benchmarks.paper import COMPLEX
    from dpskit.benchmarks.paper.compare import Study
    from dpskit.experiments.methods import SMOOTH_MAP, nearest_cloud, point_prior
    from dpskit.experiments.units import run_units
    from dpskit.priors.analytic import GaussianPrior
    from dpskit.progress import write
    from dpskit.training.data import load_clouds

    turned = kind == COMPLEX or getattr(options, "turned", None) is not None
    priors: dict[str, Prior] = trained_priors(options, kind)
    extra = [SMOOTH_MAP] * getattr(options, "smooth", False)
    if getattr(options, "train", None):
        clouds = load_clouds(options.train, held_out=1)[0]
        extra.append(nearest_cloud(clouds, turned=turned, reflections=kind != COMPLEX))
        priors["independent points"] = point_prior(clouds, turned=turned)
    priors[PLAIN] = GaussianPrior(0.0, options.gaussian)
    return Study(
        targets,
        options.n_samples,
        folder_of(options, name) / "units",
        priors,
        PLAIN,
        others,
        [PLAIN] if getattr(options, "choose_for", None) == "gaussian" else [],
        guidance_rule(options),
        extra,
        turned,
        partial(run_units, client=options.client),
        write,
    )


def trained_priors(options: argparse.Namespace, kind: str) -> dict[str, Prior]:
    """The priors that the options name, or the shipped one of this kind."""
    from dpskit.priors.store import load_prior

    names = [] if getattr(options, "no_prior", False) else options.prior or [kind]
    return {f"{Path(name).stem} prior": load_prior(name) for name in names}


def guidance_rule(options: argparse.Namespace) -> Callable[[float], Any]:
    """The guidance of an alpha."""
    from dpskit.sampling.dps import DPS

    return partial(DPS, reach=options.reach, jacobian=options.jacobian, blur=options.blur)


def changed(options: argparse.Namespace, scenario: Scenario) -> Scenario:
    """The scenario with the options' own settings, and what differs from the paper's in its name."""
    from dataclasses import replace

    given, words = {"balanced": options.balanced, "means": options.means}, [scenario.name]
    if options.n_steps is not None:
        given["n_steps"] = options.n_steps
        words.append(f"{options.n_steps} steps")
    words += [choice for choice in ("balanced", "means") if given[choice]]
    if options.alpha is not None:
        given["alpha"] = replace(scenario, **given).usual_alpha if options.alpha == "auto" else options.alpha
    if getattr(options, "turned", None) is not None:
        words.append("turned")
    if options.blur is not None:
        words.append(f"blur {options.blur:g}")
    return replace(scenario, **given, name=", ".join(words))


def note_of(options: argparse.Namespace, priors: Mapping[str, Prior]) -> str:
    """What a reader should know of the run, with what each of the priors asks for where the options leave it open."""
    from dpskit.sampling.dps import EVERYWHERE

    bound, settings = "none" if options.reach is None else f"{options.reach:g}", []
    for name, prior in priors.items():
        rule = guidance_rule(options)(0.0).suited(prior)
        low, high = rule.jacobian
        levels = "everywhere" if (low, high) == EVERYWHERE else f"for t from {low:g} to {high:g}"
        settings.append(f"{name} with blur {rule.blur:g}, derivative through the denoiser {levels}")
    text = f"Reach {bound}, seed {options.seed}; {'; '.join(settings)}."
    if not hasattr(options, "turned"):
        return text
    if options.turned is None:
        return f"The shapes stand upright. {text}"
    return f"The shapes are turned at random, by seed {options.turned}. {text}"


def folder_of(options: argparse.Namespace, name: str) -> Path:
    """Where results go."""
    return Path(options.out or f"results/{name}").expanduser()


def _alpha(text: str) -> float | str:
    return text if text == "auto" else _number_or("auto", text)


def _reach(text: str) -> float | None:
    return None if text == "none" else _number_or("none", text)


def _number_or(word: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number or {word}, got {text!r}") from None
