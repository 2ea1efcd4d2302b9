"""Calls of the public names with one argument bad and all others good, each small enough to run in moments."""

import torch

import dpskit
from dpskit.data.packed import NamedCloud, pack_clouds
from dpskit.evaluation.trials import Trials
from dpskit.training.config import TrainConfig

X = torch.randn(2, 12, 3, generator=torch.Generator().manual_seed(0))
Y = X[0] * 0.5
PRIOR = dpskit.GaussianPrior(0.0, 0.3)
DATA = dpskit.CoarseGrained(Y[:6])
FRAME = dpskit.Frame((0.0, 0.0, 0.0), 10.0)
EYE = torch.eye(3).unsqueeze(0)
TRIALS = Trials(X, torch.stack([X, X + 1, X - 1], dim=1))
SAMPLES = dpskit.Samples(X, torch.zeros(2), {}, 0, "0")
SCHEDULE = dpskit.karras_schedule(2)
RUN = {"n_samples": 1, "n_points": 12, "progress": False}


def small(value):
    """A count that is allowed but would take long stands for one that is not."""
    return 10**12 if isinstance(value, int) and value > 1000 else value


def sample(prior=PRIOR, likelihood=DATA, schedule=SCHEDULE, **changes):
    return dpskit.sample(prior, likelihood, schedule=schedule, **(RUN | changes))


def fit(data=DATA, n_steps=2, **changes):
    return dpskit.maximum_likelihood(data, n_steps=n_steps, **(RUN | changes))


def reconstruct(**changes):
    seen = dpskit.Observations([Y[:, :2] * 9], EYE, coarse=Y * 9)
    given = {"prior": PRIOR, "n_steps": 2} | RUN | changes
    return dpskit.reconstruct(observations=seen, **given)


