import json
from dataclasses import asdict

import pytest

from dpskit.priors.networks import PRESETS
from dpskit.training.card import model_card
from dpskit.training.config import TrainConfig


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_the_command_names_the_preset_also_after_a_way_through_json(preset):
    line = {"minutes": 1.0, "clouds": 16, "loss": 0.5, "held_out": {"0.1": 0.7}}
    settings = json.loads(json.dumps(asdict(TrainConfig("a.npz", 16, network=PRESETS[preset]))))
    card = {"settings": settings, "steps": 1, "clouds": 16, "minutes": 1.0, "hardware": "here", "curve": [line]}
    text = model_card("mine", card)
    assert f"--preset {preset} " in text and "| 1 | 16 | 0.500 | 0.700 |" in text
    card["data"] = {"count": 1234, "sha256": "abc"}
    assert "1,234 clouds (names: `mine.names.txt`; SHA-256 abc)" in model_card("mine", card)
