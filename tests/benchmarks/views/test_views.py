"""The tables of views: errors up to symmetry, cases as they are called, and runs that are taken up again."""

import math

import pytest
import torch

import dpskit
from dpskit.benchmarks.views import images, mistakes, orientations
from dpskit.benchmarks.views.orientations import CASES, OrientationSettings, hide, orientation_errors
from dpskit.cli import main
from dpskit.experiments.targets import Target
from dpskit.records import read_results
from dpskit.rotations import angles_between, random_rotations, rotations_by

SMALL = OrientationSettings(n_points=40, view_points=30, n_steps=3)


@pytest.fixture(scope="module")
def target():
    points = dpskit.load_example("ruvab").points
    return Target("ruvab", points, 3, rest=points, frame=dpskit.Frame((0.0, 0.0, 0.0), 80.0))


def test_errors_count_from_the_nearest_symmetry(normal):
    half = 0.2 * normal(60, 3) + torch.tensor([0.6, 0.2, 0.3])
    turn = torch.diag(torch.tensor([-1.0, -1.0, 1.0]))
    double, truth = torch.cat([half, half @ turn]), random_rotations(2, 1)
    off = rotations_by(torch.tensor([[0.0, math.radians(4), 0.0], [math.radians(7), 0.0, 0.0]]))
    found = torch.stack([turn, torch.eye(3)]) @ truth @ off
    assert orientation_errors(double, found, truth, 0.05).tolist() == pytest.approx([4, 7], abs=0.1)
    lone = orientation_errors(torch.cat([half, half + torch.tensor([0.0, -0.9, 0.2])]), found, truth, 0.05)
    assert float(lone[0]) > 100 and float(lone[1]) == pytest.approx(7, abs=0.1)


def test_cases_hide_what_they_say(target):
    data = dpskit.Projections.observe(target.points, 4, 30, seed=1)
    assert hide(data, "all known", 0) is data
    assert hide(data, "one unknown", 0).unknown == [3]
    rough = hide(data, "known to 10 degrees, four views", 0)
    off = angles_between(rough.rotations, data.rotations)
    assert rough.rough == [1, 2, 3] and float(off[0]) < 0.1 and 0.1 < float(off[1:].max()) <= 10
    assert hide(data, "none known, four views", 0).unknown == [1, 2, 3]


def test_orientations_are_tried_and_taken_up_again(target, tmp_path, monkeypatch):
    path, cases = tmp_path / "o.jsonl", ["all known, four views", "one unknown, four views"]
    first = list(orientations.orientation_benchmark([target], SMALL, path, cases))
    assert [r["case"] for r in first] == cases and first[0]["degrees"] == [] and len(first[1]["degrees"]) == 1
    assert read_results(path) == first
    monkeypatch.setattr(orientations, "sample", None)
    assert list(orientations.orientation_benchmark([target], SMALL, path, cases)) == first
    lines = orientations.orientation_table(first).splitlines()
    assert lines[2].startswith("| all known, four views | – | – |") and f"{first[1]['rmsd']:.2f}" in lines[3]
    assert set(CASES) >= set(cases)


def test_images_are_tried_and_taken_up_again(target, tmp_path, monkeypatch):
    first = list(images.image_benchmark([target], tmp_path / "i.jsonl", 24, 15))
    assert [r["data"] for r in first] == ["400 points", "images, signal-to-noise 1", "images, signal-to-noise 0.1"]
    monkeypatch.setattr(images, "sample", None)
    assert list(images.image_benchmark([target], tmp_path / "i.jsonl", 24, 15)) == first
    assert images.image_table(first).count("| ruvab |") == 3


def test_mistakes_are_planted(target, tmp_path, monkeypatch):
    """Without the warnings themselves: what is planted differs from the views in the right place."""
    views = mistakes.observe(target, 2, None)
    for name, (plant, kind, single) in list(mistakes.MISTAKES.items())[1:]:
        changed = plant(views, 1, target, target)
        if "coarse" in name:
            assert changed.parts[0] is views
            coarse = dpskit.CoarseGrained.observe(target.points, 40, seed=target.seed).points
            assert torch.allclose(changed.parts[1].points, coarse, atol=1e-5) == (kind == "")
            continue
        moved = [not torch.equal(a, b) for a, b in zip(changed.points, views.points, strict=True)]
        assert moved == ([False, True, False, False] if single else [kind == "mirrored"] * 4)
        assert torch.equal(changed.rotations, views.rotations) == (kind != "transposed")
    monkeypatch.setattr(mistakes, "MISTAKES", dict(list(mistakes.MISTAKES.items())[:2]))
    first = list(mistakes.mistake_benchmark([target], tmp_path / "m.jsonl", 2))
    assert [r["right"] for r in first if r["planted"] == "nothing wrong"] == [True] * 4 and len(first) == 8
    monkeypatch.setattr(mistakes, "check_views", None)
    assert list(mistakes.mistake_benchmark([target], tmp_path / "m.jsonl", 2)) == first
    assert "| nothing wrong | 2 of 2 | 2 of 2 |" in mistakes.mistake_table(first)


def test_the_command_names_a_case_that_it_does_not_know(capsys):
    assert main(["benchmark", "views", "7pbl", "--case", "some"]) == 2
    assert "--case" in capsys.readouterr().err
