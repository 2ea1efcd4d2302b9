import pytest
import torch

import dpskit
from dpskit.priors.frame import principal_frame
from dpskit.priors.transformer import NetworkConfig, PointTransformer


def clouds(count, n, seed=0):
    """Clouds with three different variances and long tails."""
    generator = torch.Generator().manual_seed(seed)
    tails = torch.rand(count, n, 3, generator=generator).square() - 1 / 3
    return tails * torch.tensor([0.4, 0.7, 1.0]) + torch.tensor([0.05, -0.02, 0.1])


def test_the_axes_are_those_of_rising_variance_along_which_the_tail_is_long():
    x = clouds(5, 400)
    y = (x @ principal_frame(x)) - (x @ principal_frame(x)).mean(dim=1, keepdim=True)
    covariance = y.mT @ y / 400
    off = covariance - torch.diag_embed(covariance.diagonal(dim1=1, dim2=2))
    assert float(off.abs().max()) < 1e-5
    assert bool((covariance.diagonal(dim1=1, dim2=2).diff(dim=1) > 0).all())
    skewness = y.pow(3).mean(dim=1) / y.square().mean(dim=1).pow(1.5)
    least = skewness.abs().argmin(dim=1, keepdim=True)
    assert bool((skewness.scatter(1, least, 1.0) > 0).all())


def test_the_frame_is_right_handed_and_turns_with_the_cloud():
    x, turns = clouds(6, 300), dpskit.random_rotations(6, 1)
    frame, turned = principal_frame(x), principal_frame(x @ turns)
    torch.testing.assert_close(torch.linalg.det(frame), torch.ones(6))
    torch.testing.assert_close(frame.mT @ frame, torch.eye(3).expand(6, 3, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(turned, turns.mT @ frame, atol=2e-4, rtol=0)


def test_a_mirrored_cloud_is_seen_mirrored():
    x = clouds(3, 300)
    mirror = torch.diag(torch.tensor([1.0, -1.0, 1.0]))
    seen, other = x @ principal_frame(x), (x @ mirror) @ principal_frame(x @ mirror)
    for a, b in zip(seen, other, strict=True):
        flipped = ((a + b).abs().amax(dim=0) < 1e-3).sum(), ((a - b).abs().amax(dim=0) < 1e-3).sum()
        assert flipped == (1, 2)  # one axis, the least skewed one, points the other way


@pytest.mark.parametrize("aligned", [True, False])
def test_an_aligned_network_is_equivariant_under_rotations_and_another_is_not(aligned):
    torch.manual_seed(0)
    network = PointTransformer(NetworkConfig(32, 1, 32, aligned=aligned)).eval()
    torch.nn.init.normal_(network.output.weight, std=0.3)
    prior = dpskit.DiffusionPrior(network)
    x, t, turns = clouds(4, 100), torch.full((4,), 0.3), dpskit.random_rotations(4, 2)
    apart = (prior.denoise(x @ turns, t) - prior.denoise(x, t) @ turns).abs().max()
    assert (apart < 1e-3) if aligned else (apart > 0.02)


def test_the_derivative_is_that_of_an_equivariant_function():
    """The frame is a constant in derivatives, so a derivative turns with the cloud as well."""
    torch.manual_seed(0)
    network = PointTransformer(NetworkConfig(32, 1, 32, aligned=True)).eval()
    torch.nn.init.normal_(network.output.weight, std=0.3)
    x, turns, c = clouds(2, 60), dpskit.random_rotations(2, 3), torch.zeros(2)

    def gradient(x):
        x = x.clone().requires_grad_()
        (found,) = torch.autograd.grad(network(x, c).square().sum(), x)
        return found

    torch.testing.assert_close(gradient(x @ turns), gradient(x) @ turns, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("cloud", [torch.zeros(1, 1, 3), torch.zeros(2, 5, 3), torch.full((1, 4, 3), torch.inf)])
def test_a_cloud_without_axes_has_a_frame_all_the_same(cloud):
    frame = principal_frame(cloud)
    torch.testing.assert_close(frame.mT @ frame, torch.eye(3).expand(len(cloud), 3, 3))
