"""The likelihood of upright clouds whose data were taken in other poses."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dpskit import CoarseGrained, Joint, Projections, Subunit, random_rotations
from dpskit.likelihoods.protocol import start
from dpskit.pose.posed import Posed
from dpskit.rotations import angles_between, rotations_by

seeds = st.integers(0, 1000)


def cloud(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * torch.tensor([0.5, 0.35, 0.2])


def data_of(x, seed=0):
    views = Projections.observe(x, n_views=3, n_points=20, seed=seed, sigma=0.1)
    return Joint([views, CoarseGrained(x[:9], sigma=0.2), Subunit(x[5:15], sigma=0.3)])


class Spring:
    """E = |x - y|^2 / (2n): the point each point belongs to is known, and the best pose has a closed form."""

    def __init__(self, y, factor=1.0):
        self.y, self.factor = y, factor

    def energy(self, x0):
        return self.factor * (x0 - self.y).square().sum(dim=2).mean(dim=1) / 2


# --- What it computes -------------------------------------------------------------------------------------------------


@given(seeds)
def test_energy_and_density_are_those_of_the_turned_clouds(seed):
    x, rotations = cloud(3, 24, 3, seed=seed), random_rotations(3, seed)
    base = data_of(cloud(24, 3, seed=seed + 1), seed)
    posed = Posed(base, rotations)
    turned = torch.stack([cloud @ rotation for cloud, rotation in zip(x, rotations, strict=True)])
    torch.testing.assert_close(posed.energy(x), base.energy(turned))
    torch.testing.assert_close(posed.start()(x), base.energy(turned))
    torch.testing.assert_close(posed.log_prob(x), base.log_prob(turned))
    torch.testing.assert_close(posed.with_noise(0.3).log_prob(x), base.with_noise(0.3).log_prob(turned))


@given(seeds)
def test_data_taken_in_a_pose_fit_the_upright_cloud_as_data_taken_upright(seed):
    """Views of x R from directions Q are views of x from directions R Q."""
    x, rotation = cloud(24, 3, seed=seed), random_rotations(1, seed)
    upright = Projections.observe(x, n_views=3, n_points=24, seed=seed)
    taken = Projections(upright.points, rotation.mT @ upright.rotations)
    other = cloud(2, 24, 3, seed=seed + 1)
    torch.testing.assert_close(Posed(taken, rotation.expand(2, 3, 3)).energy(other), upright.energy(other))


def test_the_gradient_is_that_of_finite_differences():
    x, rotations = cloud(2, 8, 3).double(), random_rotations(2, 5).double()
    posed = Posed(Spring(cloud(8, 3, seed=1).double()), rotations)
    assert torch.autograd.gradcheck(posed.energy, x.requires_grad_())


def test_the_gradient_is_the_base_s_turned_back():
    base, rotations = data_of(cloud(24, 3)), random_rotations(2, 5)
    x = cloud(2, 24, 3, seed=3).requires_grad_()
    (found,) = torch.autograd.grad(Posed(base, rotations).energy(x).sum(), x)
    y = (x.detach() @ rotations).requires_grad_()
    (expected,) = torch.autograd.grad(base.energy(y).sum(), y)
    torch.testing.assert_close(found, expected @ rotations.mT)


def test_simulated_data_are_of_the_cloud_in_its_pose():
    x, rotations = cloud(24, 3), random_rotations(1, 5)
    posed = Posed(Projections.observe(x, n_views=2, n_points=24, sigma=1e-4), rotations)
    again = posed.simulate(x, torch.Generator().manual_seed(0))
    assert float(again.energy(x[None])) < 1e-6 and float(again.base.energy(x[None])) > 1e-3


# --- The pose follows the gradient ------------------------------------------------------------------------------------


def descend(posed, x, steps):
    for _ in range(steps):
        leaf = x.clone().requires_grad_()
        torch.autograd.grad(posed.energy(leaf).sum(), leaf)


@pytest.mark.parametrize("factor", [0.1, 1.0, 1e6])
def test_rotations_go_to_the_best_pose(factor):
    """Also of a likelihood of another scale, where only the bound on the decrease keeps the step from overshooting."""
    x, true = cloud(40, 3), random_rotations(1, 1)[0]
    x = x - x.mean(dim=0)
    off = rotations_by(torch.deg2rad(torch.tensor([[20.0, -10.0, 5.0], [-15.0, 25.0, 10.0]])))
    posed = Posed(Spring(x @ true, factor), true @ off, refine=True)
    assert angles_between(posed.rotations, true).tolist() == pytest.approx([math.sqrt(525), math.sqrt(950)], abs=1e-2)
    descend(posed.start(), x.expand(2, 40, 3), 200)
    assert float(angles_between(posed.rotations, true).max()) < 0.2
    torch.testing.assert_close(posed.rotations @ posed.rotations.mT, torch.eye(3).expand(2, 3, 3), atol=1e-4, rtol=0)


def test_a_first_step_is_the_damped_newton_step():
    """A small turn about z of a cloud of known second moments."""
    x = torch.tensor([[1.0, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 0.5], [0, 0, -0.5]])
    turn = rotations_by(torch.tensor([[0.0, 0.0, 0.01]]))
    posed = Posed(Spring(x @ turn[0]), torch.eye(3)[None].clone(), refine=True)
    descend(posed, x[None], 1)
    expected = rotations_by(torch.tensor([[0.0, 0.0, 0.0045]]))
    torch.testing.assert_close(posed.rotations, expected, atol=1e-6, rtol=0)


def test_no_step_exceeds_four_degrees():
    x, true = cloud(40, 3), rotations_by(torch.tensor([0.0, 0.0, 1.5]))
    posed = Posed(Spring(x @ true), torch.eye(3)[None].clone(), refine=True)
    before = posed.rotations.clone()
    descend(posed, x[None], 1)
    assert float(angles_between(posed.rotations, before)) == pytest.approx(4.0, abs=0.01)


def test_projections_lead_to_the_pose_too():
    x, true = cloud(200, 3, seed=4), random_rotations(1, 2)[0]
    data = Projections.observe(x @ true, n_views=5, n_points=200, seed=3)
    off = rotations_by(torch.deg2rad(torch.tensor([[8.0, -5.0, 4.0]])))
    posed = Posed(data, true @ off, refine=True)
    descend(posed.start(), x[None], 60)
    assert float(angles_between(posed.rotations, true)) < 1.0


def test_nothing_is_followed_unless_asked():
    x, rotations = cloud(1, 40, 3), random_rotations(1, 3)
    fixed, looked = Posed(Spring(cloud(40, 3, seed=1)), rotations.clone()), Posed(Spring(x[0]), rotations.clone(), True)
    descend(fixed, x, 3)
    with torch.no_grad():
        looked.energy(x)
    looked.energy(x)
    assert torch.equal(fixed.rotations, rotations) and torch.equal(looked.rotations, rotations)
    descend(looked, x, 1)
    assert not torch.equal(looked.rotations, rotations)


def test_points_on_a_line_and_a_perfect_fit_are_no_trouble():
    line = torch.linspace(-1, 1, 9)[None, :, None] * torch.tensor([1.0, 0.0, 0.0])
    posed = Posed(Spring(line @ rotations_by(torch.tensor([0.0, 0.0, 0.2]))), torch.eye(3)[None].clone(), refine=True)
    descend(posed, line, 60)
    assert float(posed.energy(line)) < 1e-5
    at_best = Posed(Spring(line[0]), torch.eye(3)[None].clone(), refine=True)
    descend(at_best, line, 3)
    torch.testing.assert_close(at_best.rotations, torch.eye(3)[None])


def test_a_run_of_one_s_own_likelihood_is_passed_through():
    posed = Posed(Spring(cloud(8, 3)), torch.eye(3)[None])
    assert start(posed).base is posed.base
