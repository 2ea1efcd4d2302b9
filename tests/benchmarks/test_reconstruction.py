"""The reconstruction benchmark: what it measures, that it resumes, and what its tables say."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

import dpskit
from dpskit.benchmarks.reconstruction.figures import benchmark_figure
from dpskit.benchmarks.reconstruction.run import (
    ML,
    SWEEP,
    Result,
    baseline_methods,
    baseline_priors,
    measure,
    run_benchmark,
)
from dpskit.benchmarks.reconstruction.tables import benchmark_table, best_alpha, energy_table
from dpskit.cli import main
from dpskit.experiments.scenarios import CHAIRS, COMPLEXES
from dpskit.experiments.targets import Target, chair_targets, complex_targets, draw_sources
from dpskit.training.data import Clouds

SMALL = replace(CHAIRS, n_views=2, n_points=16, n_steps=2)
FITS = {ML: dpskit.maximum_likelihood}
PRIORS = {"DPS, Gaussian prior": dpskit.GaussianPrior(0.0, 0.4)}
RUVAB = dpskit.load_example("ruvab").structure_path


def targets(count, n_points=24):
    generator = torch.Generator().manual_seed(0)
    return [Target(f"t{k}", torch.rand(n_points, 3, generator=generator) * 2 - 1, k) for k in range(count)]


class Forbidden:
    def denoise(self, x, t):
        raise AssertionError("nothing is to be computed again")


def test_run_covers_every_method_and_alpha_and_resumes(tmp_path):
    record = tmp_path / "record.jsonl"
    results = run_benchmark(targets(3), [SMALL], FITS, PRIORS, record, n_samples=2, n_swept=1)
    # Per target ML and DPS at the scenario's alpha, which is one of the four that the first target is swept over.
    assert len(results) == 2 * (3 + 3 + 3)
    assert {r.alpha for r in results if r.target == "t0"} == {None, *(factor * SMALL.alpha for factor in SWEEP)}
    assert {r.alpha for r in results if r.target == "t1"} == {None, SMALL.alpha}
    forbidden = dict.fromkeys(PRIORS, Forbidden())
    assert run_benchmark(targets(3), [SMALL], FITS, forbidden, record, n_samples=2, n_swept=1) == results
    with record.open("a") as file:
        file.write('{"setting": "chairs", "tar')  # a run that was killed while it wrote
    assert run_benchmark(iter(targets(3)), [SMALL], FITS, forbidden, record, n_samples=2, n_swept=1, count=3) == results
    assert {r.target for r in run_benchmark(targets(3)[1:], [SMALL], FITS, forbidden, record)} == {"t1", "t2"}


def test_settings_are_kept_apart(tmp_path):
    other = replace(SMALL, name="other", n_views=1)
    results = run_benchmark(targets(1), [SMALL, other], FITS, {}, tmp_path / "r.jsonl", n_samples=1)
    assert [r.setting for r in results] == ["chairs", "other"]
    assert results[0].energy != results[1].energy


def test_results_are_the_library_s_own_distances():
    target = replace(targets(1)[0], seed=5)
    (found,) = measure(target, SMALL, ML, dpskit.maximum_likelihood, 1)
    data = dpskit.Projections.observe(target.points, 2, 16, 5, reflections=True)
    fitted = dpskit.maximum_likelihood(data, n_samples=1, n_points=24, seed=5, progress=False)
    assert found.cd == pytest.approx(dpskit.chamfer_distance(fitted.points, target.points).item(), rel=1e-6)
    assert found.emd == pytest.approx(dpskit.earth_movers_distance(fitted.points, target.points).item(), rel=1e-6)
    assert found.energy == pytest.approx(data.energy(fitted.points).item(), rel=1e-6)
    assert found.rmsd is found.rmsd_atoms is found.floor is None


def test_rmsds_are_in_angstrom_and_ignore_a_rigid_motion_and_the_scale():
    points = targets(1)[0].points
    atoms = torch.cat([points, points + 0.02, points - 0.02])
    target = replace(targets(1)[0], scale=50.0, atoms=atoms)
    moved = points @ dpskit.random_rotations(1, seed=3)[0] * 1.3 + 0.2
    found = dpskit.Samples(moved.unsqueeze(0), torch.zeros(1), {}, 0, "0")
    (result,) = measure(target, SMALL, "found", lambda data, **settings: found, 1)
    assert result.emd > 0.1
    assert result.rmsd < 0.5  # 0.01 of the cube
    assert result.floor == pytest.approx(50 * 0.02 * math.sqrt(3) * math.sqrt(2 / 3), rel=1e-3)
    assert result.rmsd_atoms == pytest.approx(result.floor, rel=0.1)


def test_table_gives_means_spreads_and_ratios():
    def result(target, method, alpha, cd):
        return Result("chairs", target, method, alpha, 0, cd, cd / 2, cd / 10)

    sweep = [factor * CHAIRS.alpha for factor in SWEEP]
    results = [result("a", ML, None, 0.2), result("b", ML, None, 0.4)]
    results += [result("a", "DPS", alpha, 0.1 + k / 100) for k, alpha in enumerate(sweep)]
    results += [result("b", "DPS", CHAIRS.alpha, 0.13)]
    assert best_alpha(results, "DPS") == sweep[0]
    text = benchmark_table(results, [CHAIRS])
    assert "| maximum likelihood | 30.00 ± 10.00 (1.00) | 15.00 ± 5.00 (1.00) | 30.00 ± 10.00 (1.00) |" in text
    assert "| DPS | 12.00 ± 1.00 (0.40) |" in text
    assert "| DPS, alpha 3,000 | 10.00 ± 0.00 (0.50) |" in text
    assert "RMSD" not in text


def complex_results():
    rows = [("a", ML, 10.0), ("a", ML, 12.0), ("b", ML, 5.0), ("a", "DPS", 8.0), ("a", "DPS", 9.0), ("b", "DPS", 6.0)]
    return [
        Result("A.4.1", target, method, None if method == ML else 40_000, 0, 0.1, 0.1, 0.1, rmsd, rmsd + 1, 3.0)
        for target, method, rmsd in rows
    ]


def test_table_of_complexes_has_the_floor_and_counts_targets():
    text = benchmark_table(complex_results(), COMPLEXES)
    assert text.startswith("| A.4.1: 3 projections of 1,024 points, alpha 40,000, 2 targets |")
    assert "| 7.67 ± 1.25 (0.85) | 8.67 ± 1.25 (0.87) | 1 of 2 |" in text
    assert text.splitlines()[-1].replace(" ", "") == "|thetargets'ownpoints||||0|3.00±0.00||"


def test_box_plots_hold_what_was_measured(one_sentence):
    figure = benchmark_figure(complex_results(), COMPLEXES)
    points, atoms = figure.axes
    assert [tick.get_text() for tick in points.get_xticklabels()] == ["b", "a"]  # sorted by DPS
    assert "4 projections" not in points.get_title() and points.get_title().startswith("A.4.1")
    assert [text.get_text() for text in points.get_legend().get_texts()] == [f"{ML} (8.00)", "DPS (7.25)"]
    assert "floor" in [text.get_text() for text in atoms.get_legend().get_texts()]
    with one_sentence(ValueError, "results"):
        benchmark_figure([], COMPLEXES)


def test_the_seven_settings_of_the_paper():
    points = dpskit.load_example("ruvab").points
    seen = []
    for scenario in COMPLEXES:
        data = scenario.observe(points, 0)
        views = data if isinstance(data, dpskit.Projections) else data.parts[0]
        coarse = 0 if isinstance(data, dpskit.Projections) else len(data.parts[1].points)
        seen.append((len(views.points), len(views.points[0]), coarse, scenario.alpha))
    # fmt: off
    assert seen == [(3, 1024, 0, 4e4), (4, 1024, 0, 6e4), (5, 1024, 0, 8e4), (4, 800, 0, 4e4),
                    (2, 900, 30, 4e3), (1, 1024, 40, 4e3), (1, 300, 40, 4e3)]
    # fmt: on


def test_complex_targets_do_not_depend_on_the_list(tmp_path, one_sentence):
    other = tmp_path / "other.cif.gz"
    other.write_bytes(RUVAB.read_bytes())
    first, second = complex_targets([other, RUVAB], n_points=20)
    (alone,) = complex_targets([RUVAB], n_points=20)
    assert second.seed == alone.seed != first.seed
    torch.testing.assert_close(second.points, alone.points)
    assert not torch.allclose(first.points, second.points)
    assert float(alone.atoms.abs().max()) < 2.5 and len(alone.atoms) == 15_702
    nearest = torch.cdist(alone.atoms[:500], alone.points).amin(dim=1)
    assert float(nearest.max()) * alone.scale < 60
    with one_sentence(FileNotFoundError, "missing.cif"):
        complex_targets([RUVAB, tmp_path / "missing.cif"])


def test_the_command_writes_rows_a_table_and_a_picture(tmp_path, capsys, monkeypatch):
    small = [replace(scenario, n_points=20, n_steps=2, coarse_points=0) for scenario in COMPLEXES[:2]]
    monkeypatch.setattr("dpskit.experiments.scenarios.COMPLEXES", tuple(small))
    fewer = "dpskit.experiments.targets.complex_targets"
    monkeypatch.setattr(fewer, lambda sources: complex_targets(sources, n_points=30))
    record = tmp_path / "r.jsonl"
    arguments = ["benchmark", "complexes", str(RUVAB), "--record", str(record), "--no-prior", "--n-samples", "1"]
    assert main([*arguments, "--setting", "A.4.2"]) == 0
    output = capsys.readouterr().out
    assert "| A.4.2: 4 projections of 20 points" in output and "A.4.1" not in output
    assert record.with_suffix(".png").stat().st_size > 10_000
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    assert [line["method"] for line in lines] == [ML, "smooth maximum a posteriori"]
    assert lines[0]["target"] == "7pbl" and lines[0]["floor"] > 5
    assert lines[0]["energy"] < lines[1]["energy"]  # smoothness costs some of the fit
    assert main(arguments) == 0
    assert [json.loads(line)["setting"] for line in record.read_text().splitlines()] == 2 * ["A.4.2"] + 2 * ["A.4.1"]


def test_a_noisy_scenario_is_the_same_with_noise_under_a_name_of_its_own(one_sentence):
    (target,) = targets(1, 400)
    noisy = replace(CHAIRS, n_points=400).noisy(0.05)
    assert noisy.name == "chairs, noise 0.05"
    clean, seen = (s.observe(target.points, 3).points[0] for s in (replace(noisy, sigma=None), noisy))
    variance = float((seen - clean).square().mean()) / 0.05**2  # of 800 normal numbers
    assert abs(variance - 1) < 4 * (2 / 800) ** 0.5
    with one_sentence(ValueError, "sigma", "-0.1"):
        CHAIRS.noisy(-0.1)


def test_the_nearest_training_cloud_is_the_target_if_it_is_among_them():
    found = targets(5, 32)
    methods = baseline_methods(Clouds(torch.stack([t.points for t in found]), torch.full((5,), 0.2)), reflections=True)
    data = replace(SMALL, n_points=32, n_views=4)
    name = "nearest training cloud"
    method = lambda data, **settings: methods[name](data, n_rotations=2000, **settings)  # noqa: E731
    (result,) = measure(found[2], data, name, method, 1)
    others = [float(dpskit.chamfer_distance(t.points[None], found[2].points)) for t in found if t is not found[2]]
    assert result.cd < 0.7 * min(others)


def test_sources_are_drawn_without_repetition():
    names = [str(k) for k in range(20)]
    assert draw_sources(names, None) == names
    drawn = draw_sources(names, 12, seed=1)
    assert len(set(drawn)) == 12 and set(drawn) <= set(names) and drawn != draw_sources(names, 12, seed=2)
    with pytest.raises(ValueError, match="at most the number of structures, 20, got 21"):
        draw_sources(names, 21)


def test_baseline_priors_have_the_variance_and_the_radii_of_the_clouds():
    generator = torch.Generator().manual_seed(0)
    shell = torch.nn.functional.normalize(torch.randn(50, 64, 3, generator=generator), dim=2) * 0.6
    priors = baseline_priors(Clouds(shell, torch.full((50,), 0.02)))
    gaussian, points = priors.values()
    assert float(gaussian.std) == pytest.approx(0.6 / math.sqrt(3), rel=1e-3)
    assert torch.allclose(points.points.norm(dim=1), torch.tensor(0.6), atol=1e-3)
    # 1,024 independent directions: each component of the mean has a standard error of std / 32.
    assert float(points.points.mean(dim=0).abs().max()) < 4 * 0.6 / math.sqrt(3) / 32
    # Turned at random, clouds off the centre are as wide as their points are far from it.
    moved = baseline_priors(Clouds(shell + 0.5, torch.full((50,), 0.02)))["DPS, Gaussian prior"]
    assert float(moved.std) == pytest.approx(math.sqrt(0.6**2 / 3 + 0.5**2), rel=0.02)


def test_chair_targets_are_normalised_before_they_are_turned(tmp_path):
    generator = np.random.default_rng(0)
    points = generator.uniform(-3, 5, (2, 40, 3)).astype(np.float16)
    np.savez(tmp_path / "c.npz", points=points, name=np.array(["x", "y"]))
    found = chair_targets(tmp_path / "c.npz", 2, n_points=40, seed=1)
    rotations = dpskit.random_rotations(2, seed=1, reflections=True)
    for target, rotation, cloud in zip(found, rotations, points, strict=True):
        turned_back = target.points @ rotation.T
        assert float(turned_back.abs().max()) == pytest.approx(1.0, abs=1e-5)
        expected, _ = dpskit.normalise(torch.from_numpy(cloud.astype(np.float32)))
        assert float(dpskit.chamfer_distance(turned_back, expected)) < 1e-5


def test_energy_table_has_the_three_rows():
    shown = targets(2, n_points=32)
    rows = [line.strip("| ").split(" | ") for line in energy_table(shown, n_samples=1).splitlines()[2:]]
    assert [(row[0], row[2]) for row in rows] == [("1", "3.68"), ("2", "3.87"), ("5", "5.04")]
    for (_, found, _), n_views in zip(rows[:2], (5, 6), strict=True):
        data = [dpskit.Projections.observe(t.points, n_views, 200, t.seed, reflections=True) for t in shown]
        fits = [
            dpskit.maximum_likelihood(y, n_samples=1, n_points=32, seed=t.seed, progress=False)
            for y, t in zip(data, shown, strict=True)
        ]
        energies = 1000 * np.array([float(fit.energy) for fit in fits])
        assert found == f"{energies.mean():.2f} ± {energies.std():.2f}"
