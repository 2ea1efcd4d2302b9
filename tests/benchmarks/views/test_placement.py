"""The table of placements: errors up to symmetry, and runs that are taken up again."""

import math

import pytest
import torch

import dpskit
from dpskit.benchmarks.views import placement
from dpskit.cli import main
from dpskit.experiments.targets import Target
from dpskit.likelihoods import placement as search
from dpskit.rotations import random_rotations, rotations_by


def test_errors_count_from_where_a_symmetry_brings_the_part(normal):
    """An object of two halves, one of which is the other turned by 180 degrees and moved along the axis and back."""
    half = 0.2 * normal(60, 3) + torch.tensor([0.6, 0.2, 0.3])
    turn, shift = torch.diag(torch.tensor([-1.0, -1.0, 1.0])), torch.tensor([0.3, -0.1, 0.0])
    other = half @ turn + shift
    there = torch.cat([random_rotations(1, 1)[0], torch.tensor([[0.2, 0.1, -0.4]])])
    part = (half - there[3:]) @ there[:3].T  # brought into its place by `there`
    off = rotations_by(torch.tensor([[0.0, math.radians(4), 0.0]]))[0]
    moved = torch.cat([there[:3] @ turn @ off, (there[3:] @ turn + shift) @ off])
    away = float((other.mean(dim=0) @ off - other.mean(dim=0)).norm())
    both = torch.cat([half, other])
    assert placement.placement_errors(both, part, moved, there, 0.05) == pytest.approx((4, away), abs=0.1)
    lone = torch.cat([half, half + torch.tensor([0.0, -0.9, 0.2])])
    degrees, far = placement.placement_errors(lone, part, moved, there, 0.05)
    assert degrees > 170 and far > 0.5
    assert placement.placement_errors(lone, part, there, there, 0.05) == pytest.approx((0, 0), abs=0.1)


def test_parts_are_placed_and_taken_up_again(tmp_path, monkeypatch, capsys):
    points = dpskit.load_example("ruvab").points[::4]
    target = Target("ruvab", points, 3, rest=points, frame=dpskit.Frame((0.0, 0.0, 0.0), 80.0))
    monkeypatch.setattr(search, "N_ROTATIONS", 30)
    monkeypatch.setattr(placement, "PART_POINTS", 60)
    monkeypatch.setattr(placement, "VIEW_POINTS", 80)
    first = list(placement.placement_benchmark([target], tmp_path / "placement.jsonl"))
    assert [r["views"] for r in first] == [5, 3]
    for record in first:
        assert 1 <= len(record["errors"]) == len(record["weights"]) <= 10 and record["noise"] == 2.0
        assert all(0 <= degrees <= 180.1 and away >= 0 for degrees, away in record["errors"])
    monkeypatch.setattr(placement, "try_placement", None)
    assert list(placement.placement_benchmark([target], tmp_path / "placement.jsonl")) == first
    near = [r | {"errors": [[90.0, 1.0], [3.0, 2.5]], "weights": [0.6, 0.4], "gain": 1.25, "seconds": 2} for r in first]
    lines = placement.placement_table(near).splitlines()
    assert lines[2].startswith("| ruvab | 5 | ") and "| 2 | 0.60 | 3.0°, 2.5 Å | +1.2 | 2.0 |" in lines[2]
    assert "5 views: the first is right in 0 of 1, one of all in 1." in lines
    monkeypatch.setattr("dpskit.benchmarks.views.command._targets", lambda options: [target])
    assert main(["benchmark", "views", "7pbl", "--table", "placement", "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out.count("| ruvab |") == 2
