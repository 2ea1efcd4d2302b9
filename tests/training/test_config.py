import json
import math
from dataclasses import asdict

import pytest

from dpskit import TrainConfig
from dpskit.training.config import CURRICULUM, Stage


def test_the_stage_follows_the_share_of_the_budget():
    config = TrainConfig("data.npz", 1, curriculum=(Stage(0.25, 128, 32), Stage(0.5, 256, 16), Stage(1.0, 1024, 8)))
    expected = {0.0: 128, 0.2499: 128, 0.25: 256, 0.4999: 256, 0.5: 1024, 0.99: 1024, 1.0: 1024, 1.3: 1024}
    assert {share: config.stage(share).n_points for share in expected} == expected


def test_the_shipped_curriculum_ends_at_full_density():
    assert CURRICULUM[-1].until == 1.0
    assert [stage.n_points for stage in CURRICULUM] == [512, 1024]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"clouds": 0}, ["clouds", "0"]),
        ({"clouds": 2.5}, ["clouds", "2.5"]),
        ({"t_min": 0.0}, ["t_min", "0.0"]),
        ({"learning_rate": 0.0}, ["learning_rate", "0.0"]),
        ({"muon_rate": -0.1}, ["muon_rate", "-0.1"]),
        ({"orientation": "sideways"}, ["orientation", "upright, rotated, reflected", "'sideways'"]),
        ({"deform": -1.0}, ["deform", "-1.0"]),
        ({"warmup": 0.0}, ["warmup", "0.0"]),
        ({"weight_decay": -0.1}, ["weight_decay", "-0.1"]),
        ({"clip": 0.0}, ["clip", "0.0"]),
        ({"ema_share": math.nan}, ["ema_share", "nan"]),
        ({"held_out": 0}, ["held_out", "0"]),
        ({"seed": -1}, ["seed", "-1"]),
        ({"precision": "fp8"}, ["precision", "bf16, fp32", "'fp8'"]),
        ({"curriculum": ()}, ["curriculum", "[]"]),
        ({"curriculum": (Stage(0.5, 8, 8),)}, ["curriculum", "[0.5]"]),
        ({"curriculum": (Stage(0.5, 8, 8), Stage(0.2, 8, 8), Stage(1.0, 8, 8))}, ["curriculum", "[0.5, 0.2, 1.0]"]),
    ],
)
def test_bad_settings(one_sentence, settings, words):
    with one_sentence(ValueError, *words):
        TrainConfig(**({"data": "data.npz", "clouds": 1} | settings))


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ((0.0, 8, 8), "until"),
        ((1.0, 0, 8), "n_points"),
        ((1.0, 8, 0), "batch"),
        ((1.0, 8, 2.5), "batch"),
        ((1.0, 8, 8, math.nan), "p_mean"),
        ((1.0, 8, 8, 0.0, -1.0), "p_std"),
        ((1.0, 8, 8, 0.0, 1.0, 0.0), "t_max"),
    ],
)
def test_bad_stage(one_sentence, values, word):
    with one_sentence(ValueError, word):
        Stage(*values)


def test_settings_survive_a_round_trip():
    config = TrainConfig("data.npz", 56, curriculum=CURRICULUM, initial="chairs", orientation="rotated", deform=0.5)
    assert TrainConfig.from_dict(json.loads(json.dumps(asdict(config)))) == config
