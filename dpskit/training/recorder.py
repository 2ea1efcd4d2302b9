"""What a training run leaves behind at every interval: its log, the prior with its card, and a checkpoint."""

from __future__ import annotations

import copy
import json
import math
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from dpskit.files import replacing
from dpskit.pose.templates import Templates, make_templates
from dpskit.priors.edm import DiffusionPrior, edm_loss
from dpskit.priors.store import load_prior, save_prior
from dpskit.records import read_records
from dpskit.training.augment import orient
from dpskit.training.card import heritage, model_card
from dpskit.training.checkpoint import TrainState, save_checkpoint
from dpskit.training.config import TrainConfig
from dpskit.training.data import Clouds, DataRecord, record_data

if TYPE_CHECKING:
    from lightning.fabric import Fabric

BANDS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""The noise levels at which the held-out loss is measured."""


@dataclass(frozen=True, eq=False)
class Progress:
    """What a run tells at every interval.

    Attributes
    ----------
    log : list of dict
        The lines of its log so far.
    prior : DiffusionPrior
        The prior that it would write now.
    """

    log: list[dict[str, Any]]
    prior: DiffusionPrior


@dataclass(frozen=True, eq=False)
class Recorder:
    """Writes the files of a run, whose weights lie at `path`; `watch` gets a `Progress` each time."""

    path: Path
    config: TrainConfig
    held_out: Clouds
    seen: Clouds
    data: DataRecord
    templates: Templates | None
    hardware: str
    shard_size: int | None
    watch: Callable[[Progress], None] | None
    inherited: dict[str, Any]
    log: list[dict[str, Any]] = field(default_factory=list)

    @staticmethod
    def of(
        path: Path,
        config: TrainConfig,
        clouds: Clouds,
        held_out: Clouds,
        hardware: str,
        shard_size: int | None,
        watch: Callable[[Progress], None] | None,
    ) -> Recorder:
        """For a run on `clouds`, of which 16 are measured to see what is memorised."""
        templates = make_templates(clouds.points, seed=config.seed) if config.orientation == "upright" else None
        data, seen = record_data(config.data), clouds.spread(16)
        inherited = {"ancestors": []} if config.initial is None else heritage(load_prior(config.initial))
        return Recorder(path, config, held_out, seen, data, templates, hardware, shard_size, watch, inherited)

    def begin(self, state: TrainState, *, resumed: bool) -> None:
        """Read the log up to the state of a resumed run; keep that of a new one, so that it can be resumed at once."""
        if resumed:
            self.log.extend(line for line in read_records(self._beside(".jsonl")) if line["step"] <= state.step)
        else:
            save_checkpoint(self._beside(".checkpoint"), self.config, state, self.shard_size)

    def record(self, state: TrainState, loss: float) -> None:
        """Write everything; `loss` is the mean over the steps since the last time."""
        line: dict[str, Any] = {"step": state.step, "clouds": state.seen, "minutes": round(state.seconds / 60, 2)}
        line["loss"] = round(loss, 4)
        if not math.isfinite(loss):
            raise FloatingPointError(f"The loss is not finite at step {state.step}; the last checkpoint was kept.")
        average = copy.deepcopy(state.average).half().float()  # as it is stored
        for name, clouds in (("held_out", self.held_out), ("seen", self.seen)):  # the gap is what is memorised
            losses = band_losses(average, clouds, self.config)
            line[name] = {f"{t:g}": round(loss, 4) for t, loss in losses.items()}
        self.log.append(line)
        card = self._card(state)
        self._write(".jsonl", "".join(json.dumps(line) + "\n" for line in self.log))
        save_prior(
            average.state_dict(), self.config.network, card, self.path, self.shard_size, templates=self.templates
        )
        self._write(".names.txt", "\n".join(self.data.names) + "\n")
        self._write(".md", model_card(self.path.stem, card))
        save_checkpoint(self._beside(".checkpoint"), self.config, state, self.shard_size)
        if self.watch is not None:
            self.watch(Progress(list(self.log), DiffusionPrior(average, self.path.stem, card, self.templates)))

    def _card(self, state: TrainState) -> dict[str, Any]:
        config = self.config
        names = {"data": Path(config.data).name, "initial": config.initial and Path(config.initial).name}
        card = self.inherited | {"settings": asdict(config) | names, "hardware": self.hardware}
        card["data"] = {"count": len(self.data.names), "sha256": self.data.sha256}
        minutes = round(state.seconds / 60, 1)
        return card | {"steps": state.step, "clouds": state.seen, "minutes": minutes, "curve": self.log}

    def _beside(self, suffix: str) -> Path:
        return self.path.with_suffix(suffix)

    def _write(self, suffix: str, text: str) -> None:
        with replacing(self._beside(suffix)) as temporary:
            temporary.write_text(text)


@torch.no_grad()
def band_losses(network: nn.Module, clouds: Clouds, config: TrainConfig) -> dict[float, float]:
    """EDM loss on 16 of the clouds, of as many points as the run ends with, per noise level of `BANDS`.

    Without deformation, under fixed draws and in float32, so that losses at any two times of any runs on the same
    data compare.
    """
    device = next(network.parameters()).device
    generator = torch.Generator().manual_seed(1)
    x0 = clouds.draw(16, config.curriculum[-1].n_points, generator)
    x0 = orient(x0, config.orientation, generator).to(device)
    noise = torch.randn(x0.shape, generator=generator).to(device)
    return {t: float(edm_loss(network, x0, x0.new_full((len(x0),), t), noise).mean()) for t in BANDS}


def describe_hardware(fabric: Fabric) -> str:
    """What a run runs on, in words for its model card."""
    if fabric.device.type == "cuda":
        return f"{fabric.world_size} x {torch.cuda.get_device_name(fabric.device)}"
    return f"{fabric.world_size} process(es) of {torch.get_num_threads()} CPU thread(s), {platform.machine()}"
