import math

import pytest
import torch

from dpskit.cloud import normalise
from dpskit.training.augment import deform, orient


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def chairs():
    """Boxes of a square seat on four legs with a back: symmetric under x -> -x."""
    u = torch.rand(300, 2, generator=generator(7)) * 2 - 1
    seat = torch.cat([u, torch.zeros(300, 1)], dim=1) * 0.6
    back = torch.stack([0.6 * u[:, 0], torch.full((300,), 0.6), (u[:, 1] + 1) / 2], dim=1)
    legs = torch.stack([0.6 * u[:, 0].sign(), 0.6 * u[:, 1].sign(), -(u[:, 0].abs())], dim=1)
    half = torch.cat([seat, back, legs])
    cloud, _ = normalise(torch.cat([half, half * torch.tensor([-1.0, 1, 1])]))
    return cloud.expand(400, -1, -1)


def test_upright_clouds_are_mirrored_half_of_the_time(normal):
    x = normal(400, 5, 3)
    y = orient(x, "upright", generator())
    assert torch.equal(y[..., 1:], x[..., 1:])
    ratio = (y[..., 0] / x[..., 0]).mean(dim=1)
    mirrored = int((ratio == -1).sum())
    assert bool((ratio.abs() == 1).all()) and abs(mirrored - 200) < 4 * 10


@pytest.mark.parametrize(("orientation", "hands"), [("rotated", {1}), ("reflected", {-1, 1})])
def test_random_orientations_keep_distances(normal, orientation, hands):
    x = normal(200, 3, 3)
    y = orient(x, orientation, generator())
    assert torch.allclose(torch.cdist(x, x), torch.cdist(y, y), atol=1e-5)
    volumes = (torch.linalg.det(y) / torch.linalg.det(x)).round()
    assert set(volumes.int().tolist()) == hands
    mean = torch.linalg.solve(x, y).mean(dim=0)  # the mean of random rotations is 0
    assert float(mean.abs().max()) < 4 / math.sqrt(3 * 200)


def test_deformed_clouds_keep_their_box(chairs):
    y = deform(chairs, 1.0, generator())
    low, high, x_low, x_high = y.amin(1), y.amax(1), chairs.amin(1), chairs.amax(1)
    assert torch.allclose(low + high, x_low + x_high, atol=1e-5)
    assert torch.allclose((high - low).amax(1), (x_high - x_low).amax(1), atol=1e-5)
    kept = (y == chairs).all(dim=2).all(dim=1)
    assert abs(int(kept.sum()) - 400 / 3) < 4 * math.sqrt(400 * 2 / 9)
    assert float((y - chairs)[~kept].norm(dim=2).mean(dim=1).min()) > 1e-3
    assert torch.equal(deform(chairs, 0.0, generator()), chairs)


def test_a_deformation_is_monotone_and_keeps_the_mirror(chairs):
    """But for the tilt: the order of points along an axis stays, and so does the symmetry x -> -x."""
    import dpskit.training.augment as module

    no_tilt = pytest.MonkeyPatch()
    no_tilt.setattr(module, "rotations_by", lambda vectors: torch.eye(3).expand(len(vectors), 3, 3))
    y = deform(chairs, 1.0, generator(1))
    no_tilt.undo()
    half = chairs.shape[1] // 2
    assert torch.allclose(y[:, :half, 0], -y[:, half:, 0], atol=1e-5)
    for axis in range(3):
        order = chairs[0, :, axis].argsort()
        assert bool((y[:, order, axis].diff(dim=1) > -1e-5).all())
