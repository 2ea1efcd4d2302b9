"""The reconstruction benchmark: what it measures, that it resumes, and what its tables say."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

import dpskit
from dpskit.evaluation import benchmark
from dpskit.evaluation.benchmark import CHAIRS, ML, Result, Target, benchmark_table, best_alpha, run_benchmark
from dpskit.training.data import Clouds

SMALL = replace(CHAIRS, n_views=2, n_points=16, n_steps=2)
PRIORS = {"DPS, Gaussian prior": dpskit.GaussianPrior(0.0, 0.4)}


def targets(count, n_points=24):
    generator = torch.Generator().manual_seed(0)
    return [Target(f"t{k}", torch.rand(n_points, 3, generator=generator) * 2 - 1) for k in range(count)]


class Forbidden:
    def denoise(self, x, t):
        raise AssertionError("nothing is to be computed again")


def test_run_covers_every_method_and_alpha_and_resumes(tmp_path):
    record = tmp_path / "record.jsonl"
    results = run_benchmark(targets(3), SMALL, PRIORS, record, n_samples=2, n_swept=1)
    # Per target ML and DPS at the scenario's alpha, which is one of the four that the first target is swept over.
    assert len(results) == 2 * (3 + 3 + 3)
    assert {r.alpha for r in results if r.target == "t0"} == {None, *benchmark.ALPHAS}
    assert {r.alpha for r in results if r.target == "t1"} == {None, SMALL.alpha}
    again = run_benchmark(targets(3), SMALL, dict.fromkeys(PRIORS, Forbidden()), record, n_samples=2, n_swept=1)
    assert again == results


def test_results_are_the_library_s_own_distances():
    target = targets(1)[0]
    (cd, emd, energy, rmsd), *_ = benchmark.reconstruct(target, SMALL, None, 0.0, 1, seed=5)
    data = dpskit.Projections.observe(target.points, 2, 16, 5, proper=False)
    fitted = dpskit.maximum_likelihood(data, n_samples=1, n_points=24, seed=5, progress=False)
    assert cd == pytest.approx(dpskit.chamfer_distance(fitted.points, target.points).item(), rel=1e-6)
    assert emd == pytest.approx(dpskit.earth_movers_distance(fitted.points, target.points).item(), rel=1e-6)
    assert energy == pytest.approx(data.energy(fitted.points).item(), rel=1e-6)
    assert rmsd is None


def test_rmsd_is_in_angstrom_and_ignores_a_rigid_motion(monkeypatch):
    target = replace(targets(1)[0], scale=50.0)
    moved = target.points @ dpskit.random_rotations(1, seed=3)[0] * 1.3 + 0.2
    found = dpskit.Samples(moved.unsqueeze(0), torch.zeros(1), {}, 0, "0")
    monkeypatch.setattr(benchmark, "maximum_likelihood", lambda *_, **__: found)
    ((_, emd, _, rmsd),) = benchmark.reconstruct(target, SMALL, None, 0.0, 1, seed=0)
    assert emd > 0.1
    assert rmsd < 0.5  # 0.01 of the cube


def test_table_gives_means_spreads_and_ratios():
    def result(target, method, alpha, cd):
        return Result(target, method, alpha, 0, cd, cd / 2, cd / 10, None)

    results = [result("a", ML, None, 0.2), result("b", ML, None, 0.4)]
    results += [result("a", "DPS", alpha, 0.1 + k / 100) for k, alpha in enumerate(benchmark.ALPHAS)]
    results += [result("b", "DPS", CHAIRS.alpha, 0.13)]
    assert best_alpha(results, "DPS") == benchmark.ALPHAS[0]
    text = benchmark_table(results, CHAIRS)
    assert "| maximum likelihood | 30.00 ± 10.00 (1.00) | 15.00 ± 5.00 (1.00) | 30.00 ± 10.00 (1.00) |" in text
    assert "| DPS | 12.00 ± 1.00 (0.40) |" in text
    assert "| DPS, alpha 3,000 | 10.00 ± 0.00 (0.50) |" in text


def test_baseline_priors_have_the_variance_and_the_radii_of_the_clouds():
    generator = torch.Generator().manual_seed(0)
    shell = torch.nn.functional.normalize(torch.randn(50, 64, 3, generator=generator), dim=2) * 0.6
    priors = benchmark.baseline_priors(Clouds(shell, torch.full((50,), 0.02)))
    gaussian, points = priors.values()
    assert float(gaussian.std) == pytest.approx(0.6 / math.sqrt(3), rel=1e-3)
    assert torch.allclose(points.points.norm(dim=1), torch.tensor(0.6), atol=1e-3)
    # 1,024 independent directions: each component of the mean has a standard error of std / 32.
    assert float(points.points.mean(dim=0).abs().max()) < 4 * 0.6 / math.sqrt(3) / 32


def test_chair_targets_are_normalised_before_they_are_turned(tmp_path):
    generator = np.random.default_rng(0)
    points = generator.uniform(-3, 5, (2, 40, 3)).astype(np.float16)
    np.savez(tmp_path / "c.npz", points=points, name=np.array(["x", "y"]))
    found = benchmark.chair_targets(tmp_path / "c.npz", 2, n_points=40, seed=1)
    rotations = dpskit.random_rotations(2, seed=1, proper=False)
    for target, rotation, cloud in zip(found, rotations, points, strict=True):
        turned_back = target.points @ rotation.T
        assert float(turned_back.abs().max()) == pytest.approx(1.0, abs=1e-5)
        expected, _ = dpskit.normalise(torch.from_numpy(cloud.astype(np.float32)))
        assert float(dpskit.chamfer_distance(turned_back, expected)) < 1e-5


def test_energy_table_has_the_three_rows():
    text = benchmark.energy_table(targets(1, n_points=32), n_samples=1)
    assert [line.split("|")[1].strip() for line in text.splitlines()[2:]] == ["1", "2", "5"]
    assert all(float(line.split("|")[2].split("±")[0]) > 0 for line in text.splitlines()[2:])
