"""End-to-end reconstruction, from observations in angstrom to models in angstrom; used by `dpskit reconstruct`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from torch import Tensor

from dpskit.checks import check_integer, check_kind, check_path
from dpskit.cloud import Frame
from dpskit.data.observations import Observations
from dpskit.export.chimerax import write_chimerax
from dpskit.export.density import export_density
from dpskit.export.structure import export_structure
from dpskit.priors.protocol import Prior
from dpskit.rotations import random_rotations
from dpskit.sampling.dps import DPS
from dpskit.sampling.maximum_likelihood import maximum_likelihood
from dpskit.sampling.poses import as_pose
from dpskit.sampling.sample import sample
from dpskit.sampling.samples import Samples
from dpskit.sampling.schedule import karras_schedule

DRAWN = 4_000.0  # the paper's alpha where every point is drawn to a coarse one: a stronger pull makes clusters there
MAX_EXTENT = 4.0  # half the cube's sides: samples that reach further are no reconstruction


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """An ensemble with its place in space.

    Parameters
    ----------
    samples : Samples
        In the cube, with the coordinate axes of the observations.
    frame : Frame
        Where the cube lies.

    Examples
    --------
    >>> import dpskit
    >>> data = dpskit.Observations(coarse=[[0.0, 0.0, 0.0], [0.0, 60.0, 90.0]])
    >>> result = dpskit.reconstruct_without_prior(data, n_samples=2, n_points=16, progress=False)
    >>> result.coordinates.shape, round(result.frame.scale)
    (torch.Size([2, 16, 3]), 99)
    """

    samples: Samples
    frame: Frame

    @property
    def coordinates(self) -> Tensor:
        """(s, n, 3) in angstrom, in the coordinate system of the observations."""
        return self.frame.to_physical(self.samples.points)

    def save(self, folder: str | Path, *, name: str = "samples", resolution: float = 15.0) -> list[Path]:
        """Write samples, their medoid, densities, and a script that opens them in ChimeraX.

        Parameters
        ----------
        folder : str or Path
            Where.
        name : str
            What the names of the files begin with: samples (.npz), models and the medoid (.cif), mean density and its
            spread (.mrc), script (.cxc).
        resolution : float
            Of the densities, in angstrom. A single sample has no spread.

        Returns
        -------
        list of Path
            The files.

        Raises
        ------
        ValueError
            For samples of which no density can be made, after the samples and the models were written.
        """
        folder = check_path("folder", folder)
        ends = (".npz", ".cif", "_mean.mrc", "_spread.mrc", "_medoid.cif", ".cxc")
        paths = [folder / f"{name}{end}" for end in ends]
        self.samples.save(paths[0])
        export_structure(self.samples, paths[1], frame=self.frame)
        export_structure(self.samples, paths[4], frame=self.frame, models="medoid")
        try:
            for path, quantity in zip(paths[2:4], ("mean", "spread"), strict=True):
                if quantity == "mean" or len(self.samples.points) > 1:
                    export_density(self.samples, path, frame=self.frame, resolution=resolution, quantity=quantity)
        except ValueError as error:
            extent, saved = float(self.samples.points.abs().max()), f"the samples were saved in {paths[0]}"
            if extent < MAX_EXTENT:
                raise ValueError(f"{saved}, but not their densities: {error}") from None
            raise ValueError(
                f"{saved}, but not their densities: the run diverged, to {extent:.0f} times the size of the cube."
            ) from None
        write_chimerax(paths[5], models=paths[1], medoid=paths[4], density=paths[2])
        return [path for path in paths if path.exists()]


def reconstruct(
    prior: Prior,
    observations: Observations,
    *,
    frame: Frame | None = None,
    n_samples: int = 10,
    n_points: int = 1024,
    n_steps: int = 40,
    alpha: float | None = None,
    pose: Tensor | str | None = None,
    seed: int = 0,
    progress: bool = True,
) -> Reconstruction:
    """Posterior samples by DPS, in the coordinate system of the observations.

    Parameters
    ----------
    prior
        Anything with `denoise`.
    observations
        What was measured, in angstrom.
    frame
        Where the cube lies (default: from the data alone, `Observations.frame`). Where an orientation is unknown, its
        centre must be the object's centre of mass.
    n_samples, n_points, n_steps, seed, progress
        As for `sample`, from t = 1.
    alpha
        Of `DPS` (default: 50 for each observed point, but 4,000 with coarse points that every point is drawn to).
    pose
        How the object stands in the coordinate system of the observations, as for `sample`. A prior of upright shapes
        needs one where no orientation of a view is known.

    Returns
    -------
    Reconstruction
        The samples and their frame.

    Raises
    ------
    ValueError
        For bad settings, for a subunit of more points than n_points, and without a pose where it is needed.

    Notes
    -----
    The object is turned at random (by the seed) before, and back afterwards, because nothing may be given away by the
    axes of a file. A prior whose objects stand upright is told this turn, unless the pose is unknown.

    Examples
    --------
    >>> import dpskit
    >>> structure = dpskit.load_example("ruvab")
    >>> data = dpskit.Projections.observe(structure.points, n_views=3, n_points=50)
    >>> data, prior = dpskit.Observations.of(data, structure.frame), dpskit.GaussianPrior(0.0, 0.4)
    >>> result = dpskit.reconstruct(prior, data, n_samples=2, n_points=64, n_steps=10, progress=False)
    >>> result.coordinates.shape
    torch.Size([2, 64, 3])
    """
    check_kind("observations", observations, Observations, ", in angstrom")
    pose, turn = as_pose(pose), random_rotations(1, seed)[0]
    none_known = len(observations.rotations) > 0 and bool(observations.rotations.isnan().all())
    if pose is None and none_known and getattr(prior, "orientation", None) == "upright":
        raise ValueError(
            'pose must be "unknown", or rotations, for a prior of upright objects where no orientation of a view is '
            "known, got None."
        )
    posed = pose if isinstance(pose, str) else turn if pose is None else pose @ turn
    if alpha is None and observations.coarse is not None and not observations.means:
        alpha = DRAWN
    guidance = None if alpha is None else DPS(alpha)
    schedule = karras_schedule(n_steps)
    method = partial(
        sample, prior, guidance=guidance, schedule=schedule, pose=posed, n_samples=n_samples, progress=progress
    )
    return _in_the_cube(method, observations, frame, turn, n_points, seed)


def reconstruct_without_prior(
    observations: Observations,
    *,
    frame: Frame | None = None,
    n_samples: int = 10,
    n_points: int = 1024,
    seed: int = 0,
    progress: bool = True,
) -> Reconstruction:
    """`reconstruct` by maximum likelihood, the paper's baseline.

    Parameters
    ----------
    observations, frame
        As for `reconstruct`.
    n_samples, n_points, seed, progress
        As for `maximum_likelihood`, which takes its own 100 steps.

    Returns
    -------
    Reconstruction
        The fits and their frame.

    Examples
    --------
    >>> import dpskit
    >>> data = dpskit.Observations(coarse=[[0.0, 0.0, 0.0], [0.0, 60.0, 90.0]])
    >>> dpskit.reconstruct_without_prior(data, n_samples=2, n_points=16, progress=False).coordinates.shape
    torch.Size([2, 16, 3])
    """
    check_kind("observations", observations, Observations, ", in angstrom")
    method = partial(maximum_likelihood, n_samples=n_samples, progress=progress)
    return _in_the_cube(method, observations, frame, random_rotations(1, seed)[0], n_points, seed)


def _in_the_cube(
    method: Callable[..., Samples],
    observations: Observations,
    frame: Frame | None,
    turn: Tensor,
    n_points: int,
    seed: int,
) -> Reconstruction:
    """Run a method on the data in the cube, turned by `turn` (3, 3), and turn its samples back."""
    known = 0 if observations.subunit is None else len(observations.subunit)
    if check_integer("n_points", n_points) < known:
        raise ValueError(f"n_points of a model must be at least the subunit's {known}, got {n_points}.")
    frame = observations.frame(n_points) if frame is None else check_kind("frame", frame, Frame)
    samples = method(observations.likelihood(frame, turn), n_points=n_points, seed=seed)
    settings = samples.settings | {"frame": asdict(frame)}
    pose = None if samples.pose is None else samples.pose @ turn.T
    rotations = None if samples.rotations is None else turn @ samples.rotations
    points = samples.points @ turn.T
    return Reconstruction(replace(samples, points=points, pose=pose, rotations=rotations, settings=settings), frame)
