"""Density maps: their integral, their moments, and that other programs find them where the atoms are."""

import math
import re

import gemmi
import mrcfile
import numpy as np
import pytest
import torch

import dpskit
from dpskit.export.density import check_resolution, ensemble_density, export_density

FRAME = dpskit.Frame((196.8, 94.8, -190.0), 60.2)


def grid_of(density):
    """Coordinates (nz, ny, nx, 3) of the voxels' centres."""
    x, y, z = (
        start + density.voxel * np.arange(count)
        for start, count in zip(density.origin, density.values.shape[::-1], strict=True)
    )
    return np.stack(np.meshgrid(z, y, x, indexing="ij")[::-1], axis=-1)


def test_the_mean_density_counts_points_and_keeps_their_moments(normal):
    points = 0.4 * normal(3, 50, 3) * torch.tensor([1.0, 0.5, 0.3])
    mean, _ = ensemble_density(points, frame=FRAME, resolution=12.0)
    mass = mean.values.astype(float) * mean.voxel**3
    assert mass.sum() == pytest.approx(50, rel=2e-3)
    grid, physical = grid_of(mean), FRAME.to_physical(points.double()).reshape(-1, 3).numpy()
    center = (mass[..., None] * grid).sum(axis=(0, 1, 2)) / mass.sum()
    np.testing.assert_allclose(center, physical.mean(axis=0), atol=0.05)
    variance = (mass[..., None] * (grid - center) ** 2).sum(axis=(0, 1, 2)) / mass.sum()
    np.testing.assert_allclose(variance, physical.var(axis=0) + 12.0**2 / (2 * math.pi**2), rtol=0.02)


def test_one_point_is_a_gaussian_of_molmap_s_width():
    mean, spread = ensemble_density(torch.zeros(1, 1, 3), frame=FRAME, resolution=9.0)
    width = 9.0 / (math.pi * math.sqrt(2))
    square = ((grid_of(mean) - np.array(FRAME.center)) ** 2).sum(axis=-1)
    expected = np.exp(-square / (2 * width**2)) / (2 * math.pi * width**2) ** 1.5
    np.testing.assert_allclose(mean.values, expected, rtol=1e-4, atol=1e-9)
    assert spread.values.max() < 1e-6 * mean.values.max()


def test_the_spread_is_that_of_the_samples_densities(normal):
    points = 0.3 * normal(4, 20, 3)
    _, spread = ensemble_density(points, frame=FRAME, resolution=20.0)
    single = torch.stack(list(points))
    padded = [ensemble_density(torch.stack([p, *single]), frame=FRAME, resolution=20.0)[0] for p in points]
    whole = ensemble_density(single, frame=FRAME, resolution=20.0)[0].values.astype(float)
    # the mean over five clouds, of which one is there twice, gives that one's density
    densities = [5 * extended.values.astype(float) - 4 * whole for extended in padded]
    np.testing.assert_allclose(spread.values, np.std(densities, axis=0), atol=1e-3 * spread.values.max())


def test_files_lie_over_the_atomic_model(tmp_path):
    example = dpskit.load_example("ruvab")
    points = torch.stack([example.points, example.points])
    path = tmp_path / "mean.mrc"
    export_density(points, path, frame=example.frame, resolution=15.0)
    assert list(tmp_path.iterdir()) == [path]
    assert mrcfile.validate(path)
    expected, _ = ensemble_density(points, frame=example.frame, resolution=15.0)
    with mrcfile.open(path) as file:
        np.testing.assert_array_equal(file.data, expected.values)
        assert file.voxel_size.tolist() == pytest.approx((5.0, 5.0, 5.0))
        origin = file.header.origin.tolist()
        assert origin == pytest.approx(expected.origin)
        nstart = (file.header.nxstart, file.header.nystart, file.header.nzstart)
        assert [5.0 * int(n) for n in nstart] == pytest.approx(origin)
        # mrcfile's way: value at an atom is data[z, y, x] at its offset from the origin
        index = np.rint((example.atoms.numpy() - np.array(origin)) / 5.0).astype(int)
        at_atoms = file.data[index[:, 2], index[:, 1], index[:, 0]]
        assert np.median(at_atoms) > 20 * file.data.mean() / 4
    found = gemmi.read_ccp4_map(str(path), setup=True).grid
    values = np.array([found.interpolate_value(gemmi.Position(*atom)) for atom in example.atoms[::50].tolist()])
    outside = [found.interpolate_value(gemmi.Position(*c)) for c in (example.atoms[::50] + 100.0).tolist()]
    assert np.median(values) > 0.7 * np.median(at_atoms)
    assert np.median(outside) < 0.01 * np.median(values)


@pytest.mark.parametrize("width", [120.0, 301.7])
def test_the_least_resolution_is_as_fine_as_the_grid_allows(width):
    with pytest.raises(ValueError, match=f"{width:.0f} wide, got 0.05") as caught:
        check_resolution(0.05, width)
    least = float(re.search(r"at least ([\d.]+)", str(caught.value))[1])
    assert check_resolution(least, width) == least
    with pytest.raises(ValueError, match="at least"):
        check_resolution(least - 0.1, width)
    # a rod of that width, so that the grid stays small
    line = torch.tensor([[[-1.0, 0, 0], [1.0, 0, 0]]])
    mean, _ = ensemble_density(line, frame=dpskit.Frame((0.03, 0, 0), width / 2), resolution=least)
    assert 512 / 1.2 < mean.values.shape[2] <= 512  # the least is rounded up to a tenth of an angstrom


def test_spread_file_and_bad_input(tmp_path, one_sentence, normal):
    points = 0.3 * normal(2, 10, 3)
    export_density(points, tmp_path / "spread.map", frame=FRAME, resolution=20.0, quantity="spread")
    _, spread = ensemble_density(points, frame=FRAME, resolution=20.0)
    with mrcfile.open(tmp_path / "spread.map") as file:
        np.testing.assert_array_equal(file.data, spread.values)
    cases = [
        ({"path": tmp_path / "x.ccp4"}, ("path", ".mrc")),
        ({"resolution": 0}, ("resolution", "0")),
        ({"resolution": 0.1}, ("resolution", "at least", "0.1")),
        ({"quantity": "median"}, ("quantity", "'median'")),
        ({"samples": points[0]}, ("samples",)),
    ]
    for change, words in cases:
        arguments = {"samples": points, "path": tmp_path / "x.mrc", "frame": FRAME} | change
        with one_sentence(ValueError, *words):
            export_density(arguments.pop("samples"), arguments.pop("path"), **arguments)
    with one_sentence(TypeError, "frame"):
        export_density(points, tmp_path / "x.mrc", frame=None)
    assert [path.name for path in tmp_path.iterdir()] == ["spread.map"]
