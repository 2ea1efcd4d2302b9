"""How fast a configuration trains here, and so how many clouds go into a given time."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace

import torch

from dpskit.checks import check_number
from dpskit.training.config import TrainConfig
from dpskit.training.data import load_clouds
from dpskit.training.step import step_loss
from dpskit.training.train import make_fabric, set_up


def seconds_per_cloud(config: TrainConfig, accelerator: str = "auto", seconds: float = 10.0) -> list[float]:
    """Seconds per training cloud in each stage of the curriculum, each measured for about `seconds` after a warm-up."""
    check_number("seconds", seconds, above=0.0)
    fabric = make_fabric(accelerator)
    clouds = load_clouds(config.data, config.held_out, config.n_points)[0].to(fabric.device)
    module, state = set_up(replace(config, initial=None), fabric)
    found = []
    for stage in config.curriculum:
        done, start = -2, 0.0
        while done < 1 or time.perf_counter() - start < seconds:
            fabric.backward(step_loss(module, clouds, config, stage, done + 2, fabric))
            for optimizer in state.optimizers:
                optimizer.step()
                optimizer.zero_grad()
            if fabric.device.type == "cuda":
                torch.cuda.synchronize(fabric.device)
            done += 1
            if done == 0:
                start = time.perf_counter()
        found.append((time.perf_counter() - start) / (done * stage.batch))
    return found


def clouds_in(minutes: float, config: TrainConfig, accelerator: str = "auto", seconds: float = 10.0) -> int:
    """How many clouds a run of `config` draws in `minutes` on this machine, as busy as it is now."""
    check_number("minutes", minutes, above=0.0)
    starts = [0.0, *(stage.until for stage in config.curriculum)]
    shares = [end - start for start, end in itertools.pairwise(starts)]
    costs = seconds_per_cloud(config, accelerator, seconds)
    return max(1, int(60 * minutes / sum(share * cost for share, cost in zip(shares, costs, strict=True))))
