import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dpskit.cloud import random_rotations
from dpskit.priors.transformer import PointTransformer, TransformerConfig, sinusoids


@pytest.fixture(scope="module")
def network():
    """A small network whose output layer is not zero."""
    torch.manual_seed(0)
    network = PointTransformer(TransformerConfig(64, 2, 32))
    torch.nn.init.normal_(network.output.weight)
    return network.eval().requires_grad_(False)


def test_equal_points_get_equal_outputs(network, normal):
    x = normal(1, 3, 3).repeat_interleave(2, dim=1)
    out = network(x, torch.ones(1))
    assert torch.allclose(out[:, ::2], out[:, 1::2], atol=1e-5)


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


def test_a_derivative_turns_with_the_cloud():
    torch.manual_seed(0)
    network = PointTransformer(TransformerConfig(32, 1, 32, aligned=True)).eval()
    torch.nn.init.normal_(network.output.weight, std=0.3)
    tails = torch.rand(2, 60, 3, generator=torch.Generator().manual_seed(0)).square()
    x = tails * torch.tensor([0.4, 0.7, 1.0]) - 0.2  # whose principal axes are plain
    turns, c = random_rotations(2, 3), torch.ones(2)

    def gradient(x):
        x = x.clone().requires_grad_()
        (found,) = torch.autograd.grad(network(x, c).square().sum(), x)
        return found

    torch.testing.assert_close(gradient(x @ turns), gradient(x) @ turns, atol=1e-3, rtol=1e-3)
