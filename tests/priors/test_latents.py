import pytest
import torch

from dpskit.priors.edm import DiffusionPrior
from dpskit.priors.latents import LatentConfig, LatentNetwork, _unit

SMALL = LatentConfig(latents=5, width=32, point_width=16, rounds=2, blocks=1, cross_width=32, head_width=16,
                     latent_head_width=16, octaves=3)  # fmt: skip


def make(config=SMALL, seed=0):
    """A network none of whose layers is zero."""
    torch.manual_seed(seed)
    network = LatentNetwork(config)
    for name, weight in network.named_parameters():
        if "affine" in name or "output" in name:
            torch.nn.init.normal_(weight, std=0.2)
    return network.eval().requires_grad_(False)


def test_without_local_features_a_cloud_said_twice_is_the_same_cloud(normal):
    """Reading is a mean over the points, so that the network knows no number of points."""
    network, x, t = make(LatentConfig(**{**vars(SMALL), "scales": ()})), normal(1, 7, 3), torch.tensor([0.4])
    assert torch.allclose(network(torch.cat([x, x], dim=1), t)[:, :7], network(x, t), atol=1e-5)


def test_logits_of_equal_directions_are_the_sharpness(normal):
    """q k = sharpness cos(angle) sqrt(width): the fourth root of the width is divided out of each."""
    y = normal(1, 1, 1, 64)
    assert float((_unit(y) * _unit(3 * y)).sum()) == pytest.approx(8.0, rel=1e-4)


def test_it_can_be_differentiated_at_small_and_large_noise(normal):
    network = make()
    for t in (0.002, 1.0, 80.0):
        x = (normal(2, 50, 3) * (1 + t)).requires_grad_()
        DiffusionPrior(network).denoise(x, torch.full((2,), t)).square().sum().backward()
        assert bool(torch.isfinite(x.grad).all()) and float(x.grad.abs().min()) > 0


@pytest.mark.parametrize(
    ("name", "value"), [("head_width", 7), ("latent_head_width", 5), ("rounds", 0), ("octaves", 0)]
)
def test_bad_size(one_sentence, name, value):
    with one_sentence(ValueError, name, value):
        LatentConfig(**{**vars(SMALL), name: value})
