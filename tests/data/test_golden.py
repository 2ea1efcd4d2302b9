"""From the files of a microscope to points and images, against the object that was drawn into them.

The files are written pixel by pixel with RELION's own formula, so that a transposed rotation, a flipped axis, a wrong
sign of a shift or a wrong centre gives other numbers.
"""

import math

import mrcfile
import numpy as np
import pytest
import torch

import dpskit
from dpskit.likelihoods.projection import project

ANGLES = [(30.0, 70.0, -20.0), (-100.0, 15.0, 155.0), (0.0, 120.0, 60.0)]
SHIFTS = [(6.0, -4.0), (-10.0, 2.0), (0.0, 0.0)]
PIXEL, SIZE = 2.0, 64


def relion_matrix(rot, tilt, psi):
    """A point r of the object appears in the image at A r: A = Z'(psi) Y'(tilt) Z'(rot), each turning the axes."""
    a, b, c = map(math.radians, (rot, tilt, psi))
    z = [np.array([[math.cos(t), math.sin(t), 0], [-math.sin(t), math.cos(t), 0], [0, 0, 1]]) for t in (a, c)]
    y = np.array([[math.cos(b), 0, -math.sin(b)], [0, 1, 0], [math.sin(b), 0, math.cos(b)]])
    return z[1] @ y @ z[0]


@pytest.fixture
def object_():
    """A bent rod without any symmetry, in angstrom."""
    s = torch.linspace(0, 1, 400)[:, None]
    return torch.cat([40 * s - 15, 20 * s**2 - 8, 30 * (s - 0.3) ** 3], dim=1)


@pytest.fixture
def files(tmp_path, object_):
    """An image holds, in its pixel [i, j], what lies near x = 2 (j - 32) and y = 2 (i - 32), at A r - shift."""
    images = np.zeros((3, SIZE, SIZE), np.float32)
    rows = []
    for k, (angles, shift) in enumerate(zip(ANGLES, SHIFTS, strict=True)):
        seen = object_.numpy() @ relion_matrix(*angles).T
        j, i = np.rint((seen[:, :2] - shift) / PIXEL).astype(int).T + SIZE // 2
        np.add.at(images[k], (i, j), 1.0)
        rows.append(f"{k + 1:06d}@s.mrcs {' '.join(map(str, angles + shift))} 1")
    with mrcfile.new(tmp_path / "s.mrcs") as file:
        file.set_data(images)
        file.voxel_size = PIXEL
    head = [f"_{name}" for name in ("rlnImageName", *dpskit.data.poses.ANGLES, "rlnOriginXAngst", "rlnOriginYAngst")]
    text = ["data_optics", "loop_", "_rlnOpticsGroup", "_rlnImagePixelSize", f"1 {PIXEL}", ""]
    text += ["data_particles", "loop_", *head, "_rlnOpticsGroup", *rows]
    (tmp_path / "p.star").write_text("\n".join(text) + "\n")
    return tmp_path / "p.star"


def misfit(files, object_, change):
    """Root mean square distance between the points of each image and the object's projection, in angstrom."""
    images, poses = dpskit.read_images(files), dpskit.read_poses(files)
    found = []
    for k in range(len(images)):
        seen = dpskit.points_of_image(images[k], 400, shift=poses.shifts[k])
        expected = project(object_, change(poses.rotations[k]))
        found.append(float((dpskit.assign(expected[None], seen).cost[0] / 400).sqrt()))
    return max(found)


def test_points_lie_where_the_object_is(files, object_):
    assert misfit(files, object_, lambda rotation: rotation) < 1.2  # pixels of 2 angstrom


@pytest.mark.parametrize(
    "change", [lambda r: r.T, lambda r: r * torch.tensor([1.0, -1, -1]), lambda r: r * torch.tensor([-1.0, 1, 1])]
)
def test_wrong_conventions_do_not_fit(files, object_, change):
    assert misfit(files, object_, change) > 5
