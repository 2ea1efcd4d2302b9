"""The means of a Gaussian mixture: against scikit-learn's, and what is kept of them."""

import warnings

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from dpskit.data import coarse_grain as module
from dpskit.data.coarse_grain import coarse_grain
from dpskit.data.examples import load_example
from dpskit.evaluation.alignment import rmsd_to_atoms


def floor(coarse, atoms):
    """Root mean square distance of the atoms from the nearest mean, in angstrom."""
    return float(rmsd_to_atoms(coarse.frame.to_physical(coarse.points), atoms))


def test_coarse_grain(normal):
    atoms = 30 * normal(400, 3) * torch.tensor([1.0, 2.0, 0.5]) + 200
    coarse = coarse_grain(atoms, n_points=40, seed=3)
    assert coarse.points.shape == (40, 3) and coarse.points.dtype == torch.float32
    low, high = coarse.points.amin(dim=0), coarse.points.amax(dim=0)
    torch.testing.assert_close(low, -high)
    assert float(high.max()) == 1.0

    expected = (atoms.double() - atoms.double().mean(dim=0)).square().sum(dim=1).mean().sqrt()
    assert floor(coarse, atoms) < 0.4 * expected
    assert torch.equal(coarse.points, coarse_grain(atoms, n_points=40, seed=3).points)
    assert not torch.equal(coarse.points, coarse_grain(atoms, n_points=40, seed=4).points)


def test_coarse_grain_finds_separate_clusters(normal):
    centers = torch.cartesian_prod(*[torch.tensor([0.0, 50.0])] * 3)
    atoms = (centers.unsqueeze(1) + 0.5 * normal(8, 50, 3)).reshape(-1, 3)
    coarse = coarse_grain(atoms, n_points=8)
    found = coarse.frame.to_physical(coarse.points)
    clusters = atoms.reshape(8, 50, 3).mean(dim=1)
    nearest = torch.cdist(clusters, found).min(dim=1)
    assert len(nearest.indices.unique()) == 8
    assert float(nearest.values.max()) < 0.01


def test_coarse_grain_moves_with_the_atoms_and_their_unit(normal):
    atoms = normal(200, 3)
    one, other = coarse_grain(atoms, 20), coarse_grain(8 * atoms + 64, 20)
    torch.testing.assert_close(other.points, one.points, atol=1e-3, rtol=0)
    assert other.frame.scale == pytest.approx(8 * one.frame.scale, rel=1e-3)


def test_coarse_grain_of_as_many_atoms_returns_them(normal):
    atoms = normal(30, 3)
    coarse = coarse_grain(atoms, n_points=30)
    found = coarse.frame.to_physical(coarse.points)
    assert float(torch.cdist(atoms, found).amin(dim=1).max()) < 0.02


def test_coarse_grain_of_many_atoms_starts_from_a_subset_and_then_uses_all(normal, monkeypatch):
    atoms = normal(300, 3)
    whole = coarse_grain(atoms, n_points=80)
    monkeypatch.setattr(module, "MAX_START", 100)
    part = coarse_grain(atoms, n_points=80, cache=False)
    assert not torch.equal(part.points, whole.points)
    assert floor(part, atoms) < 1.15 * floor(whole, atoms)


def test_coarse_grain_is_scikit_learn_s_mixture(normal, monkeypatch):
    """The same start, the same number of steps: the same means, weights and covariance."""
    monkeypatch.setattr(module, "CHUNK", 100)
    x = (normal(700, 3) * torch.tensor([1.0, 0.5, 0.2])).numpy()
    mixture = module._k_means(x, 30, seed=1)
    start = (mixture.weights, mixture.means, np.linalg.inv(mixture.covariance))
    # fmt: off
    reference = GaussianMixture(30, covariance_type="tied", tol=0, max_iter=7, init_params="random_from_data",
                                weights_init=start[0], means_init=start[1], precisions_init=start[2], random_state=0)
    # fmt: on
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        reference.fit(x)
    likelihoods = []
    for _ in range(7):
        mixture, likelihood = module._em_step(x, mixture)
        likelihoods.append(likelihood)
    np.testing.assert_allclose(mixture.means, reference.means_, atol=1e-4)
    np.testing.assert_allclose(mixture.weights, reference.weights_, atol=1e-5)
    np.testing.assert_allclose(mixture.covariance, reference.covariances_, atol=1e-5)
    assert likelihoods == sorted(likelihoods)
    assert likelihoods[-1] == pytest.approx(reference.lower_bound_, abs=1e-4)


def test_coarse_grain_is_cached_by_content(normal, monkeypatch, tmp_path):
    monkeypatch.setenv("DPSKIT_CACHE", str(tmp_path))
    fitted = []
    fit = module._fit
    monkeypatch.setattr(module, "_fit", lambda *arguments: fitted.append(1) or fit(*arguments))
    atoms = normal(60, 3)
    first, again = coarse_grain(atoms, 10), coarse_grain(atoms.clone(), 10)
    assert torch.equal(first.points, again.points) and first.frame == again.frame
    assert len(fitted) == len(list(tmp_path.rglob("*.npz"))) == 1
    coarse_grain(atoms + 1e-3, 10), coarse_grain(atoms, 11), coarse_grain(atoms, 10, seed=1)
    assert len(fitted) == len(list(tmp_path.rglob("*.npz"))) == 4
    coarse_grain(atoms, 10, cache=False)
    for path in tmp_path.rglob("*.npz"):
        path.write_bytes(path.read_bytes()[:100])
    assert torch.equal(coarse_grain(atoms, 10).points, first.points)
    assert len(fitted) == 6


def test_coarse_grain_without_a_place_for_its_cache(normal, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("DPSKIT_CACHE", str(tmp_path / "file"))
    assert coarse_grain(normal(60, 3), 10).points.shape == (10, 3)


def test_coarse_grain_of_ruvab_keeps_its_resolution():
    """Ten steps of scikit-learn's GaussianMixture from the same start reach 5.10 angstrom."""
    atoms = load_example("ruvab").atoms[::4]
    assert floor(coarse_grain(atoms, 256), atoms) == pytest.approx(5.10, abs=0.05)


def test_coarse_grain_bad_input(one_sentence, normal):
    with one_sentence(ValueError, "n_points", 5, 10):
        coarse_grain(normal(5, 3), n_points=10)
    with one_sentence(ValueError, "n_points", 2, 10):
        coarse_grain(normal(2, 3).repeat(20, 1), n_points=10)
    with one_sentence(ValueError, "n_points"):
        coarse_grain(normal(5, 3), n_points=0)
    with one_sentence(ValueError, "seed"):
        coarse_grain(normal(5, 3), n_points=3, seed=-1)
    with one_sentence(ValueError, "atoms"):
        coarse_grain(normal(5, 2), n_points=3)
