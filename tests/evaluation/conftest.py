"""What the modules of this folder share."""

import pytest
import torch

from dpskit.rotations import random_rotations


@pytest.fixture(scope="session")
def displaced():
    """displaced(points, seed): a noisy copy in another order, rotated and shifted at random; and the rotation."""

    def move(points, seed, noise=0.03):
        generator = torch.Generator().manual_seed(seed)
        rotation = random_rotations(1, generator)[0]
        moved = points @ rotation.T + torch.randn(3, generator=generator)
        moved = moved + noise * torch.randn(points.shape, generator=generator)
        return moved[torch.randperm(len(points), generator=generator)], rotation

    return move
