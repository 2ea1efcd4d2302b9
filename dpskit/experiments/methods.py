"""Ways to reconstruct an object from its data, each with a record of all that its results depend on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from dpskit.experiments.prior_samples import weights_digest
from dpskit.experiments.scenarios import Scenario
from dpskit.priors.analytic import PointMixturePrior
from dpskit.priors.edm import DiffusionPrior
from dpskit.priors.protocol import Prior
from dpskit.rotations import random_rotations
from dpskit.sampling.dps import DPS, EVERYWHERE
from dpskit.sampling.maximum_likelihood import maximum_likelihood
from dpskit.sampling.noise import InverseTime
from dpskit.sampling.protocol import Solver
from dpskit.sampling.retrieval import nearest_training_cloud
from dpskit.sampling.sample import sample
from dpskit.sampling.samples import Samples, describe
from dpskit.sampling.schedule import karras_schedule
from dpskit.sampling.solvers import Algorithm1

if TYPE_CHECKING:
    from dpskit.training.data import Clouds

ML = "maximum likelihood"
SMOOTH = "smooth maximum a posteriori"
FLOOR = "floor: other points of the same object"

Rule = Callable[[float], DPS]
"""rule(alpha) -> the guidance."""


@dataclass(frozen=True, eq=False)
class Method:
    """A way to reconstruct.

    Attributes
    ----------
    name
        How tables call it.
    about
        What its results depend on besides the data, as JSON: results with the same are not computed again.
    run
        run(data, *, n_samples, n_points, seed) -> Samples. None: the floor, which is no reconstruction.
    alpha
        Of DPS.
    """

    name: str
    about: dict[str, Any]
    run: Callable[..., Samples] | None
    alpha: float | None = None


MAXIMUM_LIKELIHOOD = Method(ML, {"method": ML}, partial(maximum_likelihood, progress=False))
SMOOTH_MAP = Method(SMOOTH, {"method": SMOOTH}, partial(maximum_likelihood, smoothing=0.2, progress=False))
THE_FLOOR = Method(FLOOR, {"method": "floor"}, None)


def posterior(
    name: str,
    prior: Prior,
    scenario: Scenario,
    rule: Rule = DPS,
    alpha: float | None = None,
    *,
    solver: Solver | None = None,
    n_steps: int | None = None,
    pose: str | None = None,
) -> Method:
    """DPS with a prior in the scenario's settings.

    Parameters
    ----------
    name, prior
        How tables call the method, and what `sample` takes.
    rule
        The guidance of an alpha: `DPS`, or a partial of it.
    alpha, solver, n_steps
        Instead of the scenario's own: alpha, Algorithm 1 with its cutoff, and number of steps.
    pose
        "unknown" if the objects do not stand as the prior's do; handed to `sample`.
    """
    alpha = scenario.alpha if alpha is None else alpha
    solver = Algorithm1(InverseTime(scenario.cutoff)) if solver is None else solver
    guidance, n_steps = rule(alpha), scenario.n_steps if n_steps is None else n_steps
    about: dict[str, Any] = {"method": "sample", "prior": prior_digest(prior)}
    about |= {"guidance": _described(guidance, prior), "solver": describe(solver)}
    run = partial(sample, prior, guidance=guidance, solver=solver, schedule=karras_schedule(n_steps), progress=False)
    if pose is not None:
        run = partial(run, pose=pose)
        about["templates"] = prior_digest(getattr(prior, "templates", None))
    return Method(name, about | {"n_steps": n_steps, "pose": pose}, run, alpha)


def _described(guidance: DPS, prior: Prior) -> dict[str, Any]:
    """The guidance as JSON, with what the prior asks of it. Results older than a field are those without it."""
    about = describe(guidance.suited(prior))
    if about["jacobian"] == list(EVERYWHERE):
        del about["jacobian"]
    if not about["blur"]:
        del about["blur"]
    return about


def nearest_cloud(clouds: Clouds, *, turned: bool, reflections: bool) -> Method:
    """The training cloud that fits the data best. turned: its pose is not known. See `nearest_training_cloud`."""
    settings: dict[str, Any] = {"n_rotations": 24 if turned else 0, "reflections": reflections}
    run = partial(nearest_training_cloud, clouds=clouds.points.float(), progress=False, **settings)
    digest = hashlib.sha256(clouds.points.contiguous().numpy().tobytes()).hexdigest()[:12]
    return Method("nearest training cloud", {"method": "nearest", "clouds": digest} | settings, run)


def point_prior(clouds: Clouds, *, turned: bool, seed: int = 0) -> Prior:
    """Independent points, from the density of 1,024 points of training clouds: of each one, `turned` at random.

    The bandwidth is the one that denoises held-out chairs best; narrower ones are worse than a Gaussian.
    """
    generator = torch.Generator().manual_seed(seed)
    points = clouds.draw(1024, 1, generator)
    if turned:
        points = points @ random_rotations(1024, generator)
    return PointMixturePrior(points.squeeze(1), 0.15)


def prior_digest(prior: object) -> str:
    """What tells a prior from others: its kind and a hash of its weights or parameters, whatever it is called."""
    if isinstance(prior, DiffusionPrior):
        return f"network {weights_digest(replace(prior, name=''))}"
    digest = hashlib.sha256(json.dumps(describe(prior)).encode())
    for part in (getattr(prior, f.name) for f in fields(prior)) if is_dataclass(prior) else ():
        if isinstance(part, Tensor):
            digest.update(part.detach().cpu().numpy().tobytes())
        elif is_dataclass(part):  # a prior made of others
            digest.update(prior_digest(part).encode())
    return f"{type(prior).__name__} {digest.hexdigest()[:12]}"
