"""Sampling: a solver over a schedule, driven by the score that guidance makes of a prior and a likelihood."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from dpskit.checks import check_integer, check_method, check_seed
from dpskit.likelihoods.joint import seen_from, views_to_orient
from dpskit.likelihoods.protocol import Likelihood
from dpskit.pose.posed import Posed
from dpskit.priors.protocol import REMEDY, Prior
from dpskit.sampling.guidance import DPS, Guidance, Score, Unguided
from dpskit.sampling.noise import InverseTime, NoiseSource
from dpskit.sampling.orientations import find_orientations
from dpskit.sampling.poses import Poses, check_pose, find_poses, in_data_frame
from dpskit.sampling.samples import Samples, describe
from dpskit.sampling.solvers import Algorithm1, Info, Solver, State
from dpskit.sampling.trial import prepare
from dpskit.version import __version__


def iterate(
    prior: Prior,
    likelihood: Likelihood | None,
    *,
    n_samples: int = 10,
    n_points: int | None = None,
    dim: int | None = None,
    pose: Tensor | str | None = None,
    schedule: Tensor | None = None,
    guidance: Guidance | None = None,
    solver: Solver | None = None,
    seed: int = 0,
    first: int = 0,
    device: torch.device | str = "cpu",
) -> Iterator[Info]:
    """Run a solver over a schedule, and yield the diagnostics of every step: what `sample` is built on.

    Parameters
    ----------
    prior, likelihood, n_samples, n_points, dim, pose, schedule, guidance, solver, seed, first, device
        As for `sample`.

    Returns
    -------
    Iterator[Info]
        One `Info` per step; the last one holds the samples in `x`.

    Raises
    ------
    ValueError, TypeError
        Before the run starts: for bad settings, and for a prior, likelihood or guidance that a trial on two clouds
        cannot use.

    Examples
    --------
    >>> import dpskit
    >>> data = dpskit.CoarseGrained([[0.3, 0.0, 0.0]])
    >>> steps = dpskit.iterate(dpskit.GaussianPrior(0.0, 0.5), data, n_samples=2, n_points=8)
    >>> energies = [float(info.energy.mean()) for info in steps]
    >>> len(energies), energies[-1] < energies[0]
    (40, True)
    """
    n_samples, first = check_integer("n_samples", n_samples), check_integer("first", first, least=0)
    seed = check_seed("seed", seed)
    run = _Run.of(prior, likelihood, n_points, dim, pose, schedule, guidance, solver, seed, device)
    return run.steps(seed, range(first, first + n_samples))


@dataclass(frozen=True, eq=False)
class _Run:
    """The checked parts of a run."""

    prior: Prior
    likelihood: Likelihood | None
    guidance: Guidance
    solver: Solver
    times: list[float]
    shape: tuple[int, int]
    poses: Poses | None
    orientations: Poses | None
    device: torch.device

    @staticmethod
    def of(
        prior: Prior,
        likelihood: Likelihood | None,
        n_points: int | None,
        dim: int | None,
        pose: Tensor | str | None,
        schedule: Tensor | None,
        guidance: Guidance | None,
        solver: Solver | None,
        seed: int,
        device: torch.device | str,
    ) -> _Run:
        check_method("prior", prior, "denoise(x, t)")
        if likelihood is not None:
            check_method("likelihood", likelihood, "energy(x0)")
        guidance = DPS(getattr(prior, "alpha", DPS.alpha)) if guidance is None else guidance
        if solver is None:
            solver = Algorithm1(InverseTime(0.0 if likelihood is None else getattr(prior, "cutoff", 0.0)))
        check_method("guidance", guidance, "__call__(prior, likelihood)")
        check_method("solver", solver, "step(score, state, t, t_next)")
        pose = check_pose(pose, prior, likelihood)
        one = likelihood if pose is None or likelihood is None else Posed(likelihood, torch.eye(3).unsqueeze(0))
        _score(guidance, prior, one)  # what it refuses, it refuses here
        density = likelihood is not None and getattr(guidance, "uses_log_prob", False)
        shape, times = prepare(prior, likelihood, n_points, dim, schedule, density=density, device=device)
        if pose is not None and shape[1] != 3:
            raise ValueError(f"dim must be 3 where a pose is given, got {shape[1]}.")
        poses = Poses(pose) if isinstance(pose, Tensor) else None
        if isinstance(pose, str) and likelihood is not None:
            poses = find_poses(prior, likelihood, shape[0], seed)
        views = views_to_orient(likelihood)
        orientations = None if views is None else find_orientations(views, seed)
        return _Run(prior, likelihood, guidance, solver, times, shape, poses, orientations, torch.device(device))

    def data(self, samples: range) -> Likelihood | None:
        """The data as the samples with these numbers see them: each from the orientations of one hypothesis."""
        if self.orientations is None or self.likelihood is None:
            return self.likelihood
        return seen_from(self.likelihood, self.orientations.of(samples).to(self.device))

    def steps(self, seed: int, samples: range) -> Iterator[Info]:
        """The steps of the samples with these numbers, in the data's frame."""
        if self.poses is None:
            return self._steps(seed, samples, self.data(samples))
        rotations = self.poses.of(samples).to(self.device)
        data = self.data(samples)
        posed = None if data is None else Posed(data, rotations, self.poses.weights is not None)
        return in_data_frame(self._steps(seed, samples, posed), rotations)

    def _steps(self, seed: int, samples: range, likelihood: Likelihood | None) -> Iterator[Info]:
        score = _score(self.guidance, self.prior, likelihood)
        noise = NoiseSource(seed, samples, self.shape)
        state = State(self.times[0] * noise.draw(0).to(self.device), 0, noise)
        for t, t_next in itertools.pairwise(self.times):
            state, info = self.solver.step(score, state, t, t_next)
            yield info


