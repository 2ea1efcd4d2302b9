"""dpskit: Bayesian 3-D reconstruction with diffusion priors.

data -> likelihood; prior -> guidance(prior, likelihood) = score; solver over a schedule = sample(); samples -> metrics.
"""

from dpskit.cloud import Frame, normalise, resample
from dpskit.data.check_views import check_views
from dpskit.data.coarse_grain import coarse_grain
from dpskit.data.examples import list_examples, load_example
from dpskit.data.images import image_of_points, points_of_image, read_images
from dpskit.data.maps import points_of_map, read_map
from dpskit.data.observation_file import read_observations, write_observations
from dpskit.data.observations import Observations
from dpskit.data.poses import read_poses
from dpskit.data.structures import read_structure
from dpskit.data.view_warning import ViewWarning
from dpskit.evaluation.alignment import match_radius_of_gyration, overlay, rmsd_to_atoms, rmsd_to_points
from dpskit.evaluation.alpha import calibrate_alpha
from dpskit.evaluation.calibration import simulation_based_calibration
from dpskit.evaluation.clusters import clusters
from dpskit.evaluation.credible import credible_coverage, expected_coverage, spread_against_error
from dpskit.evaluation.distances import chamfer_distance, earth_movers_distance
from dpskit.evaluation.predictive import posterior_predictive_check
from dpskit.evaluation.sets import coverage, minimum_matching_distance, one_nna
from dpskit.evaluation.spread import credible_radius, medoid, point_spread
from dpskit.evaluation.statistics import coordinates
from dpskit.evaluation.superposition import superpose
from dpskit.evaluation.trials import Trials, run_trials
from dpskit.exact.linear_gaussian import LinearGaussian
from dpskit.exact.unknown_order import UnknownOrder
from dpskit.experiments.reconstruction import Reconstruction, reconstruct, reconstruct_without_prior
from dpskit.export.chimerax import write_chimerax
from dpskit.export.density import export_density
from dpskit.export.report import write_report
from dpskit.export.structure import export_structure
from dpskit.likelihoods.coarse import CoarseGrained
from dpskit.likelihoods.image import ProjectionImages
from dpskit.likelihoods.joint import Joint
from dpskit.likelihoods.orientation import find_rotations
from dpskit.likelihoods.projection import Projections
from dpskit.likelihoods.protocol import Likelihood, Measurement
from dpskit.likelihoods.subunit import Subunit
from dpskit.priors.analytic import GaussianMixturePrior, GaussianPrior, PointMixturePrior
from dpskit.priors.edm import DiffusionPrior
from dpskit.priors.full_mixture import FullGaussianMixture
from dpskit.priors.protocol import Prior
from dpskit.priors.store import list_priors, load_prior
from dpskit.rotations import angles_between, random_rotations
from dpskit.sampling.dps import DPS, DataSpace, LikelihoodScore
from dpskit.sampling.linear_guidance import MomentMatched, Replacement
from dpskit.sampling.maximum_likelihood import maximum_likelihood
from dpskit.sampling.noise import InverseTime, NoiseSource
from dpskit.sampling.particles import Particles
from dpskit.sampling.protocol import Guidance, Info, ScoreEval, Solver, State
from dpskit.sampling.retrieval import nearest_training_cloud
from dpskit.sampling.sample import iterate, sample
from dpskit.sampling.samples import Samples, load_samples
from dpskit.sampling.schedule import karras_schedule
from dpskit.sampling.smc import twisted_smc
from dpskit.sampling.solvers import Algorithm1, EulerMaruyama, EulerODE, Heun
from dpskit.sampling.unguided import Unguided, prior_score
from dpskit.training.config import TrainConfig
from dpskit.training.train import train
from dpskit.transport.assignment import assign
from dpskit.transport.problem import Assignment
from dpskit.version import __version__

__all__ = [
    "Algorithm1",
    "Assignment",
    "CoarseGrained",
    "DPS",
    "DataSpace",
    "DiffusionPrior",
    "EulerMaruyama",
    "EulerODE",
    "Frame",
    "FullGaussianMixture",
    "GaussianMixturePrior",
    "GaussianPrior",
    "Guidance",
    "Heun",
    "Info",
    "InverseTime",
    "Joint",
    "Likelihood",
    "LikelihoodScore",
    "LinearGaussian",
    "Measurement",
    "MomentMatched",
    "NoiseSource",
    "Observations",
    "Particles",
    "PointMixturePrior",
    "Prior",
    "ProjectionImages",
    "Projections",
    "Reconstruction",
    "Replacement",
    "Samples",
    "ScoreEval",
    "Solver",
    "State",
    "Subunit",
    "TrainConfig",
    "Trials",
    "Unguided",
    "UnknownOrder",
    "ViewWarning",
    "__version__",
    "angles_between",
    "assign",
    "calibrate_alpha",
    "chamfer_distance",
    "check_views",
    "clusters",
    "coarse_grain",
    "coordinates",
    "coverage",
    "credible_coverage",
    "credible_radius",
    "earth_movers_distance",
    "expected_coverage",
    "export_density",
    "export_structure",
    "find_rotations",
    "image_of_points",
    "iterate",
    "karras_schedule",
    "list_examples",
    "list_priors",
    "load_example",
    "load_prior",
    "load_samples",
    "match_radius_of_gyration",
    "maximum_likelihood",
    "medoid",
    "minimum_matching_distance",
    "nearest_training_cloud",
    "normalise",
    "one_nna",
    "overlay",
    "point_spread",
    "points_of_image",
    "points_of_map",
    "posterior_predictive_check",
    "prior_score",
    "random_rotations",
    "read_images",
    "read_map",
    "read_observations",
    "read_poses",
    "read_structure",
    "reconstruct",
    "reconstruct_without_prior",
    "resample",
    "rmsd_to_atoms",
    "rmsd_to_points",
    "run_trials",
    "sample",
    "simulation_based_calibration",
    "spread_against_error",
    "superpose",
    "train",
    "twisted_smc",
    "write_chimerax",
    "write_observations",
    "write_report",
]
