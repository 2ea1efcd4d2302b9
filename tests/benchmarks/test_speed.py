import pytest
import torch

from dpskit.benchmarks.speed import EVALUATIONS, forward_flops, measure_speed, speed_table
from dpskit.cli import main
from dpskit.priors.edm import DiffusionPrior
from dpskit.priors.latents import LatentConfig
from dpskit.priors.networks import PRESETS, build
from dpskit.priors.transformer import TransformerConfig
from dpskit.sampling.sample import iterate


@pytest.mark.parametrize(("width", "layers", "n"), [(64, 1, 16), (128, 3, 50), (192, 2, 7)])
def test_flops_of_a_transformer_by_formula(width, layers, n):
    """Per block 24 n w^2 + 4 n^2 w, 12 n w at the two ends, and 16 w^2 for the time."""
    expected = layers * (24 * n * width**2 + 4 * n**2 * width) + 12 * n * width + 16 * width**2
    assert forward_flops(TransformerConfig(width, layers), n) == expected


def test_flops_of_a_latent_network_are_linear_in_the_points_without_local_features():
    one, two, three = (forward_flops(LatentConfig(scales=()), n) for n in (100, 200, 300))
    assert three - two == two - one > 0


def test_evaluations_of_a_sample():
    calls = []

    class Counting:
        def denoise(self, x, t):
            calls.append(t)
            return x

    run = iterate(Counting(), None, n_samples=1, n_points=2)
    calls.clear()  # of the trial
    for _ in run:
        pass
    assert len(calls) == EVALUATIONS


def test_measured_speed():
    training, sampling = measure_speed(["shapes"], n_points=64, batch=3, seconds=0.0)
    assert (training.task, training.precision, sampling.task, sampling.precision) == (
        "training", "bf16", "sampling", "fp32"
    )  # fmt: skip
    once = forward_flops(PRESETS["shapes"], 64)
    assert training.flops == pytest.approx(3 * once * training.rate)
    assert sampling.flops == pytest.approx(once * EVALUATIONS * sampling.rate)
    assert sampling.share > 0 and training.share > 0
    table = speed_table([training, sampling])
    assert "| shapes | cpu | sampling | fp32 | 3 |" in table and len(table.splitlines()) == 4


def test_the_rate_is_that_of_the_work(monkeypatch):
    """Against a direct measurement, to a factor of 20: a sample takes ten times as many evaluations as that."""
    import time

    (_, sampling) = measure_speed(["shapes"], n_points=256, batch=2, seconds=0.3)
    prior = DiffusionPrior(build(PRESETS["shapes"]).eval())
    x, t = torch.randn(2, 256, 3), torch.ones(2)
    times = []
    with torch.no_grad():
        for _ in range(8):
            start = time.perf_counter()
            prior.denoise(x, t)
            times.append(time.perf_counter() - start)
    assert 1 / 20 < (2 / min(times) / EVALUATIONS) / sampling.rate < 20


def test_the_command(capsys):
    assert main(["benchmark", "speed", "--preset", "shapes", "--n-points", "16", "--seconds", "0"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("| preset | device | task |") and lines[2].startswith(
        "| shapes | cpu | training | bf16 | 2"
    )


def test_bad_input(one_sentence):
    for batch in (-1, 0):
        with one_sentence(ValueError, "batch", batch):
            measure_speed(["shapes"], n_points=8, batch=batch, seconds=0)
    with one_sentence(ValueError, "n_points", "0"):
        measure_speed(["shapes"], n_points=0)
