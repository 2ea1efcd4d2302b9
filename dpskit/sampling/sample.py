"""Sampling: a solver over a schedule, driven by the score that guidance makes of a prior and a likelihood."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor

from dpskit.likelihoods.protocol import Likelihood
from dpskit.priors.protocol import REMEDY
from dpskit.sampling.protocol import Info
from dpskit.sampling.run import Run, called_as
from dpskit.sampling.samples import Samples
from dpskit.version import __version__


@called_as(Run.of)
def iterate(run: Run) -> Iterator[Info]:
    """Run a solver over a schedule, and yield the diagnostics of every step: what `sample` is built on.

    Parameters
    ----------
    prior, likelihood, n_samples, n_points, dim, pose, schedule, guidance, solver, seed, batch_size, first, device
        As for `sample`; the steps of one batch come after those of another.
    progress
        As for `sample`.

    Returns
    -------
    Iterator[Info]
        One `Info` per step; the last one of a batch holds its samples in `x`.

    Raises
    ------
    ValueError, TypeError
        Before the run starts: for bad settings, and for a prior, likelihood or guidance that a trial on two clouds
        cannot use.

    Examples
    --------
    >>> import dpskit
    >>> data = dpskit.CoarseGrained([[0.3, 0.0, 0.0]], means=True)
    >>> steps = dpskit.iterate(dpskit.GaussianPrior(0.0, 0.5), data, n_samples=2, n_points=8)
    >>> energies = [float(info.energy.mean()) for info in steps]
    >>> len(energies), energies[-1] < energies[0]
    (40, True)
    """
    return run.steps()


@called_as(Run.of)
def sample(run: Run) -> Samples:
    """Draw approximate posterior samples, or samples of the prior.

    Parameters
    ----------
    prior
        Anything with `denoise`, see `Prior`.
    likelihood
        The data: anything with `energy`, see `Likelihood`. None: samples of the prior alone. Of `Projections` with
        unknown or rough orientations, hypotheses are found first (`find_orientations`); each sample takes one, as often
        as it is probable. So for the placement of a `Subunit` that is not placed (`find_placements`).
    n_samples
        Number of clouds.
    n_points, dim
        Points of a cloud, and their coordinates (default: the attribute `shape` of the prior or the likelihood, else
        1024 and 3).
    pose
        How the object stands in the data's frame, for a prior whose objects stand upright; others ignore it. None: as
        the prior's objects do. A rotation R (3, 3), which may be improper: as upright @ R; of (k, 3, 3), sample j takes
        number j mod k. "unknown": up to four hypotheses are found by the prior's templates from a maximum-likelihood
        cloud of the data; each sample takes one, as often as it is probable, and refines it as it runs. These are
        proper, which is enough: an upright prior knows the mirror image of each object, too.
    schedule
        The noise levels, falling to 0, and with them the number of steps (default: 40 steps from t = 1 with data, 100
        steps from t = 80 without; from more for a prior wider than the cube).
    guidance
        How the data steer the prior (default: `DPS`).
    solver
        Default: with data `Algorithm1` at the prior's own cutoff of the noise, without data `Heun` without noise.
    seed
        Sample k of a seed is the same whatever n_samples and the batch size, up to rounding.
    batch_size
        Samples that run together (default: all).
    first
        Number of the first sample, so that a run can be split.
    device
        Where the clouds live: the prior's own (`prior.to(device)`). The numbers drawn are the same everywhere.
    progress
        Whether to show a bar.

    Returns
    -------
    Samples
        points (n_samples, n_points, dim) in the data's frame, their energies, the pose of each, and the settings.

    Raises
    ------
    ValueError, TypeError
        Before the run starts: for bad settings, and for a prior, likelihood or guidance that a trial on two clouds
        cannot use. ValueError, too, if a run diverges, which it can when alpha is too large for the schedule.

    Warns
    -----
    RuntimeWarning
        For samples that fit the data worse than the noise a run begins with, and for a prior whose scale does not fit
        the schedule.

    Notes
    -----
    The reverse SDE dx = -[t + beta(t) t^2] s dt + sqrt(2 beta(t) t^2) dw, with the score s of the guidance. Paper:
    Algorithm 1 and eq. (8). It starts from normal numbers of width sqrt(t^2 + scale^2), that of a noisy cloud of the
    prior at the first t, where the paper's have t: see "How wide a run starts" in docs/measurements.md.

    Examples
    --------
    >>> import dpskit
    >>> points = dpskit.load_example("chair").points
    >>> data = dpskit.Projections.observe(points, n_views=3, n_points=40)
    >>> samples = dpskit.sample(dpskit.GaussianPrior(0.0, 0.4), data, n_samples=2, n_points=64, progress=False)
    >>> samples.points.shape, samples.energy.shape
    (torch.Size([2, 64, 3]), torch.Size([2]))
    """
    batches = list(itertools.islice(run.steps(), run.n_steps - 1, None, run.n_steps))  # the last step of each
    points = torch.cat([info.x for info in batches])
    if not bool(torch.isfinite(points).all()):
        raise ValueError(f"The run diverged (its samples hold NaN or infinity): {REMEDY} helps.")
    energy = None
    if run.likelihood is not None:
        energy = _energies(run, [info.x for info in batches])
        _check_fit(energy, float(_energies(run, [run.start(batch).x for batch in run.batches]).mean()))
    rotations = None if run.orientations is None else run.orientations.of_samples(run.samples)
    poses = None if run.poses is None else torch.cat([info.pose for info in batches])
    placements = None if run.placements is None else run.placements.of_samples(run.samples)
    return Samples(points, energy, run.settings(), run.seed, __version__, rotations, poses, placements)


def _energies(run: Run, clouds: list[Tensor]) -> Tensor:
    """(s,) of the clouds of each batch, one batch after the other, as they may need all memory."""
    data = [cast(Likelihood, run.data(batch)) for batch in run.batches]
    return torch.cat([one.energy(x).detach() for one, x in zip(data, clouds, strict=True)])


def _check_fit(energy: Tensor, start: float) -> None:
    """Raise ValueError for an `energy` (s,) that is not finite, and warn where it is above that at the start."""
    if not bool(torch.isfinite(energy).all()):
        raise ValueError(f"The run diverged (the energy of its samples is NaN or infinite): {REMEDY} helps.")
    worse = int((energy > start).sum())
    if worse:
        message = (
            f"{worse} of {len(energy)} samples fit the data worse than the noise that a run begins with (energy up to "
            f"{float(energy.max()):.3g}, of the noise {start:.3g}), so it has probably diverged: {REMEDY} helps."
        )
        warnings.warn(message, RuntimeWarning, stacklevel=4)
