import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dpskit.priors import transformer
from dpskit.priors.transformer import PointTransformer, TransformerConfig, sinusoids


def count(width, layers):
    """Weights and biases of the blocks, of the time embedding, of the input and output, and of the two outer norms."""
    block = (3 * width**2 + 3 * width) + (width**2 + width) + (8 * width**2 + 5 * width) + 4 * width
    return layers * block + (8 * width**2 + 5 * width) + 4 * width + (3 * width + 3) + 4 * width


def test_weights_of_the_papers_size():
    with torch.device("meta"):  # counts without allocating
        network = PointTransformer(TransformerConfig(512, 24))
    total = sum(weight.numel() for weight in network.parameters())
    assert total == count(512, 24) and total / 1e6 == pytest.approx(78, rel=0.03)


def test_the_network_is_told_a_thousand_times_the_noise_level(normal, monkeypatch):
    seen = []
    monkeypatch.setattr(transformer, "sinusoids", lambda c, width: seen.append(c) or sinusoids(c, width))
    PointTransformer(TransformerConfig(32, 1, 32))(normal(1, 4, 3), torch.tensor([0.5]))
    assert seen[0].tolist() == [500.0]  # Moebius and Habeck, A.2
    halved = PointTransformer(TransformerConfig(32, 1, 32)).bfloat16()  # whose eight bits would make it 300.8
    assert halved(normal(1, 4, 3), torch.tensor([0.301])).dtype == torch.bfloat16
    assert seen[1].tolist() == pytest.approx([301.0])


def test_the_network_works_in_the_precision_of_its_weights(normal):
    network, x, t = PointTransformer(TransformerConfig(32, 1, 32)), normal(1, 4, 3), torch.tensor([0.3])
    torch.nn.init.normal_(network.output.weight)
    single = network(x, t)
    double = network.double()(x, t)
    assert double.dtype == torch.float64 and torch.allclose(single.double(), double, atol=1e-4)


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
