import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dpskit.priors.local_features import PER_SCALE, local_features
from dpskit.rotations import random_rotations


def by_hand(cloud, i, t, s):
    """The ten features of point i, in double precision, point by point."""
    h = math.sqrt(t * t + s * s)
    weight = torch.exp(-(cloud - cloud[i]).square().sum(dim=1) / (2 * h * h))
    share = weight / weight.sum()
    mean = (share[:, None] * cloud).sum(dim=0)
    offset = cloud - mean
    covariance = torch.einsum("n,ni,nj->ij", share, offset, offset) / (h * h)
    upper = torch.stack([covariance[a, b] for a in range(3) for b in range(a, 3)])
    return torch.cat([weight.mean().log().reshape(1) / 3, (mean - cloud[i]) / h, upper])


@settings(deadline=None)
@given(st.integers(1, 20), st.integers(0, 100), st.sampled_from([0.01, 0.3, 5.0]), st.sampled_from([0.02, 0.2]))
def test_by_hand(normal, n, seed, t, s):
    x = normal(2, n, 3, seed=seed).double() * 0.4
    features = local_features(x, torch.tensor([t, 2 * t], dtype=torch.float64), (s, 3 * s))
    assert features.shape == (2, n, 2 * PER_SCALE)
    for cloud, (time, scale, columns) in enumerate([(t, s, slice(0, 10)), (2 * t, 3 * s, slice(10, 20))]):
        expected = torch.stack([by_hand(x[cloud], i, time, scale) for i in range(n)])
        torch.testing.assert_close(features[cloud, :, columns], expected, atol=1e-9, rtol=1e-6)


def test_the_mean_shift_is_the_gradient_of_the_log_density(normal):
    """h times the gradient of the logarithm of the kernel density, where a point is moved but the cloud is not."""
    x, t, s = normal(1, 30, 3).double() * 0.3, torch.tensor([0.1], dtype=torch.float64), 0.1
    h = math.sqrt(0.02)
    probe = x[0, 4].clone().requires_grad_()
    (-(x[0] - probe).square().sum(dim=1) / (2 * h * h)).logsumexp(0).backward()
    torch.testing.assert_close(local_features(x, t, (s,))[0, 4, 1:4], h * probe.grad, atol=1e-9, rtol=1e-6)


def test_derivative(normal):
    """That of the features with respect to the points, which is written out, against differences; in a batch."""
    x, t = 0.4 * normal(2, 9, 3).double(), torch.tensor([0.05, 0.5], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda points: local_features(points, t, (0.1, 0.3)), x.requires_grad_())


def test_density_is_invariant_and_the_mean_shift_turns(normal):
    x, t, turn = normal(1, 40, 3).double(), torch.tensor([0.3], dtype=torch.float64), random_rotations(1, 1)[0].double()
    plain, turned = local_features(x, t, (0.1,)), local_features(x @ turn + 3.0, t, (0.1,))
    torch.testing.assert_close(turned[..., 0], plain[..., 0], atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(turned[..., 1:4], plain[..., 1:4] @ turn, atol=1e-6, rtol=1e-6)
    trace = [4, 7, 9]
    torch.testing.assert_close(turned[..., trace].sum(2), plain[..., trace].sum(2), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("far", [1e3, 1e6])
def test_points_far_out_have_finite_features(normal, far):
    """Where guidance or too few steps throw them: every point sees itself, and itself alone."""
    features = local_features(far * normal(1, 40, 3), torch.tensor([0.002]), (0.05,))
    assert bool(torch.isfinite(features).all())
    assert torch.allclose(features[..., 0], torch.full((1, 40), -math.log(40) / 3))


@pytest.mark.parametrize("t", [0.002, 1.0, 80.0])
def test_single_precision_is_enough(normal, t):
    x = normal(1, 200, 3) * math.hypot(t, 0.5)
    exact = local_features(x.double(), torch.tensor([t], dtype=torch.float64), (0.02, 0.1))
    single = local_features(x, torch.tensor([t]), (0.02, 0.1))
    assert float((single - exact).abs().max()) < 0.02
