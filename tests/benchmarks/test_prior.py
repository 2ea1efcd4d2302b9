import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from dpskit import Algorithm1, GaussianPrior, Heun, InverseTime, karras_schedule, load_prior, sample
from dpskit.benchmarks.prior import TABLE_3, benchmark_prior, prior_table, random_set, reference_clouds
from dpskit.cli import main
from dpskit.experiments import prior_samples
from dpskit.experiments.prior_samples import SampleSettings, draw_samples, weights_digest
from dpskit.priors.edm import DiffusionPrior
from dpskit.priors.transformer import PointTransformer, TransformerConfig


def boxes(count, m=48, seed=0):
    generator = np.random.default_rng(seed)
    return generator.uniform(-1, 1, (count, m, 3)) * generator.uniform(0.2, 1, (count, 1, 3)) * 5 + 40


@pytest.fixture
def prior():
    torch.manual_seed(0)
    network = PointTransformer(TransformerConfig(64, 1))
    torch.nn.init.normal_(network.output.weight, std=0.02)
    return DiffusionPrior(network.eval().requires_grad_(False), "tiny", {"settings": {"proper": False}})


@pytest.fixture
def files(tmp_path):
    np.savez(tmp_path / "train.npz", points=boxes(14))
    np.savez(tmp_path / "test.npz", points=boxes(9, seed=1))
    return tmp_path / "train.npz", tmp_path / "test.npz"


SMALL = SampleSettings(n_samples=4, n_points=24, n_steps=12, emd_clouds=3)


def test_samples_are_those_of_sample_and_are_kept(prior, tmp_path, monkeypatch):
    points, path = draw_samples(prior, SMALL, tmp_path)
    direct = sample(prior, None, n_samples=4, n_points=24, schedule=karras_schedule(12, t_max=80.0))
    assert torch.allclose(points, direct.points, atol=1e-4)

    calls = []
    denoise = DiffusionPrior.denoise
    monkeypatch.setattr(DiffusionPrior, "denoise", lambda *a: calls.append(len(a[1])) or denoise(*a))
    again, same = draw_samples(prior, SMALL, tmp_path)
    assert same == path and torch.equal(again, points) and not calls
    more, same = draw_samples(prior, SampleSettings(5, 24, 12), tmp_path)
    assert same == path and torch.equal(more[:4], points)
    assert calls == [2] + [1] * 23  # a trial, and one more sample, of its own
    assert torch.equal(draw_samples(prior, SMALL, tmp_path)[0], points)


def test_an_interrupted_run_is_continued(prior, tmp_path, monkeypatch):
    whole, _ = draw_samples(prior, SMALL, tmp_path / "whole")
    denoise, count = DiffusionPrior.denoise, [0]

    def interrupted(*arguments):
        count[0] += 1
        if count[0] == 30:  # in the second batch
            raise KeyboardInterrupt
        return denoise(*arguments)

    monkeypatch.setattr(DiffusionPrior, "denoise", interrupted)
    with pytest.raises(KeyboardInterrupt):
        draw_samples(prior, SMALL, tmp_path / "part")
    points, _ = draw_samples(prior, SMALL, tmp_path / "part")
    assert torch.equal(points, whole)
    assert count[0] == 30 + 1 + 23  # with a trial; the first batch was not drawn again


def test_the_file_depends_on_weights_settings_and_the_version_of_the_numbers(prior, tmp_path, monkeypatch):
    other = load_prior("chairs")
    assert weights_digest(other) == weights_digest(load_prior("chairs")) != weights_digest(prior)
    one = SampleSettings(1, 8, 2)
    files = {draw_samples(prior, one, tmp_path)[1]}
    for change in ({"n_points": 9}, {"n_steps": 3}, {"seed": 1}, {"solver": "heun"}):
        files.add(
            draw_samples(prior, SampleSettings(**{"n_samples": 1, "n_points": 8, "n_steps": 2} | change), tmp_path)[1]
        )
    prior.network.output.bias += 1
    files.add(draw_samples(prior, one, tmp_path)[1])
    monkeypatch.setattr(prior_samples, "NUMBERS", 1)
    files.add(draw_samples(prior, one, tmp_path)[1])
    assert len(files) == 7


def test_solvers():
    assert SampleSettings().make_solver("upright") == Heun(InverseTime(math.inf))
    assert SampleSettings(solver="algorithm1").make_solver("upright") == Algorithm1(InverseTime(1.0, 1.0))
    assert SampleSettings(solver="heun").make_solver("rotated") == Heun(InverseTime(0.8, 1.0))


@pytest.mark.parametrize(("solver", "spread"), [("algorithm1", 0.89), ("heun", 1.16), ("flow", 1.006)])
def test_the_spread_of_each_solver(solver, spread):
    """On the exact denoiser of a narrow Gaussian; the standard error is a third of a percent."""
    settings, prior = SampleSettings(solver=solver), GaussianPrior(0.0, 0.1)
    schedule = karras_schedule(settings.n_steps, t_max=80.0)
    drawn = sample(prior, None, n_samples=2, n_points=8000, schedule=schedule, solver=settings.make_solver("reflected"))
    assert float(drawn.points.std()) / 0.1 == pytest.approx(spread, abs=0.015)


