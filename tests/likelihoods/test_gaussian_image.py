import math

import torch

from dpskit.likelihoods.gaussian_image import gaussian_image


def test_one_point_is_a_gaussian_at_its_place():
    image = gaussian_image(torch.tensor([[3.0, -2.0]]), 16, 1.0, 1.5)
    assert divmod(int(image.argmax()), 16) == (8 - 2, 8 + 3)  # rows along y, columns along x
    for row, column in [(6, 11), (8, 8), (0, 15)]:
        square = (column - 8 - 3.0) ** 2 + (row - 8 + 2.0) ** 2
        expected = math.exp(-square / (2 * 1.5**2)) / (2 * math.pi * 1.5**2)
        torch.testing.assert_close(float(image[row, column]), expected, rtol=1e-5, atol=1e-12)


def test_the_density_of_all_points_sums_to_their_number():
    points = torch.randn(3, 20, 2, generator=torch.Generator().manual_seed(0))
    image = gaussian_image(points, 64, 0.25, 0.6)
    torch.testing.assert_close(0.25**2 * image.sum(dim=(1, 2)), torch.full((3,), 20.0), rtol=1e-3, atol=0)
