"""Seconds per sample: what is timed, and what the table says of it."""

import pytest

from dpskit import GaussianPrior
from dpskit.benchmarks.runtime import Runtime, load_runtimes, measure_runtime, runtime_table, save_runtime
from dpskit.cli import main
from dpskit.priors.latents import LatentConfig
from dpskit.priors.networks import PRESETS


def test_the_parts_add_up_and_count_samples():
    one = measure_runtime(GaussianPrior(0.0, 0.4), "Gaussian", n_samples=2, n_points=60, n_steps=3, progress=False)
    assert one.total == pytest.approx(one.network + one.assignment + one.rest) and one.total > 0
    assert (one.n_samples, one.n_points, one.n_views, one.n_steps, one.weights) == (2, 60, 6, 3, 0)
    assert one.cpu < 3 * one.total + 0.5


def test_the_table_divides_the_paper_s_seconds_by_ours(tmp_path):
    one = Runtime("chairs", 8.35, 10, 1024, 6, 40, "cpu", 2, 2, 1.5, 1.25, 0.25, 5.0)
    other = Runtime("paper (untrained)", 85.0, 1, 1024, 6, 40, "cuda", 1, 16, 1.0, 1.0, 0.0, 2.0)
    for found in (other, one):
        save_runtime(found, tmp_path)
    assert load_runtimes(tmp_path) == [one, other]
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in runtime_table([one]).splitlines()[2:]]
    assert rows[0] == [
        "chairs, 8.3 M weights", "10 x 1,024 points, 6 views, 40 steps", "cpu, 2 of 2 cores",
        "1.50", "1.25", "0.25", "3.00", "5.00", "24.0",
    ]  # fmt: skip
    assert rows[1][0] == "paper" and rows[1][6] == "72"


def test_the_command_times_untrained_networks(tmp_path, capsys, monkeypatch):
    small = LatentConfig(4, 32, 32, 1, 1, 32, 32, 32)
    monkeypatch.setitem(PRESETS, "shapes", small)
    arguments = ["benchmark", "runtime", "--n-samples", "1", "--n-points", "40", "--n-steps", "2"]
    arguments += ["--out", str(tmp_path)]
    assert main(arguments) == 2
    assert "--prior or --network" in capsys.readouterr().err
    assert main([*arguments, "--network", "shapes"]) == 0
    assert "shapes (untrained)" in capsys.readouterr().out
