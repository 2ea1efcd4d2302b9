"""The paper's baseline: the energy minimised without any prior."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from dpskit.checks import check_integer, check_method, check_number
from dpskit.likelihoods.protocol import Likelihood, start
from dpskit.sampling.noise import NoiseSource
from dpskit.sampling.samples import Samples, describe
from dpskit.sampling.solvers import Info
from dpskit.version import __version__


def iterate_maximum_likelihood(
    likelihood: Likelihood,
    *,
    n_samples: int = 10,
    n_points: int = 1024,
    n_steps: int = 100,
    learning_rate: float = 0.01,
    seed: int = 0,
) -> Iterator[Info]:
    """Adam on the energy from clouds that are uniform in [-1, 1]^3, one `Info` per step: x is where the step ends, and
    the energy that of where it began. likelihood: `likelihood.start()` lets each step start from the assignments of the
    last. Paper: section 4.2."""
    check_method("likelihood", likelihood, "energy(x0)")
    n_samples, n_points = check_integer("n_samples", n_samples), check_integer("n_points", n_points)
    n_steps, seed = check_integer("n_steps", n_steps), check_integer("seed", seed, least=0)
    learning_rate = check_number("learning_rate", learning_rate, above=0.0)
    normal = NoiseSource(seed, range(n_samples), (n_points, 3)).draw(0)
    return _descend(likelihood, 2 * torch.special.ndtr(normal) - 1, n_steps, learning_rate)


def _descend(likelihood: Likelihood, x: Tensor, n_steps: int, learning_rate: float) -> Iterator[Info]:
    x = x.requires_grad_()
    optimizer = torch.optim.Adam([x], lr=learning_rate)
    for step in range(n_steps):
        optimizer.zero_grad()
        energy = likelihood.energy(x)
        energy.sum().backward()
        optimizer.step()
        reached = x.detach().clone()
        yield Info(step, 0.0, reached, reached, energy.detach())


def maximum_likelihood(
    likelihood: Likelihood,
    *,
    n_samples: int = 10,
    n_points: int = 1024,
    n_steps: int = 100,
    learning_rate: float = 0.01,
    seed: int = 0,
    progress: bool = True,
) -> Samples:
    """The clouds that n_steps of Adam reach from uniform ones in [-1, 1]^3, with their energies: no prior at all.

    likelihood: anything with `energy`, which is minimised. seed: sample k of a seed starts from the same cloud whatever
    n_samples. Returns `Samples` with points (n_samples, n_points, 3). Paper: section 4.2. Raises ValueError on bad
    settings, before any work starts.
    """
    from dpskit.progress import tqdm

    run = start(likelihood)
    steps = iterate_maximum_likelihood(
        run,
        n_samples=n_samples,
        n_points=n_points,
        n_steps=n_steps,
        learning_rate=learning_rate,
        seed=seed,
    )
    for info in tqdm(steps, total=n_steps, desc="maximum likelihood", unit="step", disable=not progress):
        points = info.x
    settings = {
        "method": "maximum_likelihood",
        "likelihood": describe(likelihood),
        "n_steps": n_steps,
        "learning_rate": learning_rate,
    }
    return Samples(points, run.energy(points).detach(), settings, seed, __version__)
