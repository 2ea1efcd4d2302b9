import json
import math
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dpskit import TrainConfig, load_prior, train
from dpskit.pose.templates import make_templates
from dpskit.priors.edm import edm_loss
from dpskit.priors.latents import LatentConfig
from dpskit.priors.store import save_prior
from dpskit.priors.transformer import PointTransformer, TransformerConfig
from dpskit.shards import load_tensors
from dpskit.training import step as module
from dpskit.training.card import lineage
from dpskit.training.checkpoint import STATE, load_checkpoint, restore
from dpskit.training.config import Stage
from dpskit.training.data import load_clouds
from dpskit.training.recorder import BANDS, band_losses
from dpskit.training.speed import clouds_in, seconds_per_cloud
from dpskit.training.step import schedule_factor, step_loss
from dpskit.training.train import make_fabric, set_up

SIZE = TransformerConfig(32, 1, 32)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Clouds that are easy to learn: all points lie at the two ends of a stick."""
    rng = np.random.default_rng(0)
    ends = np.where(rng.random((40, 32, 1)) < 0.5, -1.0, 1.0) * np.array([1.0, 0, 0])
    path = tmp_path_factory.mktemp("data") / "sticks.npz"
    np.savez(path, points=(ends + 0.02 * rng.normal(size=(40, 32, 3))).astype(np.float32))
    return str(path)


def settings(data, **changes):
    """Seven steps of eight clouds."""
    # fmt: off
    config = TrainConfig(data, clouds=56, network=SIZE, curriculum=(Stage(1.0, 16, 8),), held_out=4,
                         precision="fp32", seed=3)
    # fmt: on
    return replace(config, **changes)


@pytest.fixture
def signal_after(monkeypatch):
    """signal_after(n, number): the signal comes in the middle of the n-th next step."""
    original = module.draw_times

    def arm(steps, number=signal.SIGINT):
        left = iter(range(steps - 1))

        def draw(*arguments):
            if next(left, None) is None:
                monkeypatch.setattr(module, "draw_times", original)
                os.kill(os.getpid(), number)
            return original(*arguments)

        monkeypatch.setattr(module, "draw_times", draw)

    return arm


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def state(out):
    return load_checkpoint(out.with_suffix(".checkpoint"))[0]


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


# --- A whole run ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """A run that records itself at every fifth of a second, and is watched."""
    out = tmp_path_factory.mktemp("run") / "new" / "sticks"
    curriculum = (Stage(0.5, 16, 32), Stage(1.0, 32, 16))
    config = settings(data, clouds=12_000, curriculum=curriculum, learning_rate=5e-3)
    seen = []
    assert train(config, out, interval=0.2, watch=seen.append) == out.with_suffix(".safetensors")
    return config, out, seen


def test_a_run_leaves_a_prior_a_log_a_card_and_a_checkpoint(trained):
    config, out, _ = trained
    assert sorted(path.name for path in out.parent.iterdir()) == [
        "sticks.checkpoint",
        "sticks.jsonl",
        "sticks.md",
        "sticks.names.txt",
        "sticks.safetensors",
    ]
    steps = 188 + 375  # the first is the last whole number of batches that reaches half, 6016 clouds, the second 5984
    assert [path.name for path in out.with_suffix(".checkpoint").iterdir()] == [f"{steps - 1:09d}"]
    log = lines(out.with_suffix(".jsonl"))
    assert len(log) >= 2
    for key in ("step", "clouds", "minutes"):
        values = [line[key] for line in log]
        assert values == sorted(values)
    for line in log:
        assert line["clouds"] == 32 * min(line["step"], 188) + 16 * max(0, line["step"] - 188)
        assert sorted(map(float, line["held_out"])) == sorted(map(float, line["seen"])) == list(BANDS)
        assert all(math.isfinite(value) for value in [line["loss"], *line["held_out"].values()])
    assert log[-1]["clouds"] == 12_000

    card = out.with_suffix(".md").read_text()
    names = out.with_suffix(".names.txt").read_text().split()
    assert names == [f"sticks_{k:05d}" for k in range(40)] and ", 40 clouds (names: `sticks.names.txt`" in card
    assert load_prior(out.with_suffix(".safetensors")).card["data"]["sha256"] in card
    assert "`sticks.npz`" in card and "dpskit train" in card and "--clouds 12000" in card
    assert f"{log[-1]['step']:,} steps" in card and f"{log[-1]['held_out']['0.1']:.3f}" in card

    prior = load_prior(out.with_suffix(".safetensors"))
    assert prior.name == "sticks"
    assert prior.card["curve"] == log
    assert prior.card["steps"] == log[-1]["step"] and prior.card["clouds"] == log[-1]["clouds"]
    assert TrainConfig.from_dict(prior.card["settings"]) == replace(config, data="sticks.npz")  # not where it lay


def test_a_run_learns(trained):
    config, out, _ = trained
    _, held_out = load_clouds(config.data, config.held_out)
    torch.manual_seed(0)
    start = band_losses(PointTransformer(SIZE), held_out, config)
    end = lines(out.with_suffix(".jsonl"))[-1]["held_out"]
    assert np.mean(list(end.values())) < 0.9 * np.mean(list(start.values()))

    prior = load_prior(out.with_suffix(".safetensors"))
    again = band_losses(prior.network, held_out, config)
    assert {f"{t:g}": round(v, 4) for t, v in again.items()} == end  # the stored weights are the averaged ones


def test_an_upright_prior_knows_how_its_training_clouds_stand(trained):
    config, out, seen = trained
    templates = load_prior(out.with_suffix(".safetensors")).templates
    expected = make_templates(load_clouds(config.data, config.held_out)[0].points, seed=config.seed)
    assert torch.equal(templates.density, expected.density) and torch.equal(templates.weight, expected.weight)
    assert torch.equal(seen[-1].prior.templates.density, expected.density)


def test_a_run_is_watched(trained):
    _, out, seen = trained
    log = lines(out.with_suffix(".jsonl"))
    assert [progress.log for progress in seen] == [log[: k + 1] for k in range(len(log))]
    x, t = torch.randn(1, 5, 3), torch.tensor([0.3])
    prior = load_prior(out.with_suffix(".safetensors"))
    assert torch.equal(seen[-1].prior.denoise(x, t), prior.denoise(x, t))
    assert not torch.equal(seen[0].prior.denoise(x, t), prior.denoise(x, t))  # each keeps the weights of its time


def test_a_finished_run_stays_as_it_is(one_sentence, trained):
    config, out, _ = trained
    before = {path: path.read_bytes() for path in out.parent.rglob("*") if path.is_file()}
    with one_sentence(FileExistsError, "out", out.with_suffix(".jsonl")):
        train(config, out)
    train(config, out, resume=True)  # nothing is left to do
    assert {path: path.read_bytes() for path in out.parent.rglob("*") if path.is_file()} == before


def test_a_run_can_start_from_a_prior(one_sentence, data, trained, tmp_path):
    _, out, _ = trained
    initial = str(out.with_suffix(".safetensors"))
    train(settings(data, clouds=8, learning_rate=1e-9, muon_rate=0.0, initial=initial), tmp_path / "tuned")
    tuned, given = load_prior(tmp_path / "tuned.safetensors"), load_prior(initial)
    assert all(torch.allclose(a, b, atol=1e-7) for a, b in zip(*map(parameters, (tuned, given)), strict=True))
    assert tuned.card["settings"]["initial"] == "sticks.safetensors"
    made = lineage(given)[-1]
    assert made["command"].startswith("dpskit train ") and tuned.card["ancestors"] == [*given.card["ancestors"], made]
    assert lineage(tuned)[:-1] == tuned.card["ancestors"]
    assert f"  - `sticks` was made by `{made['command']}`\n" in (tmp_path / "tuned.md").read_text()
    with one_sentence(ValueError, "initial", "width=64", "width=32"):
        train(settings(data, network=TransformerConfig(64, 1, 32), initial=initial), tmp_path / "other")


def test_what_was_chosen_for_a_prior_is_handed_on(data, trained, tmp_path):
    given = load_prior(trained[1].with_suffix(".safetensors"))
    chosen = {"cutoff": 0.2, "jacobian": [0.1, 5.0], "blur": 0.04}
    network = given.network
    save_prior(network.state_dict(), network.config, given.card | {"defaults": chosen}, tmp_path / "chosen.safetensors")
    train(settings(data, clouds=8, initial=str(tmp_path / "chosen.safetensors")), tmp_path / "tuned")
    tuned = load_prior(tmp_path / "tuned.safetensors")
    assert (tuned.cutoff, tuned.jacobian, tuned.blur) == (0.2, (0.1, 5.0), 0.04)


def test_a_deeper_network_begins_as_the_prior_it_starts_from(one_sentence, data, tmp_path):
    small = LatentConfig(latents=4, width=64, point_width=16, rounds=1, blocks=1, cross_width=32, octaves=2)
    first = train(settings(data, network=small), tmp_path / "small")
    one_step = {"initial": str(first), "clouds": 8, "learning_rate": 1e-9, "muon_rate": 0.0}
    deeper = train(settings(data, network=replace(small, rounds=3), **one_step), tmp_path / "deeper")
    given, grown = load_prior(first), load_prior(deeper)
    assert grown.network.config.rounds == 3
    x, t = torch.randn(2, 50, 3, generator=torch.Generator().manual_seed(1)), torch.tensor([0.1, 1.0])
    assert torch.allclose(given.denoise(x, t), grown.denoise(x, t), atol=1e-6)
    learned = train(settings(data, network=replace(small, rounds=3), initial=str(first)), tmp_path / "learned")
    assert (load_prior(learned).network.rounds[2].write.project.weight.abs() > 1e-4).any()
    with one_sentence(ValueError, "initial", "rounds=1", "rounds=3"):
        train(settings(data, network=small, initial=str(deeper)), tmp_path / "shallower")
    with one_sentence(ValueError, "initial", "width=64", "width=32"):
        train(settings(data, network=replace(small, rounds=3, cross_width=64), initial=str(first)), tmp_path / "other")


def parameters(prior):
    return list(prior.network.parameters())


# --- Interruptions ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)])
def test_an_interrupted_run_resumes_to_the_same_weights(data, tmp_path, signal_after, number, error):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(settings(data), whole)
    before = signal.getsignal(number)
    for resume, steps in [(False, 3), (True, 2)]:
        signal_after(steps, number)
        with pytest.raises(error) as raised:
            train(settings(data), parts, resume=resume)
        assert error is KeyboardInterrupt or raised.value.code == 143
        assert signal.getsignal(number) == before
    train(settings(data), parts, resume=True)
    log = lines(parts.with_suffix(".jsonl"))
    assert [(line["step"], line["clouds"]) for line in log] == [(3, 24), (5, 40), (7, 56)]
    assert same(state(whole), state(parts))  # weights, averages and the optimizer's moments
    assert same(load_tensors(whole.with_suffix(".safetensors"))[0], load_tensors(parts.with_suffix(".safetensors"))[0])


def test_a_killed_run_resumes_to_the_same_weights(data, tmp_path):
    """SIGKILL, twice, at whatever moment it comes: also while files are being written."""
    config, whole, parts = settings(data, clouds=400), tmp_path / "whole", tmp_path / "parts"
    train(config, whole)
    flags = ["--clouds", "400", "--stage", "1", "16", "8", "--precision", "fp32", "--seed", "3", "--interval", "0"]
    code = (
        "import sys; from dpskit import cli; from dpskit.training import config as c\n"
        "from dpskit.priors.transformer import TransformerConfig\n"
        "new = c.TrainConfig.__post_init__\n"
        "def small(self):\n"
        "    object.__setattr__(self, 'network', TransformerConfig(32, 1, 32))\n"
        "    object.__setattr__(self, 'held_out', 4)\n"
        "    new(self)\n"
        "c.TrainConfig.__post_init__ = small\n"
        "sys.exit(cli.main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", code, "train", data, "--out", str(parts)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    log = parts.with_suffix(".jsonl")
    for extra, enough in [(flags, 8), (["--resume", "--interval", "0"], 20)]:
        process = subprocess.Popen([*command, *extra], env=environment, stderr=subprocess.DEVNULL)
        while process.poll() is None and (not log.exists() or len(log.read_text().splitlines()) < enough):
            pass
        process.kill()
        assert process.wait() == -signal.SIGKILL
    reached = int(load_checkpoint(parts.with_suffix(".checkpoint"))[2]["step"])
    assert enough - 1 <= reached < 50
    train(config, parts, resume=True)
    assert same(state(whole), state(parts))
    steps = [line["step"] for line in lines(log)]
    assert steps == sorted(set(steps)) and steps[-1] == 50  # what was logged after the last checkpoint is logged once


def test_a_time_limit_ends_a_call_not_the_run(data, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(settings(data), whole)
    train(settings(data), parts, time_limit=1e-9)
    assert lines(parts.with_suffix(".jsonl"))[-1]["step"] == 1
    train(settings(data), parts, resume=True)
    assert same(state(whole), state(parts))


def test_shards_hold_the_same_and_stay_below_their_size(data, tmp_path):
    config = settings(data, orientation="rotated")  # without templates, which no file of this size holds
    train(config, tmp_path / "one")
    train(config, tmp_path / "many", shard_size=20_000)
    assert same(state(tmp_path / "one"), state(tmp_path / "many"))
    files = list(tmp_path.glob("many-*-of-*.safetensors"))
    pieces = list((tmp_path / "many.checkpoint" / "000000007").iterdir())
    assert len(files) > 1 and len(pieces) > 3 * len(files)
    assert max(file.stat().st_size for file in [*files, *pieces]) < 20_000 + 4096  # the header
    one, many = load_prior(tmp_path / "one.safetensors"), load_prior(tmp_path / "many.safetensors")
    assert all(torch.equal(a, b) for a, b in zip(*map(parameters, (one, many)), strict=True))


def test_a_run_depends_on_its_seed(data, tmp_path):
    weights = []
    for name, seed in [("a", 1), ("b", 1), ("c", 2)]:
        train(settings(data, seed=seed, clouds=16), tmp_path / name)
        weights.append(load_tensors(tmp_path / f"{name}.safetensors")[0]["output.weight"])
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_resume_needs_a_good_checkpoint_of_the_same_settings(one_sentence, data, tmp_path):
    out = tmp_path / "a"
    with one_sentence(FileNotFoundError, "resume", out.with_suffix(".checkpoint")):
        train(settings(data), out, resume=True)
    assert list(tmp_path.iterdir()) == []
    train(settings(data), out, time_limit=1e-9)
    with one_sentence(ValueError, "config", "network", "seed = 4 instead of 3"):
        train(settings(data, network=TransformerConfig(64, 1, 32), seed=4), out, resume=True)
    file = out.with_suffix(".checkpoint") / "000000001" / STATE
    content = file.read_bytes()
    for keep in (0, 10, len(content) // 2, len(content) - 1):
        file.write_bytes(content[:keep])
        with one_sentence(ValueError, "checkpoint", file):
            train(settings(data), out, resume=True)


def test_of_two_complete_checkpoints_the_later_counts(data, tmp_path):
    """As a process leaves them that was killed between writing one and removing the other."""
    out = tmp_path / "a"
    train(settings(data), out, time_limit=1e-9)
    folder = out.with_suffix(".checkpoint")
    shutil.copytree(folder / "000000001", tmp_path / "kept")
    train(settings(data), out, resume=True)
    shutil.move(tmp_path / "kept", folder / "000000001")
    tensors, config, about = load_checkpoint(folder)
    assert (about["step"], about["seen"], config) == ("7", "56", settings(data))
    fresh = set_up(config, make_fabric("cpu"))[1]
    restored = restore(fresh, tensors, about | {"seconds": "12.3"})
    assert (restored.step, restored.seen, restored.seconds) == (7, 56, 12.3)


def weights_around_the_first_step(data, tmp_path, **changes):
    """Before it, after it, and their average after it, each as one vector; and the settings."""
    config = settings(data, clouds=8, weight_decay=0.0, **changes)
    network = set_up(config, make_fabric("cpu"))[1].network
    before = torch.cat([value.flatten() for value in network.state_dict().values()])
    train(config, tmp_path / "a")
    found = state(tmp_path / "a")
    after, average = (
        torch.cat([found[f"{part}.{name}"].flatten() for name in network.state_dict()])
        for part in ("network", "average")
    )
    return before, after, average, config


def test_the_first_step_has_the_length_of_the_warm_up(data, tmp_path):
    """Adam's first step moves a weight by the learning rate, whatever its gradient."""
    before, after, _, config = weights_around_the_first_step(data, tmp_path)
    assert float((after - before).abs().max()) == pytest.approx(
        config.learning_rate * schedule_factor(0.0, config), rel=1e-3
    )


