"""The training loop: a plain function whose every step depends only on (settings, step), so that it can be resumed."""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dpskit.files import replacing
from dpskit.priors.edm import edm_loss
from dpskit.priors.store import save_prior
from dpskit.priors.transformer import PointTransformer
from dpskit.training.card import model_card
from dpskit.training.checkpoint import restore_checkpoint, save_checkpoint
from dpskit.training.config import TrainConfig
from dpskit.training.data import Clouds, load_clouds
from dpskit.training.ema import update_ema

BANDS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""The noise levels at which the held-out loss is measured."""


def train(
    config: TrainConfig, out: str | Path, *, resume: bool = False, device: str | None = None, interval: float = 150
) -> Path:
    """Train a prior and write `out`.safetensors (EMA weights); returns its path.

    Beside it: `out`.md, the model card; `out`.jsonl, one line per interval (step, clouds seen, training loss, held-out
    loss per noise level); and `out`.checkpoint, from which `resume` continues the same run. All are written every
    `interval` seconds, and when the run is interrupted.
    """
    from tqdm.auto import tqdm

    out = Path(out)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    clouds, held_out = load_clouds(config.data, config.held_out)
    torch.manual_seed(config.seed)
    network = PointTransformer(config.network).to(device)
    average = {name: weight.clone() for name, weight in network.state_dict().items()}
    optimizer = torch.optim.AdamW(
        network.parameters(), config.learning_rate, betas=(0.9, 0.99), weight_decay=config.weight_decay, fused=True
    )
    checkpoint, log_path = out.with_suffix(".checkpoint"), out.with_suffix(".jsonl")
    step, seen, spent = 0, 0, 0.0
    if resume:
        step, seen, spent = restore_checkpoint(checkpoint, config, network, average, optimizer)
    elif log_path.exists():
        raise FileExistsError(f"out must be new, or resume be set, but {str(log_path)!r} exists.")
    out.parent.mkdir(parents=True, exist_ok=True)
    run = torch.compile(network) if config.compile else network

    budget = 60 * config.minutes
    losses: list[Tensor] = []
    start, last = time.monotonic() - spent, time.monotonic()
    progress = tqdm(total=round(budget), initial=round(spent), unit="s", desc=f"training {out.name}")

    def record() -> None:
        line = {"step": step, "clouds": seen, "minutes": round(spent / 60, 2)}
        line["loss"] = round(float(torch.stack(losses).mean()), 4) if losses else None
        line["held_out"] = {
            f"{t:g}": round(v, 4) for t, v in held_out_losses(network, average, held_out, config).items()
        }
        with log_path.open("a") as log:
            log.write(json.dumps(line) + "\n")
        losses.clear()
        card = _card(config, step, seen, spent, log_path)
        save_prior(average, config.network, card, out.with_suffix(".safetensors"))
        with replacing(out.with_suffix(".md")) as temporary:
            temporary.write_text(model_card(out.name, card))
        save_checkpoint(checkpoint, config, network, average, optimizer, step, seen, spent)

    try:
        while spent < budget:
            share = spent / budget
            stage = config.stage(share)
            generator = torch.Generator().manual_seed(config.seed * 1_000_003 + step)
            x0 = clouds.draw(stage.batch, stage.n_points, config.proper, generator)
            t = draw_times(stage.batch, config, generator)
            noise = torch.randn(x0.shape, generator=generator)
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(share, config)
            with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=config.precision == "bf16"):
                loss = edm_loss(run, x0.to(device), t.to(device), noise.to(device)).mean()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), config.clip)
            optimizer.step()
            optimizer.zero_grad()
            step, seen = step + 1, seen + stage.batch
            update_ema(average, network, stage.batch, seen, config.ema_share)
            losses.append(loss.detach())
            now = time.monotonic()
            progress.update(min(round(now - start), round(budget)) - progress.n)
            spent = now - start
            if now - last >= interval:
                progress.set_postfix(loss=f"{float(losses[-1]):.3f}", points=stage.n_points, clouds=seen)
                record()
                last = time.monotonic()
    finally:
        progress.close()
        if losses:
            record()
    return out.with_suffix(".safetensors")


def draw_times(batch: int, config: TrainConfig, generator: torch.Generator) -> Tensor:
    """Noise levels t (batch,): log-normal, and log-uniform for a share of the draws."""
    normal = torch.randn(batch, generator=generator) * config.p_std + config.p_mean
    low, high = (math.log(t) for t in config.t_range)
    uniform = torch.rand(batch, generator=generator) * (high - low) + low
    spread = torch.rand(batch, generator=generator) < config.uniform_share
    return torch.where(spread, uniform, normal).clamp(low, high).exp()


def learning_rate(share: float, config: TrainConfig) -> float:
    """Linear warm-up, then a cosine to zero, over the share of the budget that is spent."""
    rise = min(1.0, (share + 1e-3) / config.warmup)
    return config.learning_rate * rise * (1 + math.cos(math.pi * min(1.0, share))) / 2


@torch.no_grad()
def held_out_losses(
    network: nn.Module, average: dict[str, Tensor], clouds: Clouds, config: TrainConfig
) -> dict[float, float]:
    """EDM loss of the averaged weights on held-out clouds of 256 points, per noise level, under fixed draws."""
    device = next(network.parameters()).device
    generator = torch.Generator().manual_seed(1)
    x0 = clouds.draw(32, 256, config.proper, generator).to(device)
    noise = torch.randn(x0.shape, generator=generator).to(device)

    def loss(t: float) -> float:
        times = torch.full((len(x0),), t, device=device)
        model = lambda x, c: torch.func.functional_call(network, average, (x, c))  # noqa: E731
        return float(edm_loss(model, x0, times, noise).mean())

    return {t: loss(t) for t in BANDS}


def _card(config: TrainConfig, step: int, seen: int, spent: float, log_path: Path) -> dict[str, Any]:
    settings = asdict(config) | {"data": Path(config.data).name}
    curve = [json.loads(line) for line in log_path.read_text().splitlines()]
    return {"settings": settings, "steps": step, "clouds": seen, "minutes": round(spent / 60, 1), "curve": curve}
