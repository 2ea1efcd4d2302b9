"""The training loop: a plain function whose every step depends only on (settings, step), so that it can be resumed."""

from __future__ import annotations

import atexit
import copy
import math
import os
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from dpskit.checks import check_choice, check_integer, check_number, check_path
from dpskit.claim import claim
from dpskit.priors.latents import LatentNetwork
from dpskit.priors.networks import build
from dpskit.priors.store import load_prior
from dpskit.training.checkpoint import Checkpoint, TrainState, has_checkpoint, load_checkpoint, restore
from dpskit.training.config import TrainConfig
from dpskit.training.data import load_clouds
from dpskit.training.ema import update_ema
from dpskit.training.interrupt import stop_request
from dpskit.training.optimizer import make_optimizers
from dpskit.training.recorder import Progress, Recorder, describe_hardware
from dpskit.training.step import take_step

if TYPE_CHECKING:
    from lightning.fabric import Fabric


def train(
    config: TrainConfig,
    out: str | Path,
    *,
    resume: bool = False,
    accelerator: str = "auto",
    interval: float = 150,
    time_limit: float | None = None,
    shard_size: int | None = None,
    watch: Callable[[Progress], None] | None = None,
) -> Path:
    """Train a prior, and write its averaged weights.

    Beside `out`.safetensors lie `out`.md, the model card; `out`.names.txt, the names of the clouds; `out`.jsonl, one
    line per interval (step, clouds seen, training loss, loss per noise level on held-out and on training clouds); and
    the folder `out`.checkpoint, from which `resume` continues the same run, with the same weights in the end as if it
    had never stopped, whatever stopped it.

    Parameters
    ----------
    config
        What to train, on which clouds.
    out
        What the names of the files begin with.
    resume
        Continue from the checkpoint, if there is one. A resumed run may bring other data of the same content, another
        accelerator, and `compile`; every other setting must be that of the checkpoint.
    accelerator
        "auto" (CUDA if there is any), "cpu" or "cuda". Under torchrun, every process takes its part of each batch.
    interval
        Seconds after which the files are written; at the end, too, and when the run is stopped: by `time_limit`, or by
        SIGINT or SIGTERM, which take effect after the step at hand.
    time_limit
        Minutes, from the call.
    shard_size
        Bytes of the files that the weights and the checkpoint are split into; None: one file each.
    watch
        Called with a `Progress` at every interval.

    Returns
    -------
    Path
        Of the weights.

    Raises
    ------
    ValueError, TypeError
        For settings that are out of range, or not those of the checkpoint.
    FileExistsError
        Without `resume`, if a run of this name has begun.

    Notes
    -----
    Paper: A.2.

    Examples
    --------
    Two steps of a small network, on clouds of noise:

    >>> import dpskit, numpy
    >>> from dpskit.priors import TransformerConfig
    >>> from dpskit.training import Stage
    >>> numpy.savez("noise.npz", points=numpy.random.default_rng(0).normal(size=(12, 32, 3)).astype("float32"))
    >>> stages = (Stage(1.0, n_points=16, batch=4),)
    >>> config = dpskit.TrainConfig("noise.npz", 8, TransformerConfig(32, 1, 32), curriculum=stages, held_out=4)
    >>> dpskit.load_prior(dpskit.train(config, "noise", accelerator="cpu")).name
    'noise'
    """
    from dpskit.progress import tqdm

    if (suffix := check_path("out", out).suffix) not in ("", ".safetensors"):
        raise ValueError(f"out must be a path without suffix, got one that ends in {suffix!r}.")
    path = check_path("out", out).with_suffix(".safetensors")
    check_number("interval", interval, least=0.0)
    limit = math.inf if time_limit is None else 60 * check_number("time_limit", time_limit, above=0.0)
    shard_size = None if shard_size is None else check_integer("shard_size", shard_size)
    with claim(path, name="out") if int(os.environ.get("RANK", 0)) == 0 else nullcontext():
        saved = _saved(config, path, resume)
        clouds, held_out = load_clouds(config.data, config.held_out, config.n_points)
        fabric = make_fabric(accelerator)
        _check_batches(config, fabric)
        recorder = None
        if fabric.is_global_zero:
            recorder = Recorder.of(path, config, clouds, held_out, describe_hardware(fabric), shard_size, watch)
        clouds = clouds.to(fabric.device)
        module, state = set_up(config, fabric)
        if saved is not None:
            state = restore(state, saved[0], saved[2])
        if recorder is not None:
            recorder.begin(state, resumed=saved is not None)
        losses: list[Tensor] = []
        started, last, before = time.monotonic(), time.monotonic(), state.seconds
        name, main = path.stem, recorder is not None
        bar = tqdm(total=config.clouds, initial=state.seen, unit="cloud", desc=f"training {name}", disable=not main)
        with bar, stop_request() as request:
            while state.seen < config.clouds:
                stage = config.stage(state.seen / config.clouds)
                losses.append(take_step(module, clouds, config, state, fabric))
                now = time.monotonic()
                seen, seconds = state.seen + stage.batch, before + now - started
                state = replace(state, step=state.step + 1, seen=seen, seconds=seconds)
                update_ema(state.average, state.network, stage.batch, state.seen, config.ema_share)
                bar.update(stage.batch)
                stop = _any(fabric, request.signal is not None or now - started >= limit)
                if recorder is not None and (stop or now - last >= interval or state.seen >= config.clouds):
                    bar.set_postfix(loss=f"{float(losses[-1]):.3f}", points=stage.n_points)
                    recorder.record(state, float(torch.stack(losses).mean()))
                    losses.clear()
                    last = time.monotonic()
                if stop:
                    break
        request.raise_if_set()
    return path


