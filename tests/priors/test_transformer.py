import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dpskit.cloud import random_rotations
from dpskit.priors.edm import DiffusionPrior
from dpskit.priors.transformer import PointTransformer, TransformerConfig, sinusoids


@pytest.fixture(scope="module")
def network():
    """A small network whose output layer is not zero."""
    torch.manual_seed(0)
    network = PointTransformer(TransformerConfig(64, 2, 32))
    torch.nn.init.normal_(network.output.weight)
    return network.eval().requires_grad_(False)


@given(st.integers(1, 40), st.integers(0, 1000))
def test_permutation_equivariance_for_any_number_of_points(network, normal, n, seed):
    x, c = normal(2, n, 3, seed=seed), torch.tensor([0.7, 2.0])
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    out = network(x, c)
    assert out.shape == (2, n, 3)
    assert torch.allclose(network(x[:, order], c), out[:, order], atol=1e-5)


def test_points_see_each_other_but_clouds_do_not(network, normal):
    x, c = normal(2, 6, 3), torch.tensor([1.0, 2.0])
    moved = x.clone()
    moved[0, 5] += 1
    difference = (network(moved, c) - network(x, c)).abs().amax(dim=2)
    assert bool((difference[0] > 1e-5).all())
    assert float(difference[1].max()) < 1e-6


def test_equal_points_get_equal_outputs(network, normal):
    x = normal(1, 3, 3).repeat_interleave(2, dim=1)
    out = network(x, torch.ones(1))
    assert torch.allclose(out[:, ::2], out[:, 1::2], atol=1e-5)


def test_the_noise_condition_matters(network, normal):
    x = normal(1, 6, 3)
    outputs = [network(x, torch.tensor([t])) for t in [0.01, 0.011, 0.1, 1.0]]
    for a, b in itertools.pairwise(outputs):
        assert float((a - b).abs().max()) > 1e-3


def test_coordinates_keep_their_digits_under_autocast(network, normal):
    """bfloat16 tells 1 from 1.008 at best; the layer that reads the coordinates stays in single precision."""
    seen = []
    hook = network.input.register_forward_hook(lambda module, inputs, output: seen.append(output))
    x = normal(1, 4, 3)
    network(x, torch.ones(1))
    with torch.autocast("cpu", torch.bfloat16):
        network(x, torch.ones(1))
    hook.remove()
    assert seen[1].dtype == torch.float32 and torch.equal(seen[0], seen[1])


def test_output_starts_at_zero(normal):
    network = PointTransformer(TransformerConfig(32, 2, 16))
    assert torch.equal(network(normal(2, 5, 3), torch.ones(2)), torch.zeros(2, 5, 3))


def count(width, layers):
    """Weights and biases of the blocks, of the time embedding, of the input and output, and of the two outer norms."""
    block = (3 * width**2 + 3 * width) + (width**2 + width) + (8 * width**2 + 5 * width) + 4 * width
    return layers * block + (8 * width**2 + 5 * width) + 4 * width + (3 * width + 3) + 4 * width


def test_weights_of_the_papers_size():
    with torch.device("meta"):  # counts without allocating
        network = PointTransformer(TransformerConfig(512, 24, noise="linear"))
    total = sum(weight.numel() for weight in network.parameters())
    assert total == count(512, 24) and total / 1e6 == pytest.approx(78, rel=0.03)


@pytest.mark.parametrize(("noise", "condition"), [("linear", 500.0), ("log", 10 * math.log(0.5))])
def test_what_the_network_is_told_of_the_noise_level(noise, condition, normal, monkeypatch):
    from dpskit.priors import transformer

    seen = []
    monkeypatch.setattr(transformer, "sinusoids", lambda c, width: seen.append(c) or sinusoids(c, width))
    PointTransformer(TransformerConfig(32, 1, 32, noise=noise))(normal(1, 4, 3), torch.tensor([0.5]))
    assert float(seen[0]) == pytest.approx(condition)


@given(st.floats(-70, 50))
def test_sinusoids_by_formula(c):
    features = sinusoids(torch.tensor([c]), 8)
    angles = [c * 10_000 ** (-i / 3) for i in range(4)]
    expected = [math.cos(a) for a in angles] + [math.sin(a) for a in angles]
    assert features.shape == (1, 8)
    assert torch.allclose(features[0], torch.tensor(expected), atol=1e-4)


@pytest.mark.parametrize("size", [(100, 2, 64), (64, 0, 64), (7, 1, 7)])
def test_bad_size(one_sentence, size):
    with one_sentence(ValueError, "width", size[0]):
        TransformerConfig(*size)


def long_tailed(count, n):
    """Clouds whose principal axes are plain."""
    tails = torch.rand(count, n, 3, generator=torch.Generator().manual_seed(0)).square()
    return tails * torch.tensor([0.4, 0.7, 1.0]) - 0.2


@pytest.mark.parametrize("aligned", [True, False])
def test_an_aligned_network_is_equivariant_under_rotations_and_another_is_not(aligned):
    torch.manual_seed(0)
    network = PointTransformer(TransformerConfig(32, 1, 32, aligned=aligned)).eval()
    torch.nn.init.normal_(network.output.weight, std=0.3)
    prior = DiffusionPrior(network)
    x, t, turns = long_tailed(4, 100), torch.full((4,), 0.3), random_rotations(4, 2)
    apart = (prior.denoise(x @ turns, t) - prior.denoise(x, t) @ turns).abs().max()
    assert (apart < 1e-3) if aligned else (apart > 0.02)


def test_a_derivative_turns_with_the_cloud():
    torch.manual_seed(0)
    network = PointTransformer(TransformerConfig(32, 1, 32, aligned=True)).eval()
    torch.nn.init.normal_(network.output.weight, std=0.3)
    x, turns, c = long_tailed(2, 60), random_rotations(2, 3), torch.ones(2)

    def gradient(x):
        x = x.clone().requires_grad_()
        (found,) = torch.autograd.grad(network(x, c).square().sum(), x)
        return found

    torch.testing.assert_close(gradient(x @ turns), gradient(x) @ turns, atol=1e-3, rtol=1e-3)
