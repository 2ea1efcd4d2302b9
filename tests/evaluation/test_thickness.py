import pytest
import torch

from dpskit.evaluation.thickness import thickness
from dpskit.rotations import random_rotations


def plane(n=900, seed=0):
    flat = torch.rand(1, n, 3, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return flat * torch.tensor([1.0, 1.0, 0.0])


def test_a_plane_has_none_however_it_lies():
    assert float(thickness(plane() @ random_rotations(1, 2)[0] + 5)) < 1e-6


def test_blur_shows_by_its_size():
    """Of 100 neighbours, whose plane is well defined, the deviation is that of the blur."""
    blur = torch.randn(1, 900, 3, generator=torch.Generator().manual_seed(1)) * torch.tensor([0.0, 0.0, 1.0])
    for s in (0.01, 0.03):
        assert float(thickness(plane() + s * blur, 100)) == pytest.approx(s, rel=0.1)


def test_by_hand():
    """Four corners of a square lifted alternately by +-h lie at h from their mean plane."""
    corners = torch.tensor([[[1.0, 1, 0.1], [-1, -1, 0.1], [1, -1, -0.1], [-1, 1, -0.1]]])
    assert float(thickness(corners, 4)) == pytest.approx(0.1)
    assert float(thickness(3 * corners, 4)) == pytest.approx(0.3)


def test_bad_input(one_sentence):
    with one_sentence(ValueError, "n_neighbours", "3"):
        thickness(plane(), 3)
    with one_sentence(ValueError, "clouds", "n_neighbours = 12", "got 5"):
        thickness(plane(5))