def _saved(config: TrainConfig, path: Path, resume: bool) -> Checkpoint | None:
    """The checkpoint to continue from, None for a new run; raises an error for a run that cannot go on or begin."""
    checkpoint, log = path.with_suffix(".checkpoint"), path.with_suffix(".jsonl")
    if resume:
        saved = load_checkpoint(checkpoint)
        _check_same(config, saved[1])
        return saved
    for old, begun in ((log, log.exists()), (checkpoint, has_checkpoint(checkpoint))):
        if begun:
            raise FileExistsError(f"out must be new, or resume be set, but {str(old)!r} exists.")
    return None


def _check_batches(config: TrainConfig, fabric: Fabric) -> None:
    """Raise ValueError unless every process gets its part of every batch."""
    for stage in config.curriculum:
        if stage.batch % fabric.world_size:
            raise ValueError(f"batch must be a multiple of the {fabric.world_size} processes, got {stage.batch}.")


def make_fabric(accelerator: str = "auto") -> Fabric:
    """One process, or torchrun's, on its device.

    In float32, with autocast in `step_loss`: Fabric's mixed precision would round the coordinates to eight bits.
    """
    from lightning.fabric import Fabric

    check_choice("accelerator", accelerator, ["auto", "cpu", "cuda"])
    if accelerator == "auto":
        accelerator = "cuda" if torch.cuda.is_available() else "cpu"
    local, world = int(os.environ.get("LOCAL_WORLD_SIZE", 1)), int(os.environ.get("WORLD_SIZE", 1))
    fabric = Fabric(
        accelerator=accelerator,
        devices=local,
        num_nodes=world // local,
        strategy="ddp" if world > 1 else "auto",
    )
    fabric.launch()
    if torch.distributed.is_initialized():
        atexit.register(torch.distributed.destroy_process_group)  # a process that ends with its group open may abort
    return fabric


def set_up(config: TrainConfig, fabric: Fabric) -> tuple[nn.Module, TrainState]:
    """The module to train (the network, compiled and distributed as asked) and the state at step 0."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        network = build(config.network)
    if config.initial is not None:
        _start_from(load_prior(config.initial).network, network)
    network = fabric.to_device(network)
    average = copy.deepcopy(network).eval().requires_grad_(False)
    optimizers = make_optimizers(network, config.muon_rate, config.learning_rate, config.weight_decay)
    compiled = cast(nn.Module, torch.compile(network)) if config.compile else network
    module, *wrapped = fabric.setup(compiled, *optimizers)
    return module, TrainState(network, average, wrapped)


def _start_from(given: nn.Module, network: nn.Module) -> None:
    """Let `network` begin as `given`, of the same settings, or a latent network with fewer rounds."""
    if given.config == network.config:
        network.load_state_dict(given.state_dict())
        return
    if isinstance(given, LatentNetwork) and isinstance(network, LatentNetwork):
        rounds = given.config.rounds
        if rounds < network.config.rounds and replace(network.config, rounds=rounds) == given.config:
            network.grow_from(given)
            return
    raise ValueError(f"initial must be a prior of {network.config} or of fewer rounds, got one of {given.config}.")


def _check_same(config: TrainConfig, saved: TrainConfig) -> None:
    """Raise ValueError if a run would go on with other settings than it began with."""
    free: dict[str, Any] = {"data": saved.data, "compile": saved.compile}
    if replace(config, **free) != saved:
        ours, theirs = asdict(replace(config, **free)), asdict(saved)
        names = [name for name in ours if ours[name] != theirs[name]]
        got = ", ".join(f"{name} = {ours[name]!r} instead of {theirs[name]!r}" for name in names)
        raise ValueError(f"config must be that of the checkpoint to resume, but has {got}.")


def _any(fabric: Fabric, stop: bool) -> bool:
    """Whether any process asks to stop."""
    if fabric.world_size == 1:
        return stop
    total = fabric.all_reduce(torch.tensor(float(stop), device=fabric.device), reduce_op="sum")
    return bool(cast(Tensor, total) > 0)
