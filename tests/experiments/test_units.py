"""Units of work: what they measure, what their results depend on, and that none is computed twice."""

import math
from dataclasses import dataclass, replace
from functools import partial

import pytest
import torch

import dpskit
from dpskit.experiments.methods import MAXIMUM_LIKELIHOOD, THE_FLOOR, Method, posterior
from dpskit.experiments.scenarios import Scenario
from dpskit.experiments.targets import Target
from dpskit.experiments.units import Unit, measure, run_units

SMALL = Scenario("small", 2, 16, n_steps=2, reflections=True)
GAUSS = dpskit.GaussianPrior(0.0, 0.4)


def make_target(seed=0, n_points=24, **fields):
    points = torch.rand(n_points, 3, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return Target(f"t{seed}", points, seed, **fields)


def test_results_are_the_library_s_own_distances():
    target = make_target(5)
    found = Unit(target, SMALL, MAXIMUM_LIKELIHOOD, 1).compute()
    data = dpskit.Projections.observe(target.points, 2, 16, 5, reflections=True)
    fitted = dpskit.maximum_likelihood(data, n_samples=1, n_points=24, seed=5, progress=False)
    assert found.cd[0] == pytest.approx(dpskit.chamfer_distance(fitted.points, target.points).item(), rel=1e-6)
    assert found.emd[0] == pytest.approx(dpskit.earth_movers_distance(fitted.points, target.points).item(), rel=1e-6)
    assert found.energy[0] == pytest.approx(data.energy(fitted.points).item(), rel=1e-6)
    assert found.rmsd is found.rmsd_atoms is found.own_rmsd is None


def test_posterior_samples_are_those_of_the_library():
    target = make_target(5)
    scenario = replace(SMALL, alpha=3_000.0, cutoff=0.15)
    found = Unit(target, scenario, posterior("Gaussian", GAUSS, scenario), 2).compute()
    data = dpskit.Projections.observe(target.points, 2, 16, 5, reflections=True)
    samples = dpskit.sample(
        GAUSS,
        data,
        n_samples=2,
        n_points=24,
        schedule=dpskit.karras_schedule(2),
        guidance=dpskit.DPS(3_000),
        solver=dpskit.Algorithm1(dpskit.InverseTime(0.15)),
        seed=5,
        progress=False,
    )
    assert found.energy == pytest.approx(samples.energy.tolist(), rel=1e-6)


def test_rmsds_are_in_angstrom_and_ignore_a_rigid_motion_and_the_scale():
    target = make_target()
    pose = dpskit.random_rotations(1, seed=9)[0]
    frame = dpskit.Frame((10.0, 20.0, 30.0), 50.0)
    unposed = target.points @ pose.T
    atoms = frame.to_physical(torch.cat([unposed, unposed + 0.02, unposed - 0.02]))
    target = replace(target, pose=pose, atoms=atoms, frame=frame)
    moved = target.points @ dpskit.random_rotations(1, seed=3)[0] * 1.3 + 0.2
    result = measure(target, dpskit.Samples(moved[None], None, {}, 0, "0"))
    assert result.emd[0] > 0.1 and result.energy is None
    assert result.rmsd[0] < 0.5  # 0.01 of the cube
    assert result.own_rmsd == pytest.approx(50 * 0.02 * math.sqrt(3) * math.sqrt(2 / 3), rel=1e-3)
    assert result.rmsd_atoms[0] == pytest.approx(result.own_rmsd, rel=0.1)


def test_the_error_of_a_pose_does_not_see_the_mirror_of_the_object():
    target = make_target()
    mirror = torch.diag(torch.tensor([-1.0, 1.0, 1.0]))
    angle = torch.tensor(0.2)
    turn = torch.tensor([[1, 0, 0], [0, angle.cos(), -angle.sin()], [0, angle.sin(), angle.cos()]])
    for pose in dpskit.random_rotations(4, 2, reflections=True):
        found = torch.stack([pose, turn @ pose, mirror @ pose, mirror @ turn @ pose])
        samples = dpskit.Samples(target.points.expand(4, -1, -1), None, {}, 0, "0", pose=found)
        error = measure(replace(target, pose=pose), samples).pose_error
        expected = [0, math.degrees(0.2), 0, math.degrees(0.2)]
        assert error == pytest.approx(expected, abs=0.1)  # of single precision near 0
    assert measure(target, replace(samples, pose=None)).pose_error is None


def test_the_floor_measures_other_points():
    target = make_target(rest=torch.rand(30, 3))
    result = Unit(target, None, THE_FLOOR, 2).compute()
    expected = dpskit.chamfer_distance(torch.stack([target.draw(0), target.draw(1)]), target.points)
    assert result.cd == pytest.approx(expected.tolist(), rel=1e-6)


def test_a_unit_with_a_file_is_not_computed_again(tmp_path):
    units = [Unit(make_target(k), SMALL, MAXIMUM_LIKELIHOOD, 1) for k in range(3)]
    first = [result for _, result in run_units(units, tmp_path)]

    def forbidden(data, **settings):
        raise AssertionError("nothing is to be computed again")

    again = [replace(unit, method=replace(MAXIMUM_LIKELIHOOD, run=forbidden)) for unit in units]
    assert [result for _, result in run_units(again, tmp_path)] == first
    again[1].path(tmp_path).write_text('{"about": {"tar')  # cut off
    with pytest.raises(AssertionError):
        list(run_units(again, tmp_path))
    found = dict(run_units(units, tmp_path))
    assert [found[unit].cd for unit in units] == [result.cd for result in first]
    assert len(list(tmp_path.iterdir())) == 3


def test_the_file_follows_from_all_that_a_result_depends_on():
    target, method = make_target(), posterior("Gaussian", GAUSS, SMALL)
    unit = Unit(target, SMALL, method, 2)
    others = [
        Unit(make_target(1), SMALL, method, 2),
        Unit(replace(target, points=target.points + 0.1), SMALL, method, 2),
        Unit(replace(target, seed=4), SMALL, method, 2),
        Unit(target, replace(SMALL, n_points=17), method, 2),
        Unit(target, replace(SMALL, anew=True), method, 2),
        Unit(target, replace(SMALL, balanced=True), method, 2),
        Unit(target, replace(SMALL, means=True), method, 2),
        Unit(target, SMALL, method, 3),
        Unit(target, SMALL, MAXIMUM_LIKELIHOOD, 2),
        Unit(target, SMALL, posterior("Gaussian", dpskit.GaussianPrior(0.0, 0.5), SMALL), 2),
        Unit(target, SMALL, posterior("Gaussian", GAUSS, SMALL, alpha=9.0), 2),
        Unit(target, SMALL, posterior("Gaussian", GAUSS, SMALL, partial(dpskit.DPS, jacobian=(0.1, 0.3))), 2),
        Unit(target, SMALL, posterior("Gaussian", GAUSS, SMALL, partial(dpskit.DPS, blur=0.1)), 2),
        Unit(target, SMALL, posterior("Gaussian", GAUSS, replace(SMALL, cutoff=0.2)), 2),
        Unit(target, SMALL, posterior("Gaussian", GAUSS, replace(SMALL, n_steps=3)), 2),
        Unit(target, SMALL, posterior("Gaussian", GAUSS, SMALL, pose="unknown"), 2),
    ]
    paths = {one.path("x") for one in (unit, *others)}
    assert len(paths) == 1 + len(others)
    same = Unit(target, replace(SMALL, name="other"), posterior("Gaussian", dpskit.GaussianPrior(0.0, 0.4), SMALL), 2)
    assert same.path("x") == unit.path("x")
    # Maximum likelihood has no alpha, noise or steps of the solver.
    turned = replace(SMALL, alpha=1.0, cutoff=0.5, n_steps=9)
    paths = [Unit(target, scenario, MAXIMUM_LIKELIHOOD, 2).path("x") for scenario in (SMALL, turned)]
    assert paths[0] == paths[1]


@dataclass(frozen=True, eq=False)
class Pair:
    """A prior made of others."""

    above: dpskit.PointMixturePrior
    below: dpskit.PointMixturePrior

    def denoise(self, x, t):
        return self.above.denoise(x, t)


def test_a_prior_with_other_points_or_weights_is_another():
    priors = [dpskit.PointMixturePrior(torch.full((300, 3), value), 0.1) for value in (0.0, 0.5)]
    methods = [posterior("points", prior, SMALL) for prior in priors]
    assert methods[0].about["prior"] != methods[1].about["prior"]
    pairs = [Pair(priors[0], prior) for prior in priors]
    digests = {posterior("pair", pair, SMALL).about["prior"] for pair in pairs}
    assert len(digests) == 2  # of a prior made of others
    assert isinstance(methods[0], Method) and methods[0].alpha == SMALL.alpha
