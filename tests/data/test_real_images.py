"""Files of real programs, where the environment variable DPSKIT_DATA names a folder that holds them."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from dpskit.data.check_views import check_views
from dpskit.data.images import points_of_image, read_images
from dpskit.data.maps import points_of_map, read_map
from dpskit.data.poses import read_poses
from dpskit.likelihoods.gaussian_image import gaussian_image
from dpskit.likelihoods.projection import Projections

DATA = Path(os.environ.get("DPSKIT_DATA", "none"))
pytestmark = [
    pytest.mark.skipif(not DATA.is_dir(), reason="DPSKIT_DATA names no folder"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
]


def test_projections_of_a_known_volume():
    """The rotations of the file act on columns; a transposed matrix fits visibly worse."""
    images = read_images(DATA / "toy_projections.mrcs")
    map_ = read_map(DATA / "toymodel_small_nocenter.mrc")
    voxels = torch.from_numpy(np.argwhere(map_.values > 0.5)[:, ::-1] - 15.0).float()
    columns = torch.from_numpy(np.load(DATA / "toy_projections_poses.npz")["rotation"])[:50]
    for rotations, least, most in ((columns.mT, 0.98, 1.0), (columns, -1.0, 0.9)):
        drawn = gaussian_image((voxels @ rotations)[..., :2], 30, 1.0, 0.4)
        together = torch.stack([drawn.flatten(1), images.pixels[:50].flatten(1)], dim=1)
        correlation = torch.stack([pair.corrcoef()[0, 1] for pair in together])
        assert least < float(correlation.mean()) < most


def test_views_of_a_hand_are_known_to_be_transposed():
    """Another program's rotations act on columns; their images say so, without the volume."""
    images, which = read_images(DATA / "hand.mrcs"), [0, 7, 20, 33, 58]
    columns = torch.from_numpy(np.load(DATA / "hand_poses.npz")["rotation"])[which]
    points = [points_of_image(images[k], 1000) for k in which]
    assert [w.kind for w in check_views(Projections(points, columns))] == ["transposed"]
    assert check_views(Projections(points, columns.mT)) == []


def test_relion_files():
    poses = read_poses(DATA / "relion31.star")
    assert len(poses.rotations) == 5 and poses.pixel_size == pytest.approx(2.806)
    images = read_images(DATA / "relion31.star")
    assert images.pixels.shape == (5, 256, 256) and images.pixel_size == pytest.approx(2.806)
    assert read_poses(DATA / "empiar_10076_7.star").pixel_size == pytest.approx(5e4 / 38168)


def test_maps_of_several_habits():
    found = {path.name: read_map(path) for path in DATA.iterdir() if path.name.endswith((".mrc", ".map", ".map.gz"))}
    assert len(found) >= 8
    np.testing.assert_allclose(found["emd_1832.map"].origin, [-32 * 5.7] * 3, rtol=1e-4)
    assert found["emd_8216.map.gz"].values.shape == (83, 50, 100)  # columns along z, rows along x
    np.testing.assert_allclose(found["emd_8216.map.gz"].steps[2], [-0.1313, 0, 0.3324], atol=1e-3)


def test_points_of_a_map_and_of_class_averages():
    assert points_of_map(read_map(DATA / "emd_1832.map"), 40).shape == (40, 3)
    averages = read_images(DATA / "betagal_class_averages.mrcs", 3.0)
    assert points_of_image(averages[0], 400).norm(dim=1).quantile(0.9) < 150