def test_gradients_are_clipped(data, tmp_path):
    """To a length far below Adam's epsilon, 1e-8, so that next to nothing moves."""
    before, after, _, config = weights_around_the_first_step(data, tmp_path, clip=1e-12)
    assert float((after - before).abs().max()) < 1e-3 * config.learning_rate * schedule_factor(0.0, config)


def test_the_average_follows_the_clouds_seen(data, tmp_path):
    """Half-life ten times the eight clouds seen: of a step of eight clouds it takes up 1 - 0.5^0.1."""
    before, after, average, _ = weights_around_the_first_step(data, tmp_path, ema_share=10.0)
    assert torch.allclose(average - before, (1 - 0.5**0.1) * (after - before), atol=1e-7)


def test_no_two_steps_of_neighbouring_seeds_share_their_draws(data):
    clouds, stage, fabric = load_clouds(data, 4)[0], Stage(1.0, 16, 8), make_fabric("cpu")
    network = PointTransformer(SIZE)
    losses = [
        float(step_loss(network, clouds, settings(data, seed=seed), stage, step, fabric).detach())
        for seed in range(3)
        for step in range(3)
    ]
    assert len(set(losses)) == 9


def test_a_loss_that_is_not_finite_ends_the_run_and_keeps_the_last_checkpoint(data, tmp_path, monkeypatch):
    out = tmp_path / "a"
    train(settings(data), out, time_limit=1e-9)
    before = state(out)
    monkeypatch.setattr(module, "edm_loss", lambda *arguments: edm_loss(*arguments) * math.nan)
    with pytest.raises(FloatingPointError, match="step 7"):
        train(settings(data), out, resume=True)
    assert same(before, state(out))


