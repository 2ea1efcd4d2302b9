import pytest
import torch

from dpskit.training.ema import update_ema


def test_average_of_the_weights():
    network, average = (torch.nn.Linear(1, 1, bias=False) for _ in range(2))
    torch.nn.init.constant_(network.weight, 1.0)
    torch.nn.init.constant_(average.weight, 0.0)
    update_ema(average, network, batch=8, seen=1600, share=0.05)  # half-life 80 clouds: a tenth of it
    assert average.weight.item() == pytest.approx(1 - 0.5**0.1)
    for _ in range(9):
        update_ema(average, network, batch=8, seen=1600, share=0.05)
    assert average.weight.item() == pytest.approx(0.5)
    torch.nn.init.constant_(average.weight, 0.0)
    update_ema(average, network, batch=8, seen=8, share=0.05)  # never shorter than a batch
    assert average.weight.item() == pytest.approx(0.5)
