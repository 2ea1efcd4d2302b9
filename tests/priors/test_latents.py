from dataclasses import replace

import pytest
import torch
from small_networks import LATENTS, filled

from dpskit.priors.edm import DiffusionPrior
from dpskit.priors.latents import _unit
from dpskit.rotations import random_rotations


def test_without_local_features_a_cloud_said_twice_is_the_same_cloud(normal):
    """Reading is a mean over the points, so that the network knows no number of points."""
    network, x, t = filled(replace(LATENTS, scales=())), normal(1, 7, 3), torch.tensor([0.4])
    assert torch.allclose(network(torch.cat([x, x], dim=1), t)[:, :7], network(x, t), atol=1e-5)


def test_logits_of_equal_directions_are_the_sharpness(normal):
    """q k = sharpness cos(angle) sqrt(width): the fourth root of the width is divided out of each."""
    y = normal(1, 1, 1, 64)
    assert float((_unit(y) * _unit(3 * y)).sum()) == pytest.approx(8.0, rel=1e-4)


def test_it_can_be_differentiated_at_small_and_large_noise(normal):
    network = filled(LATENTS)
    for t in (0.002, 1.0, 80.0):
        x = (normal(2, 50, 3) * (1 + t)).requires_grad_()
        DiffusionPrior(network).denoise(x, torch.full((2,), t)).square().sum().backward()
        assert bool(torch.isfinite(x.grad).all()) and float(x.grad.abs().min()) > 0


@pytest.mark.parametrize(
    ("name", "value"), [("head_width", 7), ("latent_head_width", 5), ("rounds", 0), ("octaves", 0)]
)
def test_bad_size(one_sentence, name, value):
    with one_sentence(ValueError, name, value):
        replace(LATENTS, **{name: value})


def with_plain_axes(b, n):
    """Clouds whose principal axes are plain."""
    tails = torch.rand(b, n, 3, generator=torch.Generator().manual_seed(0)).square()
    return tails * torch.tensor([0.4, 0.7, 1.0]) - 0.2


@pytest.mark.parametrize("aligned", [True, False])
def test_an_aligned_network_is_equivariant_under_rotations_and_another_is_not(aligned):
    prior = DiffusionPrior(filled(replace(LATENTS, aligned=aligned)))
    x, t, turns = with_plain_axes(4, 100), torch.full((4,), 0.3), random_rotations(4, 2)
    apart = (prior.denoise(x @ turns, t) - prior.denoise(x, t) @ turns).abs().max()
    assert (apart < 1e-3) if aligned else (apart > 0.02)


def test_the_derivative_of_an_aligned_network_turns_with_the_cloud():
    network = filled(replace(LATENTS, aligned=True, scales=()))
    x, turns, t = with_plain_axes(2, 60), random_rotations(2, 3), torch.ones(2)

    def gradient(x):
        x = x.clone().requires_grad_()
        return torch.autograd.grad(network(x, t).square().sum(), x)[0]

    torch.testing.assert_close(gradient(x @ turns), gradient(x) @ turns, atol=1e-3, rtol=1e-3)
