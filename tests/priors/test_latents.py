import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dpskit.cloud import random_rotations
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


@pytest.fixture(scope="module")
def network():
    return make()


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(0, 1000))
def test_permutation_equivariance_for_any_number_of_points(network, normal, n, seed):
    x, t = normal(2, n, 3, seed=seed), torch.tensor([0.05, 2.0])
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    out = network(x, t)
    assert out.shape == (2, n, 3)
    assert torch.allclose(network(x[:, order], t), out[:, order], atol=1e-4)


def test_points_see_each_other_but_clouds_do_not(network, normal):
    x, t = normal(2, 6, 3), torch.tensor([0.3, 0.3])
    moved = x.clone()
    moved[0, 5] += 1
    difference = (network(moved, t) - network(x, t)).abs().amax(dim=2)
    assert bool((difference[0] > 1e-5).all())
    assert float(difference[1].max()) < 1e-6


def test_without_local_features_a_cloud_said_twice_is_the_same_cloud(normal):
    """Reading is a mean over the points, so that the network knows no number of points."""
    network, x, t = make(LatentConfig(**{**vars(SMALL), "scales": ()})), normal(1, 7, 3), torch.tensor([0.4])
    assert torch.allclose(network(torch.cat([x, x], dim=1), t)[:, :7], network(x, t), atol=1e-5)


def test_the_noise_level_matters(network, normal):
    x = normal(1, 6, 3)
    outputs = [network(x, torch.tensor([t])) for t in [0.01, 0.012, 0.1, 1.0, 80.0]]
    for a, b in itertools.pairwise(outputs):
        assert float((a - b).abs().max()) > 1e-3


def test_coordinates_keep_their_digits_under_autocast(network, normal):
    seen = []
    hook = network.input.register_forward_hook(lambda module, inputs, output: seen.append(output))
    x = normal(1, 4, 3)
    network(x, torch.ones(1))
    with torch.autocast("cpu", torch.bfloat16):
        network(x, torch.ones(1))
    hook.remove()
    assert seen[1].dtype == torch.float32 and torch.equal(seen[0], seen[1])


def test_output_starts_at_zero(normal):
    assert torch.equal(LatentNetwork(SMALL)(normal(2, 5, 3), torch.ones(2)), torch.zeros(2, 5, 3))


def test_logits_of_equal_directions_are_the_sharpness(normal):
    """q k = sharpness cos(angle) sqrt(width): the fourth root of the width is divided out of each."""
    y = normal(1, 1, 1, 64)
    assert float((_unit(y) * _unit(3 * y)).sum()) == pytest.approx(8.0, rel=1e-4)


@pytest.mark.parametrize("aligned", [True, False])
def test_an_aligned_network_is_equivariant_under_rotations_and_another_is_not(aligned):
    prior = DiffusionPrior(make(LatentConfig(**{**vars(SMALL), "aligned": aligned})))
    tails = torch.rand(4, 100, 3, generator=torch.Generator().manual_seed(0)).square()
    x, t, turns = tails * torch.tensor([0.4, 0.7, 1.0]) - 0.2, torch.full((4,), 0.3), random_rotations(4, 2)
    apart = (prior.denoise(x @ turns, t) - prior.denoise(x, t) @ turns).abs().max()
    assert (apart < 1e-3) if aligned else (apart > 0.02)


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
