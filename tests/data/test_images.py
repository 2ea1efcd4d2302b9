"""Image stacks: what a file says, and that points and pixels have the same axes and origin."""

import gzip

import mrcfile
import numpy as np
import pytest
import torch

from dpskit.data.density_points import above_background
from dpskit.data.images import Images, image_of_points, points_of_image, read_images


def write(path, values, voxel_size=None):
    with mrcfile.new(path, overwrite=True) as file:
        file.set_data(values.astype(np.float32))
        if values.ndim == 3:
            file.set_image_stack()
        if voxel_size is not None:
            file.voxel_size = voxel_size
    return path


@pytest.fixture
def pixels():
    return np.random.default_rng(0).normal(size=(3, 8, 8))


def test_a_stack(tmp_path, pixels):
    images = read_images(write(tmp_path / "stack.mrcs", pixels, 1.7))
    assert images.pixels.shape == (3, 8, 8) and images.pixel_size == pytest.approx(1.7)
    np.testing.assert_allclose(images.pixels.numpy(), pixels, atol=1e-6)
    assert torch.equal(images[1].pixels[0], images.pixels[1]) and len(images[[0, 2]]) == 2


def test_one_image_and_a_gzipped_one(tmp_path, pixels):
    path = write(tmp_path / "one.mrc", pixels[0], 2.0)
    (tmp_path / "one.mrc.gz").write_bytes(gzip.compress(path.read_bytes()))
    for file in (path, tmp_path / "one.mrc.gz"):
        assert read_images(file).pixels.shape == (1, 8, 8)


def test_pixel_size_of_zero_is_refused(tmp_path, pixels, one_sentence):
    path = write(tmp_path / "stack.mrcs", pixels, 0.0)
    with one_sentence(ValueError, "pixel_size", "stack.mrcs"):
        read_images(path)
    assert read_images(path, 2.0).pixel_size == 2.0
    with one_sentence(ValueError, "pixel_size", "0"):
        read_images(path, 0)


def test_an_argument_wins_over_the_header_and_says_so(tmp_path, pixels):
    path = write(tmp_path / "stack.mrcs", pixels, 1.0)
    with pytest.warns(RuntimeWarning, match=r"taken as 2.8 angstrom, though the header says 1"):
        assert read_images(path, 2.8).pixel_size == 2.8


def test_a_star_file_chooses_images_and_its_pixel_size_wins(tmp_path, pixels):
    (tmp_path / "job").mkdir()
    write(tmp_path / "a.mrcs", pixels, 1.0)
    write(tmp_path / "job" / "b.mrcs", pixels[:1] + 5, 1.0)
    text = "data_\nloop_\n_rlnImageName\n_rlnPixelSize\n3@a.mrcs 2.5\n1@b.mrcs 2.5\n1@a.mrcs 2.5\n"
    star = tmp_path / "job" / "particles.star"
    star.write_text(text)
    with pytest.warns(RuntimeWarning, match="particles.star"):
        images = read_images(star)
    expected = np.stack([pixels[2], pixels[0] + 5, pixels[0]])
    np.testing.assert_allclose(images.pixels.numpy(), expected, atol=1e-6)
    assert images.pixel_size == 2.5


@pytest.mark.parametrize("table", ["", "model_classes"])
def test_class_averages_that_a_star_file_of_relion_chooses(tmp_path, pixels, one_sentence, table):
    write(tmp_path / "classes.mrcs", pixels, 3.5)
    general = "data_model_general\n\n_rlnPixelSize 3.5\n\n" if table else ""
    rows = "loop_\n_rlnReferenceImage\n_rlnClassDistribution\n000003@classes.mrcs 0.6\n000001@classes.mrcs 0.4\n"
    star = tmp_path / "CLASSES.STAR"
    star.write_text(f"{general}data_{table}\n\n{rows}")
    images = read_images(star)
    np.testing.assert_allclose(images.pixels.numpy(), pixels[[2, 0]], atol=1e-6)
    assert images.pixel_size == 3.5
    star.write_text(f"data_\n\n{rows}".replace("000003@", "").replace("000001@", ""))
    with one_sentence(ValueError, "rlnReferenceImage", "lists none"):  # a class of three dimensions is a map
        read_images(star)


