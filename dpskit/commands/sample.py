"""`dpskit sample`: draw from a prior alone."""

from __future__ import annotations

import argparse
from typing import Any

from dpskit.commands.parser import add_command


def add(commands: Any) -> None:
    """Add the command to the parser's `commands`."""
    draw = add_command(commands, "sample", run, "draw unconditional samples of a prior")
    draw.add_argument("prior", help="a shipped name, or a .safetensors file")
    draw.add_argument("--out", required=True, help="npz file to write")
    draw.add_argument("--n-samples", type=int, default=10, help="number of clouds")
    draw.add_argument("--n-points", type=int, default=1024, help="points per cloud")
    draw.add_argument("--n-steps", type=int, default=100, help="steps from t = 80 to 0")
    draw.add_argument("--seed", type=int, default=0, help="random seed of the sampling noise")


def run(options: argparse.Namespace) -> None:
    from dpskit import karras_schedule, load_prior, sample
    from dpskit.claim import claim
    from dpskit.experiments.prior_samples import T_MAX, SampleSettings

    prior = load_prior(options.prior)
    settings = SampleSettings(options.n_samples, options.n_points, options.n_steps, seed=options.seed)
    with claim(options.out, 12 * settings.n_samples * settings.n_points) as out:
        samples = sample(
            prior,
            None,
            n_samples=settings.n_samples,
            n_points=settings.n_points,
            schedule=karras_schedule(settings.n_steps, t_max=T_MAX),
            solver=settings.make_solver(prior.orientation),
            seed=settings.seed,
        )
        samples.save(out)
    print(out)
