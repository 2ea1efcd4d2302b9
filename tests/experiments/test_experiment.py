"""How the target of an experiment stands."""

from dataclasses import dataclass, replace

import pytest
import torch

from dpskit import PointMixturePrior, load_example, random_rotations, resample
from dpskit.experiments.experiment import CHAIRS, NO_SHAPE, Experiment, Settings, run_experiment
from dpskit.pose.templates import Templates, make_templates

SMALL = Settings(NO_SHAPE, scenario=replace(CHAIRS, n_points=40, n_views=3, n_steps=3, alpha=100.0), n_points=64)


@dataclass(frozen=True, eq=False)
class Chair:
    """A prior of the shipped chair, upright."""

    templates: Templates
    orientation: str = "upright"

    def denoise(self, x, t):
        return PointMixturePrior(load_example("chair").points[:300], 0.05).denoise(x, t)


@pytest.fixture(scope="module")
def priors():
    return {"one chair": Chair(make_templates(load_example("chair").points[None]))}


def test_shapes_stand_upright_unless_the_settings_say_otherwise():
    chair = resample(load_example("chair").points, 64, 0)
    standing, turned = Experiment.of(SMALL), Experiment.of(replace(SMALL, pose="unknown"))
    assert torch.equal(standing.truth, chair) and torch.equal(standing.turn, torch.eye(3))
    assert torch.equal(turned.turn, random_rotations(1, 0, reflections=True)[0])
    torch.testing.assert_close(turned.truth, chair @ turned.turn)
    torch.testing.assert_close(turned.upright(turned.truth), chair)
    for experiment in (standing, turned):
        assert float(experiment.data.energy(experiment.truth[None])) < 0.02


def test_complexes_are_turned_whatever_the_settings_say():
    turns = [Experiment.of(replace(SMALL, target="ruvab", pose=pose)).turn for pose in ("upright", "unknown")]
    assert torch.equal(turns[0], turns[1]) and torch.equal(turns[0], random_rotations(1, 0)[0])


def test_a_run_finds_the_pose_if_it_is_unknown(priors):
    for pose in ("upright", "unknown"):
        experiment = Experiment.of(replace(SMALL, prior="one chair", pose=pose), priors)
        *_, last = run_experiment(experiment)
        assert (last.pose is not None) == (pose == "unknown")
    nothing = replace(SMALL, prior="one chair", pose="unknown", scenario=SMALL.scenario.with_kind("prior alone", 64))
    *_, last = run_experiment(Experiment.of(nothing, priors))
    assert last.pose is None
    *_, last = run_experiment(Experiment.of(replace(SMALL, pose="unknown")))
    assert last.pose is None, "a Gaussian knows no upright"


def test_bad_pose(one_sentence):
    with one_sentence(ValueError, "pose", "'upside down'", "upright", "unknown"):
        Settings(pose="upside down")
