"""Density maps: axis order, place and skewed cells, each written into a file in two ways that must agree."""

import itertools

import gemmi
import mrcfile
import numpy as np
import pytest
import torch

from dpskit.data.maps import Map, points_of_map, read_map

SHAPE = (5, 6, 7)  # z, y, x


@pytest.fixture
def values():
    return np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)


CELL = (14.0, 18.0, 20.0, 90.0, 90.0, 90.0)  # of 7, 6 and 5 voxels


def write(path, values, *, order=(1, 2, 3), cell=CELL, start=(0, 0, 0), origin=(0, 0, 0)):
    """order: the axes that columns, rows and sections follow; start and origin: x, y, z."""
    by_section = values.transpose([3 - axis for axis in reversed(order)])
    with mrcfile.new(path, overwrite=True) as file:
        file.set_data(np.ascontiguousarray(by_section))
        file.header.mapc, file.header.mapr, file.header.maps = order
        file.header.mx, file.header.my, file.header.mz = values.shape[::-1]
        file.header.cella.x, file.header.cella.y, file.header.cella.z = cell[:3]
        file.header.cellb.alpha, file.header.cellb.beta, file.header.cellb.gamma = cell[3:]
        file.nstart = tuple(start[axis - 1] for axis in order)
        file.header.origin.x, file.header.origin.y, file.header.origin.z = origin
    return path


@pytest.mark.parametrize("order", list(itertools.permutations((1, 2, 3))))
def test_any_axis_order_gives_z_y_x(tmp_path, values, order):
    found = read_map(write(tmp_path / "a.mrc", values, order=order, start=(-3, 4, 5)))
    np.testing.assert_array_equal(found.values, values)
    np.testing.assert_allclose(found.voxel_size, [2.0, 3.0, 4.0])
    np.testing.assert_allclose(found.origin, [-6.0, 12.0, 20.0])


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2)])
def test_a_skewed_cell_as_gemmi_places_it(tmp_path, values, order):
    path = write(tmp_path / "a.ccp4", values, order=order, cell=(14.0, 18.0, 20.0, 80.0, 111.5, 95.0), start=(1, -2, 3))
    found, grid = read_map(path), gemmi.read_ccp4_map(str(path), setup=True).grid
    for i, j, k in [(0, 0, 0), (3, 2, 1), (6, 5, 4)]:
        expected = grid.get_position(i + 1, j - 2, k + 3).tolist()
        np.testing.assert_allclose(found.origin + np.array([i, j, k]) @ found.steps, expected, atol=1e-4)
        assert found.values[k, j, i] == pytest.approx(grid.get_value(i + 1, j - 2, k + 3))


def test_origin_wins_over_nstart(tmp_path, values):
    agree = read_map(write(tmp_path / "a.mrc", values, start=(1, 2, 3), origin=(2.0, 6.0, 12.0)))
    np.testing.assert_allclose(agree.origin, [2, 6, 12])
    path = write(tmp_path / "b.mrc", values, start=(1, 2, 3), origin=(50.0, 6.0, 12.0))
    with pytest.warns(RuntimeWarning, match="ORIGIN"):
        np.testing.assert_allclose(read_map(path).origin, [50, 6, 12])


def test_no_voxel_size_is_one_with_a_warning(tmp_path, values):
    with pytest.warns(RuntimeWarning, match="voxel size"):
        assert read_map(write(tmp_path / "a.mrc", values, cell=(0, 0, 0, 90, 90, 90))).voxel_size.tolist() == [1, 1, 1]


def test_bad_files(tmp_path, values, one_sentence):
    path = write(tmp_path / "a.mrc", values)
    path.write_bytes(path.read_bytes()[:-4])
    with one_sentence(ValueError, "a.mrc", "truncated"):
        read_map(path)
    with one_sentence(FileNotFoundError, "none.mrc"):
        read_map(tmp_path / "none.mrc")
    with mrcfile.new(path, overwrite=True) as file:
        file.set_data(values[0])
    with one_sentence(ValueError, "volume", "(6, 7)"):
        read_map(path)


def test_points_of_two_balls_with_unequal_voxels():
    """One ball holds three quarters of the density and another the rest, in a map with a place of its own."""
    steps, origin = np.diag([1.0, 2.0, 0.5]), np.array([10.0, -20.0, 5.0])
    k, j, i = np.mgrid[:80, :20, :40]
    place = np.stack([i, j, k], axis=-1) @ steps + origin
    first, second = np.array([20.0, -10.0, 15.0]), np.array([40.0, -2.0, 35.0])
    near = [(np.linalg.norm(place - centre, axis=-1) < 5).astype(np.float32) for centre in (first, second)]
    found = points_of_map(Map(3 * near[0] + near[1], np.diag(steps), origin, steps), 40)
    of_first = (found - torch.tensor(first).float()).norm(dim=1) < 6
    torch.testing.assert_close(found[of_first].mean(dim=0), torch.tensor(first).float(), atol=0.5, rtol=0)
    torch.testing.assert_close(found[~of_first].mean(dim=0), torch.tensor(second).float(), atol=0.7, rtol=0)
    assert 24 <= int(of_first.sum()) <= 34


def test_a_threshold_leaves_the_weaker_out(one_sentence):
    values = np.zeros((20, 20, 20), np.float32)
    values[2:8, 2:8, 2:8], values[12:18, 12:18, 12:18] = 3.0, 1.0
    map_ = Map(values, np.ones(3), np.zeros(3), np.eye(3))
    assert bool((points_of_map(map_, 10, threshold=2.0) < 9).all())
    assert not bool((points_of_map(map_, 10) < 9).all())
    with one_sentence(ValueError, "threshold", "largest value of the map, 3"):
        points_of_map(map_, 10, threshold=4.0)
    with one_sentence(TypeError, "map", "ndarray"):
        points_of_map(values, 10)