# --- Several processes, and speed -------------------------------------------------------------------------------------

WORKER = """
import sys, torch
from dataclasses import replace
from safetensors.torch import save_file
from dpskit import TrainConfig
from dpskit.priors.transformer import TransformerConfig
from dpskit.training.config import Stage
from dpskit.training.data import load_clouds
from dpskit.training.step import step_loss
from dpskit.training.train import make_fabric, set_up

def main():
    torch.set_num_threads(1)
    stage, SIZE = Stage(1.0, 16, 8), TransformerConfig(32, 1, 32)
    config = TrainConfig(sys.argv[1], 56, SIZE, curriculum=(stage,), held_out=4, precision="fp32")
    fabric = make_fabric("cpu")
    module, state = set_up(config, fabric)
    with torch.no_grad():  # the output layer starts at zero, where only its own gradient is not
        for k, parameter in enumerate(state.network.parameters()):
            parameter.add_(0.02 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(k)))
    fabric.backward(step_loss(module, load_clouds(config.data, 4)[0], config, stage, 5, fabric))
    if fabric.is_global_zero:
        save_file({name: p.grad for name, p in state.network.named_parameters()}, sys.argv[2])

main()  # what it made is gone before the processes part
"""


# By address, since a machine's own name need not resolve.
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--local-addr=127.0.0.1", "--nproc-per-node=2"]
REDUCE = """
import torch, torch.distributed as dist
dist.init_process_group("gloo")
dist.all_reduce(torch.ones(1))
dist.destroy_process_group()
"""