def sample(
    prior: Prior,
    likelihood: Likelihood | None,
    *,
    n_samples: int = 10,
    n_points: int | None = None,
    dim: int | None = None,
    pose: Tensor | str | None = None,
    schedule: Tensor | None = None,
    guidance: Guidance | None = None,
    solver: Solver | None = None,
    seed: int = 0,
    batch_size: int | None = None,
    first: int = 0,
    device: torch.device | str = "cpu",
    progress: bool = True,
) -> Samples:
    """Draw approximate posterior samples, or samples of the prior.

    Parameters
    ----------
    prior
        Anything with `denoise`, see `Prior`.
    likelihood
        The data: anything with `energy`, see `Likelihood`. None: samples of the prior alone. Of `Projections` with
        unknown or rough orientations, hypotheses are found first (`find_orientations`); each sample takes one, as often
        as it is probable.
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
        How the data steer the prior (default: `DPS`, with the prior's own alpha where it has one).
    solver
        Default: `Algorithm1`, with data at the prior's own cutoff of the noise.
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
    Algorithm 1 and eq. (8).

    Examples
    --------
    >>> import dpskit
    >>> points = dpskit.load_example("chair").points
    >>> data = dpskit.Projections.observe(points, n_views=3, n_points=40)
    >>> samples = dpskit.sample(dpskit.GaussianPrior(0.0, 0.4), data, n_samples=2, n_points=64, progress=False)
    >>> samples.points.shape, samples.energy.shape
    (torch.Size([2, 64, 3]), torch.Size([2]))
    """
    from dpskit.progress import tqdm

    n_samples, seed = check_integer("n_samples", n_samples), check_seed("seed", seed)
    batch_size = n_samples if batch_size is None else check_integer("batch_size", batch_size)
    end = check_integer("first", first, least=0) + n_samples
    run = _Run.of(prior, likelihood, n_points, dim, pose, schedule, guidance, solver, seed, device)
    firsts = range(first, end, batch_size)
    batches: list[Info] = []
    with tqdm(total=len(firsts) * (len(run.times) - 1), desc="sampling", unit="step", disable=not progress) as bar:
        for begin in firsts:
            for info in run.steps(seed, range(begin, min(begin + batch_size, end))):
                last = info
                bar.update()
            batches.append(last)
    points = torch.cat([info.x for info in batches])
    if not bool(torch.isfinite(points).all()):
        raise ValueError(f"The run diverged (its samples hold NaN or infinity): {REMEDY} helps.")
    data, energy = run.data(range(first, end)), None
    if data is not None:
        energy = data.energy(points).detach()
        start = run.times[0] * NoiseSource(seed, range(first, end), run.shape).draw(0).to(points)
        _check_fit(energy, float(data.energy(start).detach().mean()))
    settings = {
        "prior": describe(prior),
        "likelihood": describe(likelihood),
        "guidance": describe(None if likelihood is None else run.guidance),
        "solver": describe(run.solver),
        "schedule": run.times,
        "pose": describe(pose),
    }
    if first:
        settings["first"] = first
    if run.poses is not None and run.poses.weights is not None:
        settings["hypotheses"] = describe(run.poses)
    rotations = None
    if run.orientations is not None:
        rotations = run.orientations.of(range(first, end))
        settings["orientations"] = describe(run.orientations.weights)
    poses = None if run.poses is None else torch.cat([info.pose for info in batches])
    return Samples(points, energy, settings, seed, __version__, rotations, poses)


def _score(guidance: Guidance, prior: Prior, likelihood: Likelihood | None) -> Score:
    """That of the prior alone without a likelihood."""
    return Unguided()(prior) if likelihood is None else guidance(prior, likelihood)


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
        warnings.warn(message, RuntimeWarning, stacklevel=3)