CALLS = {
    "Frame.center": lambda v: dpskit.Frame(v, 1.0),
    "Frame.scale": lambda v: dpskit.Frame((0.0, 0.0, 0.0), v),
    "Frame.to_cube": lambda v: FRAME.to_cube(v),
    "Frame.to_physical": lambda v: FRAME.to_physical(v),
    "normalise": lambda v: dpskit.normalise(v),
    "resample.points": lambda v: dpskit.resample(v, 4),
    "resample.n_points": lambda v: dpskit.resample(Y, small(v)),
    "resample.seed": lambda v: dpskit.resample(Y, 4, v),
    "random_rotations.count": lambda v: dpskit.random_rotations(small(v)),
    "random_rotations.seed": lambda v: dpskit.random_rotations(2, v),
    "load_prior": lambda v: dpskit.load_prior(v),
    "load_example": lambda v: dpskit.load_example(v),
    "read_structure": lambda v: dpskit.read_structure(v) if not isinstance(v, str) or v != "1abc" else None,
    "coarse_grain.atoms": lambda v: dpskit.coarse_grain(v, 4, cache=False, progress=False),
    "coarse_grain.n_points": lambda v: dpskit.coarse_grain(Y, v, cache=False, progress=False),
    "coarse_grain.seed": lambda v: dpskit.coarse_grain(Y, 4, v, cache=False, progress=False),
    "Projections.points": lambda v: dpskit.Projections([v], EYE),
    "Projections.list": lambda v: dpskit.Projections(v, EYE),
    "Projections.rotations": lambda v: dpskit.Projections([Y[:, :2]], v),
    "Projections.sigma": lambda v: dpskit.Projections([Y[:, :2]], EYE, sigma=v),
    "Projections.observe": lambda v: dpskit.Projections.observe(v, n_views=1, n_points=5),
    "Projections.observe.n_views": lambda v: dpskit.Projections.observe(Y, n_views=small(v), n_points=5),
    "CoarseGrained.points": lambda v: dpskit.CoarseGrained(v),
    "CoarseGrained.observe": lambda v: dpskit.CoarseGrained.observe(v, n_points=4),
    "CoarseGrained.energy": lambda v: DATA.energy(v),
    "Subunit.points": lambda v: dpskit.Subunit(v),
    "Subunit.energy": lambda v: dpskit.Subunit(Y[:4]).energy(v),
    "Joint.parts": lambda v: dpskit.Joint(v),
    "Joint.part": lambda v: dpskit.Joint([DATA, v]),
    "Joint.weights": lambda v: dpskit.Joint([DATA], weights=v),
    "Observations.projections": lambda v: dpskit.Observations([v], EYE),
    "Observations.rotations": lambda v: dpskit.Observations([Y[:, :2]], v),
    "Observations.coarse": lambda v: dpskit.Observations(coarse=v),
    "Observations.subunit": lambda v: dpskit.Observations(coarse=Y, subunit=v),
    "GaussianPrior.mean": lambda v: dpskit.GaussianPrior(v, 1.0),
    "GaussianPrior.std": lambda v: dpskit.GaussianPrior(0.0, v),
    "GaussianMixturePrior.weights": lambda v: dpskit.GaussianMixturePrior(v, X, torch.ones(2)),
    "GaussianMixturePrior.means": lambda v: dpskit.GaussianMixturePrior(torch.ones(2) / 2, v, torch.ones(2)),
    "GaussianMixturePrior.stds": lambda v: dpskit.GaussianMixturePrior(torch.ones(2) / 2, X, v),
    "PointMixturePrior.points": lambda v: dpskit.PointMixturePrior(v, 0.1),
    "PointMixturePrior.bandwidth": lambda v: dpskit.PointMixturePrior(Y, v),
    "DiffusionPrior": lambda v: dpskit.DiffusionPrior(v),
    "LinearGaussian.A": lambda v: dpskit.LinearGaussian(v, torch.zeros(3), 0.1),
    "LinearGaussian.y": lambda v: dpskit.LinearGaussian(torch.eye(3), v, 0.1),
    "LinearGaussian.sigma": lambda v: dpskit.LinearGaussian(torch.eye(3), torch.zeros(3), v),
    "karras_schedule.n": lambda v: dpskit.karras_schedule(small(v)),
    "karras_schedule.t_max": lambda v: dpskit.karras_schedule(4, t_max=v),
    "karras_schedule.rho": lambda v: dpskit.karras_schedule(4, rho=v),
    "DPS.alpha": lambda v: dpskit.DPS(v),
    "InverseTime.cutoff": lambda v: dpskit.InverseTime(v),
    "InverseTime.below": lambda v: dpskit.InverseTime(0.0, v),
    "Algorithm1.noise": lambda v: dpskit.Algorithm1(v),
    "Heun.noise": lambda v: dpskit.Heun(v),
    "sample.prior": lambda v: sample(prior=v),
    "sample.likelihood": lambda v: sample(likelihood=v),
    "sample.schedule": lambda v: sample(schedule=v),
    "sample.guidance": lambda v: sample(guidance=v),
    "sample.solver": lambda v: sample(solver=v),
    "sample.n_samples": lambda v: sample(n_samples=small(v)),
    "sample.n_points": lambda v: sample(n_points=small(v)),
    "sample.seed": lambda v: sample(seed=v),
    "sample.device": lambda v: sample(device=v),
    "sample.batch_size": lambda v: sample(batch_size=v),
    "maximum_likelihood.data": lambda v: fit(data=v),
    "maximum_likelihood.n_steps": lambda v: fit(n_steps=small(v)),
    "maximum_likelihood.learning_rate": lambda v: fit(learning_rate=v),
    "maximum_likelihood.seed": lambda v: fit(seed=v),
    "reconstruct.prior": lambda v: reconstruct(prior=v),
    "reconstruct.frame": lambda v: reconstruct(frame=v),
    "reconstruct.alpha": lambda v: reconstruct(alpha=v),
    "reconstruct.n_steps": lambda v: reconstruct(n_steps=small(v)),
    "assign.x": lambda v: dpskit.assign(v, Y),
    "assign.y": lambda v: dpskit.assign(X, v),
    "assign.multiplicity": lambda v: dpskit.assign(X, Y[:6], multiplicity=v),
    "chamfer_distance": lambda v: dpskit.chamfer_distance(X, v),
    "earth_movers_distance": lambda v: dpskit.earth_movers_distance(v, X),
    "one_nna": lambda v: dpskit.one_nna(X, v),
    "coverage": lambda v: dpskit.coverage(v, X),
    "coverage.reference": lambda v: dpskit.coverage(X, v),
    "minimum_matching_distance": lambda v: dpskit.minimum_matching_distance(X, v),
    "superpose.model": lambda v: dpskit.superpose(v, Y),
    "superpose.reference": lambda v: dpskit.superpose(Y, v),
    "match_radius_of_gyration": lambda v: dpskit.match_radius_of_gyration(v, Y),
    "rmsd_to_atoms": lambda v: dpskit.rmsd_to_atoms(Y, v),
    "rmsd_to_points": lambda v: dpskit.rmsd_to_points(Y, v),
    "Trials.truths": lambda v: Trials(v, TRIALS.samples),
    "Trials.samples": lambda v: Trials(X, v),
    "expected_coverage.levels": lambda v: dpskit.expected_coverage(TRIALS, levels=v),
    "simulation_based_calibration.seed": lambda v: dpskit.simulation_based_calibration(TRIALS, seed=v),
    "TrainConfig.clouds": lambda v: TrainConfig("x.npz", clouds=v),
    "TrainConfig.network": lambda v: TrainConfig("x.npz", clouds=1, network=v),
    "TrainConfig.seed": lambda v: TrainConfig("x.npz", clouds=1, seed=v),
    "TrainConfig.learning_rate": lambda v: TrainConfig("x.npz", clouds=1, learning_rate=v),
    "pack_clouds": lambda v: pack_clouds([NamedCloud("a", v)], 4, progress=False),
    "pack_clouds.n_points": lambda v: pack_clouds([NamedCloud("a", Y)], small(v), progress=False),
    "load_samples": lambda v: dpskit.load_samples(v),
    "read_observations": lambda v: dpskit.read_observations(v),
    "read_map": lambda v: dpskit.read_map(v),
    "read_images": lambda v: dpskit.read_images(v),
    "read_poses": lambda v: dpskit.read_poses(v),
}