def test_stacks_that_do_not_fit_together(tmp_path, pixels, one_sentence):
    write(tmp_path / "a.mrcs", pixels, 2.5)
    write(tmp_path / "b.mrcs", pixels, 1.0)
    write(tmp_path / "c.mrcs", pixels[:, :6, :6], 2.5)
    star = tmp_path / "particles.star"
    star.write_text("data_\nloop_\n_rlnImageName\n_rlnPixelSize\n1@a.mrcs 2.5\n1@b.mrcs 2.5\n")
    with pytest.warns(RuntimeWarning, match=r"taken as 2.5 angstrom, though the header says 1"):
        assert read_images(star).pixel_size == 2.5
    star.write_text("data_\nloop_\n_rlnImageName\n1@a.mrcs\n2@a.mrcs\n1@c.mrcs\n")
    with one_sentence(ValueError, "'a.mrcs'", "(8, 8)", "'c.mrcs'", "(6, 6)"):
        read_images(star)


def test_a_star_file_that_lists_what_is_not_there(tmp_path, pixels, one_sentence):
    write(tmp_path / "a.mrcs", pixels, 1.0)
    star = tmp_path / "particles.star"
    star.write_text("data_\nloop_\n_rlnImageName\n4@a.mrcs\n")
    with one_sentence(ValueError, "image 4", "'a.mrcs'", "holds 3"):
        read_images(star)
    star.write_text("data_\nloop_\n_rlnImageName\n1@c.mrcs\n")
    with one_sentence(FileNotFoundError, "'c.mrcs'"):
        read_images(star)


def test_bad_files(tmp_path, pixels, one_sentence):
    path = write(tmp_path / "stack.mrcs", pixels, 1.0)
    whole = path.read_bytes()
    for content in (whole[:-100], whole[:500], b"", b"not an image"):
        path.write_bytes(content)
        with one_sentence(ValueError, "path", "stack.mrcs"):
            read_images(path)
    with one_sentence(ValueError, "square", "(8, 6)"):
        read_images(write(path, pixels[:, :, :6], 1.0))
    with one_sentence(ValueError, "NaN"):
        read_images(write(path, pixels + np.nan, 1.0))
    with one_sentence(ValueError, "complex64"), mrcfile.new(path, overwrite=True) as file:
        file.set_data(pixels[0].astype(np.complex64))
        file.flush()
        read_images(path)
    with one_sentence(FileNotFoundError, "none.mrcs"):
        read_images(tmp_path / "none.mrcs")


def test_axes_and_origin_of_points():
    """Two spots: pixel [i, j] lies at x = (j - n // 2) and y = (i - n // 2)."""
    image = torch.zeros(9, 9)
    image[2, 7], image[6, 4] = 3.0, 1.0
    points = points_of_image(image, 400, pixel_size=2.0)
    right = points[:, 0] > 3
    assert int(right.sum()) == 300
    torch.testing.assert_close(points[right].mean(dim=0), torch.tensor([6.0, -4.0]), atol=0.1, rtol=0)
    torch.testing.assert_close(points[~right].mean(dim=0), torch.tensor([0.0, 4.0]), atol=0.2, rtol=0)
    assert bool(((points[right] - torch.tensor([6.0, -4.0])).abs() <= 1).all())
    shifted = points_of_image(image, 400, pixel_size=2.0, shift=torch.tensor([1.0, -2.0]))
    torch.testing.assert_close(shifted - points, torch.tensor([1.0, -2.0]).expand(400, 2))


@pytest.mark.parametrize("size", [32, 33])
def test_points_to_image_and_back(normal, size):
    points = normal(500, 2) * torch.tensor([4.0, 2.0]) + torch.tensor([3.0, -1.0])
    image = image_of_points(points, size, 1.5, 1.0)
    assert float(image.sum()) * 1.5**2 == pytest.approx(500, rel=1e-3)
    back = points_of_image(Images(image[None], 1.5), 2000, seed=1)
    torch.testing.assert_close(back.mean(dim=0), points.mean(dim=0), atol=0.1, rtol=0)
    covariance = points.T.cov() + torch.eye(2) * (1.0 + 1.5**2 / 12)  # of the Gaussians and of the pixels
    torch.testing.assert_close(back.T.cov(), covariance, rtol=0.05, atol=0.1)