def launch(arguments: list[str]) -> subprocess.CompletedProcess:
    paths = {"PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    return subprocess.run(
        [sys.executable, *arguments], env=os.environ | paths, capture_output=True, text=True, timeout=240
    )


def test_two_processes_have_the_gradient_of_one_with_the_whole_batch(data, tmp_path):
    worker, bare = tmp_path / "worker.py", tmp_path / "bare.py"
    worker.write_text(WORKER)
    bare.write_text(REDUCE)
    gradients = []
    for launcher, name in [([], "one"), (TORCHRUN, "two")]:
        run = launch([*launcher, str(worker), data, str(tmp_path / name)])
        if launcher and run.returncode and launch([*launcher, str(bare)]).returncode:
            pytest.skip("two processes cannot talk to each other on this machine, whatever they run")
        assert run.returncode == 0, run.stderr
        gradients.append(load_tensors(tmp_path / name)[0])
    one, two = gradients
    assert one.keys() == two.keys()
    assert all(float(gradient.abs().max()) > 1e-4 for name, gradient in one.items() if "qkv.bias" not in name)
    for name in one:
        assert torch.allclose(one[name], two[name], rtol=1e-5, atol=1e-5 * float(one[name].abs().max())), name


def test_the_clouds_that_go_into_a_time(data, monkeypatch):
    from dpskit.training import speed

    config = settings(data, curriculum=(Stage(0.25, 8, 4), Stage(1.0, 16, 2)))
    measured = seconds_per_cloud(config, "cpu", seconds=0.05)
    assert len(measured) == 2 and all(0 < seconds < 1 for seconds in measured)
    monkeypatch.setattr(speed, "seconds_per_cloud", lambda *arguments: [0.1, 0.3])
    assert clouds_in(2, config) == int(120 / (0.25 * 0.1 + 0.75 * 0.3))


def test_bad_data_leaves_nothing_behind(one_sentence, tmp_path):
    with one_sentence(FileNotFoundError, "data", "none.npz"):
        train(settings(str(tmp_path / "none.npz")), tmp_path / "new" / "a")
    with one_sentence(ValueError, "out must be a path without suffix", "'.5'"):  # or v1.4 and v1.5 would both be v1
        train(settings(str(tmp_path / "none.npz")), tmp_path / "v1.5")
    assert list(tmp_path.iterdir()) == []
