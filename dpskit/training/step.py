"""One step of training."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from dpskit.priors.edm import edm_loss
from dpskit.training.augment import deform, orient
from dpskit.training.checkpoint import TrainState
from dpskit.training.config import Stage, TrainConfig
from dpskit.training.data import Clouds

if TYPE_CHECKING:
    from lightning.fabric import Fabric


def take_step(module: nn.Module, clouds: Clouds, config: TrainConfig, state: TrainState, fabric: Fabric) -> Tensor:
    """Change the weights by one step, and return its loss."""
    share = state.seen / config.clouds
    factor = schedule_factor(share, config)
    for group in (group for optimizer in state.optimizers for group in optimizer.param_groups):
        group["lr"] = group["peak"] * factor
    loss = step_loss(module, clouds, config, config.stage(share), state.step, fabric)
    fabric.backward(loss)
    nn.utils.clip_grad_norm_(module.parameters(), config.clip)
    for optimizer in state.optimizers:
        optimizer.step()
        optimizer.zero_grad()
    return loss.detach()


def step_loss(
    module: nn.Module, clouds: Clouds, config: TrainConfig, stage: Stage, step: int, fabric: Fabric
) -> Tensor:
    """The mean EDM loss of this process's part of the batch of `step`, which depends on the seed and step alone."""
    generator = torch.Generator(fabric.device).manual_seed(config.seed * 1_000_003 + step)
    x0 = clouds.draw(stage.batch, stage.n_points, generator)
    x0 = orient(deform(x0, config.deform, generator), config.orientation, generator)
    t = draw_times(stage, config, generator)
    noise = torch.randn(x0.shape, generator=generator, device=x0.device)
    mine = slice(fabric.global_rank, None, fabric.world_size)
    with torch.autocast(fabric.device.type, torch.bfloat16, enabled=config.precision == "bf16"):
        return edm_loss(module, x0[mine], t[mine], noise[mine]).mean()


def draw_times(stage: Stage, config: TrainConfig, generator: torch.Generator) -> Tensor:
    """Noise levels t (batch,): log-normal, and log-uniform for a share of the draws."""
    batch, device = stage.batch, generator.device
    normal = torch.randn(batch, generator=generator, device=device) * stage.p_std + stage.p_mean
    low, high = math.log(config.t_min), math.log(stage.t_max)
    uniform = torch.rand(batch, generator=generator, device=device) * (high - low) + low
    spread = torch.rand(batch, generator=generator, device=device) < config.uniform_share
    return torch.where(spread, uniform, normal).clamp(low, high).exp()


def schedule_factor(share: float, config: TrainConfig) -> float:
    """What the peak learning rates are multiplied by: linear warm-up, then a cosine to zero, over the share done."""
    rise = min(1.0, (share + 1e-3) / config.warmup)
    return rise * (1 + math.cos(math.pi * min(1.0, share))) / 2