def test_image_against_the_formula(normal):
    points = normal(5, 2)
    image = image_of_points(points, 6, 0.7, 0.9)
    for i, j in [(0, 0), (3, 3), (5, 1)]:
        place = torch.tensor([(j - 3) * 0.7, (i - 3) * 0.7])
        square = (points - place).square().sum(dim=1)
        expected = (torch.exp(-square / (2 * 0.81)) / (2 * torch.pi * 0.81)).sum()
        assert float(image[i, j]) == pytest.approx(float(expected), rel=1e-5)


def test_noise_around_the_object_gives_no_points(normal):
    noise = 0.05 * normal(64, 64) + 7.0
    object_ = image_of_points(normal(300, 2) * 5, 64, 1.0, 2.0)
    points = points_of_image(noise + object_, 1000)
    assert float(points.norm(dim=1).max()) < 25  # of the corners, at 45, none


@pytest.mark.parametrize("dim", [2, 3])
def test_dust_is_left_out_and_parts_of_the_object_are_not(dim):
    density = np.zeros([20] * dim)
    density[(slice(2, 12),) * dim] = 1.0
    part, speck = (15,) * dim, (18, *[1] * (dim - 1))
    density[part], density[speck] = 0.02 * 10**dim, 0.005 * 10**dim
    kept = above_background("map", density, 0.0)
    assert kept[part] == density[part] and kept[speck] == 0
    assert kept.sum() == pytest.approx(density.sum() - density[speck])
    equal = np.indices([20] * dim).sum(axis=0) % 20 == 0  # diagonals are connected
    equal[0], many = 0, np.zeros([40] * dim)
    many[(slice(None, None, 2),) * dim] = 1.0  # parts of one cell, all alike
    assert above_background("map", many, 0.0).sum() == 20**dim
    assert above_background("map", equal * 1.0, 0.0).sum() == equal.sum()


def test_an_image_that_shows_nothing(one_sentence):
    with one_sentence(ValueError, "threshold", "negative of the image"):
        points_of_image(torch.zeros(8, 8), 10)
    with one_sentence(ValueError, "image", "stack of 2"):
        points_of_image(Images(torch.ones(2, 8, 8), 1.0), 10)
    with one_sentence(ValueError, "image", "(8, 7)"):
        points_of_image(torch.ones(8, 7), 10)
    with one_sentence(ValueError, "n_points", "0"):
        points_of_image(torch.ones(8, 8), 0)


def test_a_dark_object_is_refused_and_a_dark_halo_is_not(normal, one_sentence):
    x, noise = 8 * normal(200, 2), 0.05 * normal(48, 48)
    bright, halo = (image_of_points(x, 48, 2.0, width).float() for width in (4.0, 12.0))
    image = bright / bright.max() + noise
    with one_sentence(ValueError, "image", "negative of the image"):
        points_of_image(-image, 50)
    points_of_image(-image, 50, threshold=0.1)  # somebody has looked at it
    balanced = bright - halo * bright.sum() / halo.sum()  # as where a transfer function takes the mean away
    points = points_of_image(balanced / balanced.max() + noise, 400, pixel_size=2.0)
    assert float(points.norm(dim=1).max()) < 40


def test_a_map_that_is_read_as_images_is_named(tmp_path, recwarn):
    path = write(tmp_path / "map.mrc", np.ones((6, 6, 6)), 2.0)
    assert len(read_images(path)) == 6 and not recwarn.list  # a stack, by its header
    with mrcfile.open(path, "r+") as file:
        file.set_volume()
    with pytest.warns(RuntimeWarning, match=r"map.mrc: .* is a map: read_map"):
        assert len(read_images(path)) == 6
