"""Golden tests of orientations and shifts: RELION's own formula, written out, decides."""

import math

import numpy as np
import pytest
import torch

from dpskit.data.poses import read_poses

PARTICLES = """
# version 30001

data_optics

loop_
_rlnOpticsGroup #1
_rlnImagePixelSize #2
_rlnVoltage #3
_rlnSphericalAberration #4
_rlnAmplitudeContrast #5
1 2.5 300.0 2.7 0.1
2 2.5 200.0 2.7 0.1


# version 30001

data_particles

loop_
_rlnAngleRot #1
_rlnAngleTilt #2
_rlnAnglePsi #3
_rlnOriginXAngst #4
_rlnOriginYAngst #5
_rlnImageName #6
_rlnOpticsGroup #7
_rlnDefocusU #8
_rlnDefocusV #9
_rlnDefocusAngle #10
 30.0  70.0 -20.0  1.5 -4.0 000002@stack.mrcs 1 15000 14000 30
-100.0 15.0 155.0  0.0  2.0 000001@stack.mrcs 2 12000 12000  0
"""

OLD = """
data_

loop_
_rlnImageName
_rlnAngleRot
_rlnAngleTilt
_rlnAnglePsi
_rlnOriginX
_rlnOriginY
_rlnMagnification
_rlnDetectorPixelSize
3@a.mrc 10 20 30 1 -2 50000 12.5
"""


@pytest.fixture
def star(tmp_path):
    def write(text):
        path = tmp_path / "particles.star"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def relion_matrix(rot, tilt, psi):
    """Euler_angles2matrix of RELION, entry by entry: a point r of the object appears in the image at A r."""
    ca, cb, cg = (math.cos(math.radians(v)) for v in (rot, tilt, psi))
    sa, sb, sg = (math.sin(math.radians(v)) for v in (rot, tilt, psi))
    return np.array(
        [
            [cg * cb * ca - sg * sa, cg * cb * sa + sg * ca, -cg * sb],
            [-sg * cb * ca - cg * sa, -sg * cb * sa + cg * ca, sg * sb],
            [sb * ca, sb * sa, cb],
        ]
    )


def test_angles_become_rotations_of_row_vectors(star):
    poses = read_poses(star(PARTICLES))
    r = np.array([1.0, -2.0, 3.0])
    for rotation, angles in zip(poses.rotations.numpy(), [(30, 70, -20), (-100, 15, 155)], strict=True):
        np.testing.assert_allclose(r @ rotation, relion_matrix(*angles) @ r, atol=1e-6)
        assert np.abs(r @ rotation.T - relion_matrix(*angles) @ r).max() > 0.5
    assert torch.allclose(torch.linalg.det(poses.rotations), torch.ones(2), atol=1e-6)


def test_shifts_pixel_size_and_names(star):
    poses = read_poses(star(PARTICLES))
    assert poses.shifts.tolist() == [[1.5, -4.0], [0.0, 2.0]] and poses.pixel_size == 2.5
    assert poses.images == (("stack.mrcs", 2), ("stack.mrcs", 1))
    assert poses.optics.voltage.tolist() == [300.0, 200.0]


def test_relion_3_0_has_shifts_in_pixels(star):
    poses = read_poses(star(OLD))
    assert poses.pixel_size == pytest.approx(2.5) and poses.images == (("a.mrc", 3),)
    assert poses.shifts.tolist() == [[2.5, -5.0]]
    assert poses.optics is None


def test_a_file_without_angles_leaves_orientations_open(star):
    poses = read_poses(star("data_\n\nloop_\n_rlnImageName\n1@a.mrcs\na.mrc\n"))
    assert poses.rotations is None and poses.pixel_size is None
    assert poses.images == (("a.mrcs", 1), ("a.mrc", 1))


def test_transfer_function_against_its_formula(star):
    """-sin(chi) with chi = pi lambda k^2 (Cs lambda^2 k^2 / 2 - defocus) - arcsin(amplitude contrast)."""
    n, size = 64, 2.5
    found = read_poses(star(PARTICLES)).optics.transfer(n, size)
    assert found.shape == (2, n, n // 2 + 1)
    for k, (voltage, u, v, angle) in enumerate([(300e3, 15e3, 14e3, 30.0), (200e3, 12e3, 12e3, 0.0)]):
        wavelength = 12.2643 / math.sqrt(voltage * (1 + 0.978466e-6 * voltage))
        fy, fx = np.meshgrid(np.fft.fftfreq(n, size), np.fft.rfftfreq(n, size), indexing="ij")
        square, direction = fx**2 + fy**2, np.arctan2(fy, fx) - math.radians(angle)
        defocus = (u + v) / 2 + (u - v) / 2 * np.cos(2 * direction)
        chi = math.pi * wavelength * square * (2.7e7 * wavelength**2 * square / 2 - defocus) - math.asin(0.1)
        np.testing.assert_allclose(found[k].numpy(), -np.sin(chi), atol=2e-3)
    assert float(found[0, 0, 0]) == pytest.approx(0.1, abs=1e-3)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (("30.0  70.0", "30.0  tilted"), "rlnAngleTilt"),
        ((" 1 15000", " 7 15000"), "optics group 7"),
        (("2 2.5 200", "2 3.5 200"), "one pixel size"),
        (("2 2.5 200", "2 x 200"), "rlnImagePixelSize"),
        (("data_particles", "data_micrographs"), "data_particles"),
        (("loop_", "loop"), "cannot be read"),
    ],
)
def test_bad_files(star, one_sentence, change, word):
    path = star(PARTICLES.replace(*change))
    with one_sentence(ValueError, path, word):
        read_poses(path)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8-sig", "utf-16"])
def test_star_files_of_any_encoding(star, encoding):
    text = PARTICLES.replace("data_particles", "# sizes in Å\ndata_particles").replace("\n", "\r\n")
    poses = read_poses(star(text.encode(encoding)))
    assert len(poses.rotations) == 2 and poses.pixel_size == 2.5


def test_optics_alone_are_no_particles(star, one_sentence):
    with one_sentence(ValueError, "data_particles", "holds optics"):
        read_poses(star(PARTICLES.partition("data_particles")[0]))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("magnification", ["0", "-1000"])
def test_a_magnification_of_one_particle_that_is_none(star, one_sentence, magnification):
    row = OLD.rstrip("\n").rpartition("\n")[2]
    column = [line.split()[0] for line in OLD.splitlines() if line.startswith("_rln")].index("_rlnMagnification")
    words = row.split()
    words[column] = magnification
    with one_sentence(ValueError, "pixel size above 0"):
        read_poses(star(OLD.rstrip("\n") + "\n" + " ".join(words) + "\n"))


def test_missing_sizes_and_files(star, one_sentence, tmp_path):
    with one_sentence(ValueError, "rlnOriginX", "no pixel size"):
        read_poses(star(OLD.replace("_rlnMagnification", "_rlnOther")))
    with one_sentence(ValueError, "above 0"):
        read_poses(star(OLD.replace("12.5", "0")))
    with one_sentence(FileNotFoundError, "path", "none.star"):
        read_poses(tmp_path / "none.star")
    with one_sentence(ValueError, "lists none"):
        read_poses(star("data_particles\n\n"))


def test_numbers_in_quotes(tmp_path):
    path = tmp_path / "a.star"
    path.write_text("data_particles\nloop_\n_rlnAngleRot\n_rlnAngleTilt\n_rlnAnglePsi\n'90' \"0\" 0\n")
    expected = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    torch.testing.assert_close(read_poses(path).rotations[0], expected)
