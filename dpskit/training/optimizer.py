"""The optimizers of a training run: Muon on the matrices of the hidden layers, AdamW on everything else."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


def make_optimizers(
    network: nn.Module, muon_rate: float, adam_rate: float, weight_decay: float
) -> list[torch.optim.Optimizer]:
    """AdamW, and with a `muon_rate` above 0 also Muon (Jordan et al., 2024); groups hold their peak rates as `peak`.

    Muon takes the matrices of the hidden layers: not those of the input, the output, the noise level and the adaptive
    norms, nor vectors, as its authors advise.
    """
    hidden = [
        weight
        for name, weight in network.named_parameters()
        if weight.ndim == 2 and name.startswith(("rounds.", "blocks.")) and "affine" not in name
    ]
    if muon_rate == 0:
        hidden = []
    taken = {id(weight) for weight in hidden}
    rest = [weight for weight in network.parameters() if id(weight) not in taken]
    fused: dict[str, Any] = {"lr": adam_rate, "betas": (0.9, 0.99), "weight_decay": weight_decay, "fused": True}
    optimizers: list[torch.optim.Optimizer] = [torch.optim.AdamW([{"params": rest, "peak": adam_rate}], **fused)]
    if hidden:
        group = {"params": hidden, "peak": muon_rate}
        optimizers.append(
            torch.optim.Muon(
                [group], lr=muon_rate, weight_decay=weight_decay, momentum=0.95, adjust_lr_fn="match_rms_adamw"
            )
        )
    return optimizers
