"""Views that have been shifted by lengths that nobody knows."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from likelihood_cases import brute_force, clouds, seeds
from scipy.optimize import minimize

import dpskit
from dpskit import Projections, random_rotations


def shifted(data, shifts):
    return Projections([y + s for y, s in zip(data.points, shifts, strict=True)], data.rotations, shifted=True)


@given(seeds, st.integers(1, 4), st.integers(1, 4), st.booleans())
def test_the_energy_is_the_least_over_all_shifts(seed, n, m, balanced):
    x, y, rotation = clouds(seed, 1, n, 3), clouds(seed + 1, m, 2), random_rotations(1, seed)
    data = Projections([y], rotation, seed=seed, balanced=balanced, shifted=True)
    counts, flat = data.views[0].multiplicity(n), (x[0] @ rotation[0].double())[:, :2]
    least = minimize(lambda s: brute_force(flat + torch.tensor(s), y, counts), data.shifts(x)[0, 0].numpy())
    assert float(data.energies(x)) == pytest.approx(least.fun, abs=1e-9)


def test_shifts_are_found_and_change_no_energy(normal):
    points, shifts = 0.4 * normal(40, 3), torch.tensor([[0.3, -0.2], [0.0, 0.5], [-0.7, 0.1]])
    exact = Projections.observe(points, 3, 40, seed=1)
    data = shifted(exact, shifts)
    assert float(data.energy(points[None])) == pytest.approx(0.0, abs=1e-9)
    torch.testing.assert_close(data.shifts(points[None])[0], shifts)
    other = normal(2, 40, 3)
    torch.testing.assert_close(data.energies(other), shifted(exact, 0 * shifts).energies(other))
    assert bool((data.energies(other) < exact.energies(other)).all())


def test_the_gradient_is_that_of_the_best_shift(normal):
    data = shifted(Projections.observe(normal(12, 3), 2, 9, seed=0), torch.ones(2, 2))
    x, way = normal(1, 12, 3).double().requires_grad_(), 1e-6 * normal(1, 12, 3).double()
    (gradient,) = torch.autograd.grad(data.energy(x).sum(), x)
    with torch.no_grad():
        difference = data.energy(x + way) - data.energy(x - way)
    assert float(difference) == pytest.approx(2 * float((gradient * way).sum()), rel=1e-4)
    torch.testing.assert_close(gradient.sum(dim=1), torch.zeros(1, 3).double())  # no pull on the whole cloud


def test_a_run_needs_no_centred_views():
    target = dpskit.resample(dpskit.load_example("ruvab").points, 200, seed=0)
    exact = Projections.observe(target, 4, 200, seed=0)
    shifts = 0.3 * torch.randn(4, 2, generator=torch.Generator().manual_seed(0))
    blind = Projections(shifted(exact, shifts).points, exact.rotations)

    def error(data):
        found = dpskit.maximum_likelihood(data, n_samples=2, n_points=200, seed=0, progress=False).points
        return float(dpskit.rmsd_to_points(dpskit.superpose(found, target), target).mean())

    found = error(shifted(exact, shifts))
    assert found < 1.05 * error(exact) and found < 0.85 * error(blind)


@pytest.mark.parametrize("settings", [{"rotations": None}, {"tolerance": 5.0}, {"trimmed": 0.1}])
def test_what_cannot_be_combined_is_refused(one_sentence, settings):
    arguments = {"rotations": torch.eye(3).expand(2, 3, 3)} | settings
    with one_sentence(ValueError, "shifted must be False"):
        Projections([torch.rand(5, 2)] * 2, shifted=True, **arguments)
