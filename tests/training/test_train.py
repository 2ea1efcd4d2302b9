import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from dpskit import TrainConfig, load_prior, train
from dpskit.priors.edm import edm_loss
from dpskit.priors.transformer import NetworkConfig, PointTransformer
from dpskit.training import train as module
from dpskit.training.config import Stage
from dpskit.training.data import load_clouds
from dpskit.training.ema import update_ema
from dpskit.training.train import BANDS, draw_times, held_out_losses

SIZE = NetworkConfig(32, 1, 32)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Clouds that are easy to learn: all points lie at the two ends of a stick."""
    rng = np.random.default_rng(0)
    ends = np.where(rng.random((40, 32, 1)) < 0.5, -1.0, 1.0) * np.array([1.0, 0, 0])
    path = tmp_path_factory.mktemp("data") / "sticks.npz"
    np.savez(path, points=(ends + 0.02 * rng.normal(size=(40, 32, 3))).astype(np.float32))
    return str(path)


def settings(data, **changes):
    # fmt: off
    config = TrainConfig(data, minutes=1e6, network=SIZE, curriculum=(Stage(1.0, 16, 8),), held_out=4,
                         precision="fp32", seed=3)
    # fmt: on
    return replace(config, **changes)


@pytest.fixture
def interrupt_after(monkeypatch):
    """interrupt_after(n): the n-th next step of the training is the last, as if the user had pressed Ctrl-C."""
    original = module.draw_times

    def arm(steps):
        left = iter(range(steps))

        def draw(*arguments):
            if next(left, None) is None:
                raise KeyboardInterrupt
            return original(*arguments)

        monkeypatch.setattr(module, "draw_times", draw)

    monkeypatch.setattr(module, "learning_rate", lambda share, config: config.learning_rate)
    return arm


def stop(config, out, **arguments):
    with pytest.raises(KeyboardInterrupt):
        train(config, out, **arguments)


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


# --- A whole run ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """A run of three seconds that records itself every second."""
    out = tmp_path_factory.mktemp("run") / "new" / "sticks"
    curriculum = (Stage(0.5, 16, 32), Stage(1.0, 32, 16))
    config = settings(data, minutes=0.05, curriculum=curriculum, learning_rate=5e-3)
    assert train(config, out, interval=1.0) == out.with_suffix(".safetensors")
    return config, out


def test_a_run_leaves_a_prior_a_log_a_card_and_a_checkpoint(trained):
    config, out = trained
    assert sorted(path.name for path in out.parent.iterdir()) == [
        "sticks.checkpoint",
        "sticks.jsonl",
        "sticks.md",
        "sticks.safetensors",
    ]
    log = lines(out.with_suffix(".jsonl"))
    assert len(log) >= 2
    for key in ("step", "clouds", "minutes"):
        values = [line[key] for line in log]
        assert values == sorted(values)
    for line in log:
        assert 16 * line["step"] <= line["clouds"] <= 32 * line["step"]
        assert sorted(map(float, line["held_out"])) == list(BANDS)
        assert all(math.isfinite(value) for value in [line["loss"], *line["held_out"].values()])
    assert log[-1]["clouds"] < 32 * log[-1]["step"]  # the second stage was reached

    card = out.with_suffix(".md").read_text()
    assert "`sticks.npz`" in card and "dpskit train" in card
    assert f"{log[-1]['step']:,} steps" in card and f"{log[-1]['held_out']['0.1']:.3f}" in card

    prior = load_prior(out.with_suffix(".safetensors"))
    assert prior.name == "sticks"
    assert prior.card["curve"] == log
    assert prior.card["steps"] == log[-1]["step"] and prior.card["clouds"] == log[-1]["clouds"]
    assert prior.card["settings"]["data"] == "sticks.npz"  # the name alone, not where it lay
    assert prior.card["settings"]["learning_rate"] == config.learning_rate
    assert prior.card["settings"]["network"] == {"width": 32, "layers": 1, "head_width": 32}


def test_a_run_learns(trained):
    config, out = trained
    _, held_out = load_clouds(config.data, config.held_out)
    torch.manual_seed(0)
    network = PointTransformer(SIZE)
    start = held_out_losses(network, network.state_dict(), held_out, config)
    end = lines(out.with_suffix(".jsonl"))[-1]["held_out"]
    assert np.mean(list(end.values())) < 0.9 * np.mean(list(start.values()))

    prior = load_prior(out.with_suffix(".safetensors"))
    again = held_out_losses(prior.network, prior.network.state_dict(), held_out, config)
    assert {f"{t:g}": round(v, 4) for t, v in again.items()} == end  # the stored weights are the averaged ones


def test_a_finished_run_cannot_be_overwritten_but_continued(one_sentence, trained):
    config, out = trained
    before = {path: path.read_bytes() for path in out.parent.iterdir()}
    with one_sentence(FileExistsError, "out", out.with_suffix(".jsonl")):
        train(config, out)
    train(config, out, resume=True)  # nothing is left of the budget
    assert {path: path.read_bytes() for path in out.parent.iterdir()} == before

    train(replace(config, minutes=0.06), out, resume=True)
    log = lines(out.with_suffix(".jsonl"))
    assert log[-1]["step"] > len(before) and log[-1]["step"] > log[-2]["step"]
    assert log[-1]["minutes"] >= 0.06


# --- Interruptions ----------------------------------------------------------------------------------------------------


def test_an_interrupted_run_resumes_to_the_same_weights(data, tmp_path, interrupt_after):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    interrupt_after(7)
    stop(settings(data), whole)
    for resume, steps in [(False, 3), (True, 2), (True, 2)]:
        interrupt_after(steps)
        stop(settings(data), parts, resume=resume)
    assert [(line["step"], line["clouds"]) for line in lines(parts.with_suffix(".jsonl"))] == [
        (3, 24),
        (5, 40),
        (7, 56),
    ]
    for suffix in (".safetensors", ".checkpoint"):  # weights, averages and the optimizer's moments
        one, other = load_file(whole.with_suffix(suffix)), load_file(parts.with_suffix(suffix))
        assert one.keys() == other.keys()
        assert all(torch.equal(one[key], other[key]) for key in one)


def test_a_run_depends_on_its_seed(data, tmp_path, interrupt_after):
    weights = []
    for name, seed in [("a", 1), ("b", 1), ("c", 2)]:
        interrupt_after(2)
        stop(settings(data, seed=seed), tmp_path / name)
        weights.append(load_file(tmp_path / f"{name}.safetensors")["output.weight"])
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_the_draws_of_a_step_depend_on_seed_and_step_alone(data, tmp_path, interrupt_after, monkeypatch):
    """Whatever was drawn before, and however often the run was interrupted."""
    seen = []
    original = module.edm_loss

    def record(network, x0, t, noise):
        if x0.requires_grad is False and torch.is_grad_enabled():
            seen.append((x0, t, noise))
        return original(network, x0, t, noise)

    monkeypatch.setattr(module, "edm_loss", record)
    interrupt_after(4)
    stop(settings(data), tmp_path / "a")
    whole, seen[:] = list(seen), []
    interrupt_after(2)
    stop(settings(data), tmp_path / "b")
    torch.rand(3)
    interrupt_after(2)
    stop(settings(data), tmp_path / "b", resume=True)
    assert len(whole) == len(seen) == 4
    for one, other in zip(whole, seen, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    assert not torch.equal(whole[0][2], whole[1][2])


def test_resume_without_a_good_checkpoint(one_sentence, data, tmp_path, interrupt_after):
    out = tmp_path / "a"
    with one_sentence(FileNotFoundError, "resume", out.with_suffix(".checkpoint")):
        train(settings(data), out, resume=True)
    assert list(tmp_path.iterdir()) == []
    interrupt_after(1)
    stop(settings(data), out)
    with one_sentence(ValueError, "resume", "width=64"):
        train(settings(data, network=NetworkConfig(64, 1, 32)), out, resume=True)
    content = out.with_suffix(".checkpoint").read_bytes()
    for keep in (0, 10, len(content) // 2, len(content) - 1):
        out.with_suffix(".checkpoint").write_bytes(content[:keep])
        with one_sentence(ValueError, "resume", out.with_suffix(".checkpoint")):
            train(settings(data), out, resume=True)
    out.with_suffix(".checkpoint").write_bytes(out.with_suffix(".safetensors").read_bytes())  # a prior is none
    with one_sentence(ValueError, "resume", out.with_suffix(".checkpoint")):
        train(settings(data), out, resume=True)


def test_bad_data_leaves_nothing_behind(one_sentence, tmp_path):
    with one_sentence(FileNotFoundError, "data", "none.npz"):
        train(settings(str(tmp_path / "none.npz")), tmp_path / "new" / "a")
    assert list(tmp_path.iterdir()) == []


# --- Parts ------------------------------------------------------------------------------------------------------------


def test_times_are_log_normal():
    config = TrainConfig("data.npz", 1.0, p_mean=-1.5, p_std=0.7, uniform_share=0.0)
    log_t = draw_times(20_000, config, torch.Generator().manual_seed(0)).double().log()
    assert abs(float(log_t.mean()) + 1.5) < 4 * 0.7 / math.sqrt(20_000)
    assert abs(float(log_t.std()) / 0.7 - 1) < 4 / math.sqrt(40_000)
    normal = torch.special.ndtr((log_t + 1.5) / 0.7).sort().values
    ranks = (torch.arange(20_000) + 0.5) / 20_000
    assert float((normal - ranks).abs().max()) < 1.95 / math.sqrt(20_000)  # Kolmogorov and Smirnov, p = 0.001


def test_times_can_be_log_uniform():
    config = TrainConfig("data.npz", 1.0, uniform_share=1.0, t_range=(0.01, 10.0))
    log_t = draw_times(20_000, config, torch.Generator().manual_seed(0)).double().log()
    unit = ((log_t - math.log(0.01)) / math.log(1000)).sort().values
    ranks = (torch.arange(20_000) + 0.5) / 20_000
    assert float((unit - ranks).abs().max()) < 1.95 / math.sqrt(20_000)


def test_a_share_of_the_times_is_log_uniform():
    config = TrainConfig("data.npz", 1.0)
    t = draw_times(50_000, config, torch.Generator().manual_seed(1)).double()
    assert float(t.min()) >= 0.002 * (1 - 1e-6) and float(t.max()) <= 80 * (1 + 1e-6)
    for bound in (0.05, 0.15, 1.0, 5.0):
        above = 0.1 * math.log(80 / bound) / math.log(80 / 0.002)
        above += 0.9 * (1 - float(torch.special.ndtr(torch.tensor(math.log(bound) + 1.9))))
        z = (int((t > bound).sum()) - 50_000 * above) / math.sqrt(50_000 * above * (1 - above))
        assert abs(z) < 4


def test_held_out_losses_of_a_fresh_network_in_closed_form(data):
    """It returns zeros, so D = c_skip x: the loss is ((1 - c_skip)^2 v + c_skip^2 t^2) / c_out^2, v the mean square."""
    config = settings(data)
    _, held_out = load_clouds(data, config.held_out)
    network = PointTransformer(SIZE)
    found = held_out_losses(network, network.state_dict(), held_out, config)
    assert tuple(found) == BANDS
    v = float(held_out.points.float().square().mean())
    for t, loss in found.items():
        skip, out = 0.25 / (t**2 + 0.25), 0.25 * t**2 / (t**2 + 0.25)
        expected = ((1 - skip) ** 2 * v + skip**2 * t**2) / out
        assert loss == pytest.approx(expected, rel=0.06)
    assert held_out_losses(network, network.state_dict(), held_out, config) == found  # under fixed draws


def test_held_out_losses_are_those_of_the_averaged_weights(data):
    config = settings(data)
    _, held_out = load_clouds(data, config.held_out)
    network = PointTransformer(SIZE)
    average = {name: weight + 0.1 for name, weight in network.state_dict().items()}
    found = held_out_losses(network, average, held_out, config)
    network.load_state_dict(average)
    assert held_out_losses(network, average, held_out, config) == pytest.approx(found)
    generator = torch.Generator().manual_seed(1)
    x0 = held_out.draw(32, 256, config.proper, generator)
    noise = torch.randn(x0.shape, generator=generator)
    for t in BANDS:
        expected = edm_loss(network, x0, torch.full((32,), t), noise).mean()
        assert found[t] == pytest.approx(float(expected.detach()), rel=1e-4)


def test_average_of_the_weights():
    network = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(network.weight, 1.0)
    average = {"weight": torch.zeros(1, 1)}
    update_ema(average, network, batch=8, seen=1600, share=0.05)  # half-life 80 clouds: a tenth of it
    assert float(average["weight"]) == pytest.approx(1 - 0.5**0.1)
    for _ in range(9):
        update_ema(average, network, batch=8, seen=1600, share=0.05)
    assert float(average["weight"]) == pytest.approx(0.5)
    early = {"weight": torch.zeros(1, 1)}
    update_ema(early, network, batch=8, seen=8, share=0.05)  # never shorter than a batch
    assert float(early["weight"]) == pytest.approx(0.5)
