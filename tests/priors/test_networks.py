import json

import pytest
import torch

from dpskit.priors.latents import LatentNetwork
from dpskit.priors.networks import PRESETS, build, network_from_dict, to_json
from dpskit.priors.transformer import PointTransformer, TransformerConfig


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_settings_survive_a_round_trip(preset):
    assert network_from_dict(json.loads(to_json(PRESETS[preset]))) == PRESETS[preset]


def test_presets():
    assert PRESETS["paper"] == TransformerConfig(512, 24, noise="linear")  # Moebius and Habeck, A.2
    kinds = {"shapes": (LatentNetwork, 8.4), "complexes": (LatentNetwork, 8.4), "paper": (PointTransformer, 76)}
    for preset, (kind, millions) in kinds.items():
        with torch.device("meta"):
            network = build(PRESETS[preset])
        assert isinstance(network, kind)
        assert sum(weight.numel() for weight in network.parameters()) / 1e6 == pytest.approx(millions, rel=0.03)
