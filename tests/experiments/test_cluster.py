"""Units on a cluster of processes: the same numbers, whatever dies."""

import os
import signal
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from dpskit import GaussianPrior
from dpskit.benchmarks.calibration import CalibrationSetting, calibration_benchmark
from dpskit.cli import main
from dpskit.experiments.cluster import open_client, run_tasks
from dpskit.experiments.experiment import NO_SHAPE, Settings
from dpskit.experiments.methods import MAXIMUM_LIKELIHOOD, posterior
from dpskit.experiments.scenarios import Scenario
from dpskit.experiments.sweep import Outcome, grid, load_outcomes, sweep
from dpskit.experiments.targets import Target
from dpskit.experiments.units import Unit, run_units

distributed = pytest.importorskip("distributed")

SCENARIO = Scenario("small", 2, 16, n_steps=4)


@pytest.fixture(scope="module")
def client():
    with open_client(workers=2) as client:
        yield client


def make_units(count=4):
    points = torch.rand(count, 24, 3, generator=torch.Generator().manual_seed(0)) * 2 - 1
    targets = [Target(f"t{k}", cloud, k) for k, cloud in enumerate(points)]
    methods = [MAXIMUM_LIKELIHOOD, posterior("Gaussian", GaussianPrior(0.0, 0.4), SCENARIO)]
    return [Unit(target, SCENARIO, method, 2) for method in methods for target in targets]


def numbers(results):
    """All that was measured, without the time that it took."""
    return [{name: value for name, value in asdict(result).items() if name != "seconds"} for result in results]


def square(k, folder, dies):
    """k squared; the first worker that is given `dies` is killed at it."""
    marker = Path(folder) / f"died_{k}"
    if k in dies and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return k * k


def test_a_cluster_gives_the_numbers_of_one_process_bit_for_bit(client, tmp_path):
    units = make_units()
    alone = dict(run_units(units, tmp_path / "alone"))
    together = dict(run_units(make_units(), tmp_path / "together", client))
    files = [sorted(path.name for path in (tmp_path / name).iterdir()) for name in ("alone", "together")]
    assert files[0] == files[1] and len(files[0]) == len(units)
    again = [unit.load(tmp_path / "together") for unit in units]
    assert numbers(again) == numbers(alone[unit] for unit in units)
    assert sorted(map(str, numbers(together.values()))) == sorted(map(str, numbers(again)))


def test_killed_workers_lose_nothing_but_their_task(client, tmp_path):
    shared = [3]
    tasks = [(k, str(tmp_path), shared) for k in range(8)]
    assert sorted(run_tasks(square, tasks, client)) == [(k, k * k) for k in range(8)]
    assert {path.name for path in tmp_path.iterdir()} == {"died_3"}


def test_sweeps_and_calibration_run_on_it(client, tmp_path):
    small = Scenario("small", 1, 20, n_steps=2, reflections=True)
    settings = grid(Settings(NO_SHAPE, scenario=small, n_points=24), [1e3, 1e4], [0.0], [2])
    alone, together = (tmp_path / f"{name}.jsonl" for name in ("alone", "together"))
    expected = [item for item in sweep(settings, alone) if isinstance(item, Outcome)]
    found = list(sweep(settings, together, client=client))
    assert sorted(found, key=lambda one: one.settings.scenario.alpha) == expected == load_outcomes(alone)
    assert sorted(load_outcomes(together), key=str) == sorted(expected, key=str)
    setting = CalibrationSetting(small, 24, n_samples=3, n_chosen=2, draw_steps=3)
    runs = [
        calibration_benchmark(GaussianPrior(0.0, 0.4), tmp_path / name, 2, setting, [1e3], client=one)
        for name, one in (("serial", None), ("cluster", client))
    ]
    trials = [run[1]["alpha 1,000"].samples for run in runs]
    assert torch.equal(*trials) and len(trials[0]) == 2


def test_workers_have_one_thread(client):
    assert set(run_tasks(threads, [(k,) for k in range(4)], client)) == {(k, 1) for k in range(4)}


def threads(k):
    return torch.get_num_threads()


def test_errors_of_a_task_are_raised(client):
    with pytest.raises(ZeroDivisionError):
        list(run_tasks(divide, [(1,), (0,)], client))
    assert list(run_tasks(divide, [(4,)], client)) == [(0, 0.25)]


def divide(k):
    return 1 / k


def test_a_scheduler_that_dies_leaves_what_had_ended(tmp_path, one_sentence):
    units = make_units()
    expected = numbers(result for _, result in run_units(units, tmp_path / "alone"))
    settings = {"processes": False, "dashboard_address": ":0", "silence_logs": 50}
    cluster = distributed.LocalCluster(n_workers=1, threads_per_worker=1, protocol="tcp", **settings)
    with open_client(scheduler=cluster.scheduler_address) as client:
        running = run_units(units, tmp_path / "cluster", client)
        next(running)
        cluster.close()
        with one_sentence(ConnectionError, "scheduler"):
            list(running)
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "cluster").iterdir()}
    assert 1 <= len(kept) < len(units)
    assert len(list(run_units(units, tmp_path / "cluster"))) == len(units)
    assert numbers(unit.load(tmp_path / "cluster") for unit in units) == expected
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())


def test_without_workers_everything_runs_here(one_sentence):
    with open_client() as none:
        assert none is None
    assert list(run_tasks(divide, [(4,), (2,)])) == [(0, 0.25), (1, 0.5)]
    with one_sentence(ValueError, "workers", "-1"), open_client(workers=-1):
        pass


def test_the_command_says_when_there_is_no_scheduler(tmp_path, capsys):
    arguments = ["benchmark", "table1", "--targets", "x.npz", "--scheduler", "nonsense://1"]
    assert main(arguments) == 2
    assert "scheduler must be the address of a Dask scheduler, got 'nonsense://1'" in capsys.readouterr().err
