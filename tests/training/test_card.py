import json
from dataclasses import asdict, replace

import pytest

from dpskit.priors.networks import PRESETS
from dpskit.training.card import model_card
from dpskit.training.config import TrainConfig

NETWORKS = {f"--preset {name}": network for name, network in PRESETS.items()}
NETWORKS["--preset complexes --rounds 5"] = replace(PRESETS["complexes"], rounds=5)
NETWORKS["--preset custom"] = replace(PRESETS["complexes"], latents=5)


@pytest.mark.parametrize("flags", NETWORKS)
def test_the_command_names_the_network_also_after_a_way_through_json(flags):
    line = {"minutes": 1.0, "clouds": 16, "loss": 0.5, "held_out": {"0.1": 0.7}}
    settings = json.loads(json.dumps(asdict(TrainConfig("a.npz", 16, network=NETWORKS[flags]))))
    card = {"settings": settings, "steps": 1, "clouds": 16, "minutes": 1.0, "hardware": "here", "curve": [line]}
    text = model_card("mine", card)
    assert f" {flags} --orientation" in text and "| 1 | 16 | 0.500 | 0.700 |" in text
    card["data"] = {"count": 1234, "sha256": "abc"}
    assert "1,234 clouds (names: `mine.names.txt`; SHA-256 abc)" in model_card("mine", card)
