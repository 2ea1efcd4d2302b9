import math

import pytest
import torch

from dpskit import TrainConfig
from dpskit.training.config import Stage
from dpskit.training.step import draw_times, schedule_factor


def test_the_learning_rates_follow_a_warm_up_and_a_cosine():
    config = TrainConfig("data.npz", 1, warmup=0.1)
    for share in (0.0, 0.03, 0.099, 0.1, 0.5, 0.75, 1.0):
        warm = min(1.0, (share + 0.001) / 0.1)
        expected = warm * (1 + math.cos(math.pi * share)) / 2
        assert schedule_factor(share, config) == pytest.approx(expected, rel=1e-12)
    assert schedule_factor(0.0, config) == pytest.approx(0.01)
    assert schedule_factor(0.5, config) == pytest.approx(0.5)
    assert schedule_factor(1.0, config) == schedule_factor(1.2, config) == 0
    rising = [schedule_factor(share / 1000, config) for share in range(0, 90)]
    falling = [schedule_factor(share / 1000, config) for share in range(100, 1001)]
    assert rising == sorted(rising) and falling == sorted(falling, reverse=True)


def test_times_are_log_normal():
    stage = Stage(1.0, 8, 20_000, p_mean=-1.5, p_std=0.7)
    config = TrainConfig("data.npz", 1, uniform_share=0.0)
    log_t = draw_times(stage, config, torch.Generator().manual_seed(0)).double().log()
    assert abs(float(log_t.mean()) + 1.5) < 4 * 0.7 / math.sqrt(20_000)
    assert abs(float(log_t.std()) / 0.7 - 1) < 4 / math.sqrt(40_000)
    normal = torch.special.ndtr((log_t + 1.5) / 0.7).sort().values
    ranks = (torch.arange(20_000) + 0.5) / 20_000
    assert float((normal - ranks).abs().max()) < 1.95 / math.sqrt(20_000)  # Kolmogorov and Smirnov, p = 0.001


def test_times_can_be_log_uniform():
    stage, config = Stage(1.0, 8, 20_000, t_max=10.0), TrainConfig("data.npz", 1, uniform_share=1.0, t_min=0.01)
    log_t = draw_times(stage, config, torch.Generator().manual_seed(0)).double().log()
    unit = ((log_t - math.log(0.01)) / math.log(1000)).sort().values
    ranks = (torch.arange(20_000) + 0.5) / 20_000
    assert float((unit - ranks).abs().max()) < 1.95 / math.sqrt(20_000)


def test_a_share_of_the_times_is_log_uniform():
    t = draw_times(Stage(1.0, 8, 50_000), TrainConfig("data.npz", 1), torch.Generator().manual_seed(1)).double()
    assert float(t.min()) >= 0.002 * (1 - 1e-6) and float(t.max()) <= 80 * (1 + 1e-6)
    for bound in (0.05, 0.15, 1.0, 5.0):
        above = 0.1 * math.log(80 / bound) / math.log(80 / 0.002)
        above += 0.9 * (1 - float(torch.special.ndtr(torch.tensor((math.log(bound) + 1.5) / 1.1))))
        z = (int((t > bound).sum()) - 50_000 * above) / math.sqrt(50_000 * above * (1 - above))
        assert abs(z) < 4


def test_times_stop_at_the_ends_of_the_stage():
    stage = Stage(1.0, 8, 5000, p_mean=-3.0, p_std=3.0, t_max=1.0)
    t = draw_times(stage, TrainConfig("data.npz", 1), torch.Generator().manual_seed(2))
    assert float(t.max()) == 1.0 and float(t.min()) == pytest.approx(0.002)
