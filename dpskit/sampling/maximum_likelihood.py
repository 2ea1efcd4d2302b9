"""The paper's baseline: the energy minimised without any prior."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from dpskit.checks import check_integer, check_number, check_seed
from dpskit.likelihoods.protocol import Likelihood, start
from dpskit.sampling.noise import NoiseSource
from dpskit.sampling.protocol import Info
from dpskit.sampling.roughness import NEIGHBOURS, Smoothed
from dpskit.sampling.samples import Samples, describe
from dpskit.sampling.trial import trial_clouds, try_likelihood
from dpskit.version import __version__


def iterate_maximum_likelihood(
    likelihood: Likelihood, n_samples: int, n_points: int, n_steps: int, seed: int = 0, learning_rate: float = 0.01
) -> Iterator[Info]:
    """The steps of `maximum_likelihood`: x is where a step ends, and the energy that of where it began.

    `likelihood.start()` lets each step start from the assignments of the last.
    """
    normal = NoiseSource(seed, range(n_samples), (n_points, 3)).draw(0)
    x = (2 * torch.special.ndtr(normal) - 1).requires_grad_()
    optimizer = torch.optim.Adam([x], lr=learning_rate)
    for step in range(n_steps):
        optimizer.zero_grad()
        with torch.enable_grad():
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
    smoothing: float = 0.0,
    seed: int = 0,
    progress: bool = True,
) -> Samples:
    """Clouds of least energy, found by Adam from uniform ones in [-1, 1]^3: the paper's baseline, without a prior.

    Parameters
    ----------
    likelihood
        The data: anything with `energy`, which is minimised.
    n_samples, n_points
        Number of clouds, and of points in each.
    n_steps, learning_rate
        Of Adam.
    smoothing
        Weight of a penalty on rough clouds, half the mean squared distance of the points from the centre of their eight
        nearest neighbours: a prior that knows surfaces, but no shapes. 0: none, as in the paper; 0.2 is a good one.
    seed
        Sample k of a seed starts from the same cloud whatever n_samples.
    progress
        Whether to show a bar.

    Returns
    -------
    Samples
        points (n_samples, n_points, 3), and their energies, without the penalty.

    Raises
    ------
    ValueError, TypeError
        For bad settings, and for a likelihood that a trial on two clouds cannot use, before any work starts.

    Notes
    -----
    Paper: section 4.2.

    Examples
    --------
    >>> import dpskit
    >>> data = dpskit.CoarseGrained(dpskit.load_example("chair").points[:8])
    >>> fit = dpskit.maximum_likelihood(data, n_samples=2, n_points=8, n_steps=300, progress=False)
    >>> bool((fit.energy < 1e-4).all())
    True
    """
    from dpskit.progress import tqdm

    run = start(likelihood)
    n_samples, n_points = check_integer("n_samples", n_samples), check_integer("n_points", n_points)
    n_steps, seed = check_integer("n_steps", n_steps), check_seed("seed", seed)
    learning_rate = check_number("learning_rate", learning_rate, above=0.0)
    smoothing = check_number("smoothing", smoothing, least=0.0)
    if smoothing and n_points <= NEIGHBOURS:
        raise ValueError(f"n_points must be above {NEIGHBOURS} where smoothing is given, got {n_points}.")
    try_likelihood(likelihood, trial_clouds(n_points, 3))
    minimised = Smoothed(run, smoothing) if smoothing else run
    steps = iterate_maximum_likelihood(minimised, n_samples, n_points, n_steps, seed, learning_rate)
    for info in tqdm(steps, total=n_steps, desc="maximum likelihood", unit="step", disable=not progress):
        points = info.x
    settings = {"method": "maximum_likelihood", "likelihood": describe(likelihood)}
    settings |= {"n_steps": n_steps, "learning_rate": learning_rate} | ({"smoothing": smoothing} if smoothing else {})
    return Samples(points, run.energy(points).detach(), settings, seed, __version__)