def test_references_are_scaled_and_turned(files):
    clouds, weight = reference_clouds(files[0], "train", "train")
    assert weight.tolist() == pytest.approx([1 / 14] * 14)
    assert all(float(cloud.abs().max()) == pytest.approx(1) for cloud in clouds)
    drawn = random_set(clouds, weight, 14, 48, "rotated", torch.Generator().manual_seed(0))
    lengths = drawn.norm(dim=2).sort(dim=1).values
    known = torch.stack([cloud.norm(dim=1).sort().values for cloud in clouds])
    match = torch.cdist(lengths, known).argmin(dim=1)
    assert sorted(match.tolist()) == list(range(14))  # every cloud once, whole
    assert torch.allclose(lengths, known[match], atol=1e-5)
    assert float((drawn - torch.stack(clouds)[match]).abs().amax(dim=(1, 2)).min()) > 0.05  # none as it was


def test_splits_and_redundant_clouds_of_the_references(tmp_path):
    split = np.array(["train"] * 6 + ["test"] * 4)
    np.savez(tmp_path / "a.npz", points=boxes(10), split=split, redundant=np.arange(10) % 2 == 0)
    assert len(reference_clouds(tmp_path / "a.npz", "test", "test")[0]) == 4
    clouds, weight = reference_clouds(tmp_path / "a.npz", "train", "train")
    assert len(clouds) == 6 and weight.tolist() == pytest.approx([1 / 12, 1 / 4] * 3)


def test_the_benchmark(prior, files, tmp_path):
    settings = replace(SMALL, solver="algorithm1")  # without training it draws worse than the flow
    result, samples = benchmark_prior(prior, *files, settings, tmp_path)
    assert samples.shape == (4, 24, 3) and result.n_test == 4
    again, _ = benchmark_prior(prior, *files, settings, tmp_path)
    assert again == result
    other, _ = benchmark_prior(prior, *files, replace(settings, seed=1), tmp_path)
    assert other.training != result.training
    assert set(result.samples) == set(result.training) == {"CD", "EMD"}
    assert result.samples["CD"].one_nna > result.training["CD"].one_nna  # an untrained prior
    assert result.training["CD"].mmd < result.samples["CD"].mmd
    assert result.blurred["CD"].one_nna >= result.training["CD"].one_nna
    assert set(result.thickness) == {"samples", "test", "blurred"} and min(result.thickness.values()) > 0
    assert min(result.nearest["samples"]) > max(result.nearest["redrawn"])


@pytest.mark.parametrize(
    ("settings", "orientation"),
    [({"orientation": "upright"}, "upright"), ({"proper": True}, "rotated"), ({}, "reflected")],
)
def test_how_the_objects_of_a_prior_stand(prior, settings, orientation):
    assert DiffusionPrior(prior.network, "a", {"settings": settings}).orientation == orientation


class Copies:
    """A prior that knows nothing but the training clouds; its samples lie on them."""

    name = "copies"
    orientation = "rotated"

    def __init__(self, clouds):
        self.clouds = clouds

    def draw(self, settings, folder):
        rotations = torch.linalg.qr(torch.randn(len(self.clouds), 3, 3, generator=torch.Generator().manual_seed(4)))[0]
        rotations[:, :, 0] *= torch.linalg.det(rotations)[:, None]
        assert settings.n_samples == 4
        return self.clouds @ rotations, folder


def test_copies_are_noticed(files, tmp_path, monkeypatch):
    from dpskit.benchmarks import prior as prior_benchmark

    clouds = torch.stack(reference_clouds(files[0], "train", "train")[0])
    copies = Copies(clouds[:4])
    monkeypatch.setattr(prior_benchmark, "draw_samples", lambda prior, settings, folder: prior.draw(settings, folder))
    monkeypatch.setattr(prior_benchmark, "weights_digest", lambda prior: "")
    result, _ = benchmark_prior(copies, *files, SampleSettings(4, 48, emd_clouds=3), tmp_path)
    assert max(result.nearest["samples"]) < 1e-3 < min(result.nearest["test"])
    assert "4 of 4 samples are nearer to a training cloud than any of the test clouds is." in prior_table(result)


def test_the_command(prior, files, tmp_path, monkeypatch, capsys):
    from dpskit.priors.store import save_prior

    save_prior(prior.network.state_dict(), prior.network.config, prior.card, tmp_path / "chairs.safetensors")
    arguments = ["benchmark", "prior", str(tmp_path / "chairs.safetensors"), "--train", str(files[0]), "--test"]
    arguments += [str(files[1]), "--n-samples", "3", "--n-points", "24", "--n-steps", "3"]
    arguments += ["--record", str(tmp_path / "out" / "r.jsonl"), "--solver", "heun"]
    assert main(arguments) == 0
    text = capsys.readouterr().out
    assert "| 3 test clouds, 24 points | 1-NNA (%), CD |" in text and "reflected, by seed 0" in text
    assert "| paper: prior, ShapeNet-Chair | 78 |" in text and "| prior chairs, heun |" in text
    (line,) = (tmp_path / "out" / "r.jsonl").read_text().splitlines()
    record = json.loads(line)
    assert record["settings"]["solver"] == "heun" and len(record["nearest"]["samples"]) == 3
    assert (tmp_path / "out" / "r-heun.png").stat().st_size > 10_000
    assert len(list((tmp_path / "out").iterdir())) == 3
    assert set(TABLE_3) == {"chairs", "shapes", "complexes"}


def test_bad_input(one_sentence, prior, files, tmp_path):
    with one_sentence(ValueError, "n_samples", "0"):
        SampleSettings(n_samples=0)
    with one_sentence(ValueError, "solver", "flow, algorithm1, heun", "euler"):
        SampleSettings(solver="euler")
    with one_sentence(FileNotFoundError, "test", "none.npz"):
        benchmark_prior(prior, files[0], tmp_path / "none.npz", SMALL, tmp_path / "out")
    assert not (tmp_path / "out").exists()
