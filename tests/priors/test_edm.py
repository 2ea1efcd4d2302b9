import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from dpskit import DiffusionPrior
from dpskit.priors.edm import denoise, edm_loss, precondition
from dpskit.priors.transformer import PointTransformer, TransformerConfig

times = st.floats(1e-3, 100.0)


class Recorder(nn.Module):
    """Returns `output` and keeps what it was called with."""

    def __init__(self, output):
        super().__init__()
        self.output, self.calls = output, []

    def forward(self, x, c):
        self.calls.append((x, c))
        return self.output.expand_as(x)


ZERO = torch.zeros(())


@given(times)
def test_preconditioning_formulas(t):
    c_skip, c_out, c_in = precondition(torch.tensor([t], dtype=torch.float64))
    assert float(c_skip) == pytest.approx(0.25 / (t * t + 0.25), rel=1e-12)
    assert float(c_out) == pytest.approx(0.5 * t / math.sqrt(t * t + 0.25), rel=1e-12)
    assert float(c_in) == pytest.approx(1 / math.sqrt(t * t + 0.25), rel=1e-12)


@given(times)
def test_what_the_preconditioning_is_for(t):
    """With data of std 0.5 the input and the target of the network have unit variance, and c_out is least."""
    c_skip, c_out, c_in = (float(c) for c in precondition(torch.tensor(t, dtype=torch.float64)))
    assert c_in**2 * (0.25 + t**2) == pytest.approx(1)

    def target_variance(skip):  # of (x0 - skip x) / c_out, x = x0 + t z
        return ((1 - skip) ** 2 * 0.25 + skip**2 * t**2) / c_out**2

    assert target_variance(c_skip) == pytest.approx(1)
    assert target_variance(c_skip + 0.01) > 1
    assert target_variance(c_skip - 0.01) > 1


def test_target_of_the_network_has_unit_variance_in_samples(normal):
    x0, z, t = 0.5 * normal(4, 10_000, 3, seed=1), normal(4, 10_000, 3, seed=2), torch.tensor([0.02, 0.3, 1.0, 50.0])
    c_skip, c_out, c_in = (c[:, None, None] for c in precondition(t))
    x = x0 + t[:, None, None] * z
    for values in [(x0 - c_skip * x) / c_out, c_in * x]:
        z_scores = (values.square().mean(dim=(1, 2)) - 1) / math.sqrt(2 / 30_000)
        assert z_scores.abs().max() < 4


def test_denoise_by_hand():
    # t = 0.5: c_skip = 1/2, c_out = 0.5 * 0.5 / sqrt(0.5), c_in = sqrt(2).
    network = Recorder(torch.tensor([1.0, -2.0, 0.0]))
    x = torch.tensor([[[1.0, 2.0, 3.0]]])
    found = denoise(network, x, torch.tensor([0.5]))
    c_out = 0.25 * math.sqrt(2)
    assert torch.allclose(found, torch.tensor([0.5 + c_out, 1 - 2 * c_out, 1.5]))
    (scaled, condition) = network.calls[0]
    assert torch.allclose(scaled, math.sqrt(2) * x)
    assert torch.allclose(condition, torch.tensor([0.5]))


def test_every_cloud_has_its_own_time(normal):
    network = PointTransformer(TransformerConfig(32, 1, 32))
    nn.init.normal_(network.output.weight)
    x, t = normal(3, 5, 3), torch.tensor([0.01, 1.0, 30.0])
    together = denoise(network, x, t)
    for k in range(3):
        assert torch.allclose(together[[k]], denoise(network, x[[k]], t[[k]]), atol=1e-5)


def test_loss_by_hand():
    # x0 = (1, 0, 0), noise = (0, 1, 0), t = 0.5: x = (1, .5, 0), D = x / 2 + 0.25 sqrt(2) F, 1 / c_out^2 = 8.
    x0, noise, t = torch.tensor([[[1.0, 0, 0]]]), torch.tensor([[[0, 1.0, 0]]]), torch.tensor([0.5])
    loss = edm_loss(Recorder(ZERO), x0, t, noise)
    assert loss.shape == (1,)
    assert float(loss) == pytest.approx(8 * (0.5**2 + 0.25**2) / 3)
    perfect = (x0 - torch.tensor([0.5, 0.25, 0.0])) / (0.25 * math.sqrt(2))
    assert float(edm_loss(Recorder(perfect), x0, t, noise)) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("t", [0.002, 0.1, 1.0, 80.0])
def test_a_network_of_zeros_has_a_loss_of_one(normal, t):
    x0, noise = 0.5 * normal(50, 200, 3, seed=3), normal(50, 200, 3, seed=4)
    losses = edm_loss(Recorder(ZERO), x0, torch.full((50,), t), noise)
    assert losses.shape == (50,)
    assert abs(float(losses.mean()) - 1) < 4 * math.sqrt(2 / 30_000)


def test_loss_gradient_reaches_the_network(normal):
    network = PointTransformer(TransformerConfig(32, 1, 32))
    edm_loss(network, normal(2, 6, 3), torch.tensor([0.1, 1.0]), normal(2, 6, 3, seed=1)).mean().backward()
    assert float(network.output.weight.grad.abs().sum()) > 0


def test_diffusion_prior_denoises_and_moves(normal):
    network = Recorder(torch.tensor([0.1, 0.2, 0.3]))
    prior = DiffusionPrior(network, "test", {"steps": 3})
    x, t = normal(2, 4, 3), torch.tensor([0.2, 2.0])
    assert torch.equal(prior.denoise(x, t), denoise(network, x, t))
    moved = prior.to("cpu")
    assert (moved.name, moved.card) == ("test", {"steps": 3})
    assert torch.equal(moved.denoise(x, t), prior.denoise(x, t))


def test_clouds_of_another_dimension_are_refused_where_the_network_has_one(normal, one_sentence):
    t = torch.ones(2)
    with one_sentence(ValueError, "(b, n, 3)", "(2, 5, 2)"):
        DiffusionPrior(PointTransformer(TransformerConfig(32, 1, 32))).denoise(normal(2, 5, 2), t)
    with one_sentence(ValueError, "(b,)", "(1,)"):
        DiffusionPrior(Recorder(ZERO)).denoise(normal(2, 5, 2), t[:1])
    assert DiffusionPrior(Recorder(ZERO)).denoise(normal(2, 5, 2), t).shape == (2, 5, 2)
