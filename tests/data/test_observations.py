"""Observations in angstrom: into the cube, back, and to a file."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import dpskit
from dpskit.data.images import Images, points_of_image
from dpskit.data.observation_file import read_observations, write_observations
from dpskit.data.observations import Observations
from dpskit.data.poses import Poses
from dpskit.likelihoods.joint import as_found
from dpskit.likelihoods.projection import project

FRAME = dpskit.Frame((190.0, -40.0, 310.0), 70.0)


def simulated(n_views=3, coarse=True, subunit=True, seed=0, weights=None, means=False):
    points = dpskit.load_example("ruvab").points
    parts = [dpskit.Projections.observe(points, n_views, 200, seed, balanced=True)] if n_views else []
    parts += [dpskit.CoarseGrained(points[::25], balanced=not means, means=means)] if coarse else []
    parts += [dpskit.Subunit(points[:100])] if subunit else []
    return points, dpskit.Joint(parts, weights)


@given(st.integers(0, 3), st.booleans(), st.booleans(), st.integers(0, 99), st.booleans())
def test_there_and_back(n_views, coarse, subunit, seed, means):
    if n_views == 0 and not coarse:
        return
    points, data = simulated(n_views, coarse, subunit, seed, means=means)
    again = Observations.of(data, FRAME).likelihood(FRAME)
    torch.testing.assert_close(again.energies(points[None]), data.energies(points[None]), atol=1e-6, rtol=1e-3)
    moved = (0.9 * points + 0.1)[None]
    torch.testing.assert_close(again.energy(moved), data.energy(moved), atol=1e-6, rtol=1e-3)


def test_projections_are_those_of_the_physical_points():
    points, data = simulated(2, coarse=False, subunit=False)
    full = [project(points, rotation) for rotation in data.parts[0].rotations]
    seen = Observations.of(dpskit.Projections(full, data.parts[0].rotations), FRAME)
    for y, rotation in zip(seen.projections, seen.rotations, strict=True):
        torch.testing.assert_close(y, project(FRAME.to_physical(points), rotation), atol=1e-3, rtol=0)


def test_the_frame_of_three_axis_views_is_the_bounding_box():
    points = dpskit.load_example("ruvab").points * torch.tensor([1.0, 0.5, 0.7])
    physical = FRAME.to_physical(points)
    rotations = torch.stack([torch.eye(3), torch.eye(3)[[1, 2, 0]], torch.eye(3)[[2, 0, 1]]])
    frame = Observations([project(physical, rotation) for rotation in rotations], rotations).frame()
    expected = dpskit.Frame.of(physical)
    torch.testing.assert_close(torch.tensor(frame.center), torch.tensor(expected.center), atol=1e-3, rtol=0)
    assert frame.scale == pytest.approx(expected.scale, rel=1e-5)


@pytest.mark.parametrize(("n_views", "worst"), [(1, 0.35), (3, 0.2), (5, 0.15)])
def test_the_scale_of_random_views_is_near(n_views, worst):
    points = dpskit.load_example("ruvab").points
    for seed in range(10):
        data = dpskit.Projections.observe(points, n_views, 1024, seed)
        frame = Observations.of(data, FRAME).frame()
        assert abs(frame.scale / FRAME.scale - 1) < worst
        if n_views > 1:
            assert float((torch.tensor(frame.center) - torch.tensor(FRAME.center)).norm()) < 0.2 * FRAME.scale


@pytest.mark.parametrize(("m", "worst"), [(20, 0.15), (40, 0.1), (100, 0.06), (1024, 1e-5)])
def test_the_scale_of_a_coarse_structure_alone_makes_up_for_its_means(m, worst):
    # Without that, 40 means of a structure have 0.82 of its extent.
    for name in ("ruvab", "ribosome"):
        points = dpskit.load_example(name).points
        low = dpskit.CoarseGrained.observe(points, m) if m < len(points) else dpskit.CoarseGrained(points)
        assert Observations.of(low, FRAME).frame().scale == pytest.approx(FRAME.scale, rel=worst)


def test_two_means_and_equal_means_have_a_frame():
    pair = Observations(coarse=torch.tensor([[0.0, 0.0, 0.0], [10.0, 0.0, 0.0]])).frame(16)
    assert pair.scale == pytest.approx(5 + 10 * (1 - 0.5))
    with pytest.raises(ValueError, match="distinct points"):
        Observations(coarse=torch.zeros(3, 3))


def test_a_single_view_takes_the_depth_from_what_is_known():
    _, data = simulated(1, coarse=True, subunit=False)
    seen = Observations.of(data, FRAME)
    depth = seen.rotations[0][:, 2]
    middle = (seen.coarse.amin(dim=0) + seen.coarse.amax(dim=0)) / 2
    assert float(torch.tensor(seen.frame().center) @ depth) == pytest.approx(float(middle @ depth), abs=1e-2)
    alone = Observations(seen.projections, seen.rotations)
    assert float(torch.tensor(alone.frame().center) @ depth) == pytest.approx(0.0, abs=1e-3)


def test_a_reconstruction_with_the_frame_of_the_data_fits_in_angstrom():
    points, data = simulated(4, coarse=False, subunit=False)
    seen = Observations.of(data, FRAME)
    frame = seen.frame()
    found = dpskit.maximum_likelihood(seen.likelihood(), n_samples=1, n_points=256, n_steps=60, progress=False)
    reference = dpskit.maximum_likelihood(data, n_samples=1, n_points=256, n_steps=60, progress=False)
    physical, truth = frame.to_physical(found.points), FRAME.to_physical(points)
    error, expected = (
        float(dpskit.rmsd_to_atoms(x[0], truth)) for x in (physical, FRAME.to_physical(reference.points))
    )
    assert error == pytest.approx(expected, rel=0.15) and error < 0.2 * FRAME.scale


# --- Files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", [None, [1.0, 2.0, 0.5, 0.0]])
@pytest.mark.parametrize("means", [False, True])
def test_round_trip_of_a_file(tmp_path, weights, means):
    points, data = simulated(2, weights=weights, means=means)
    seen = Observations.of(data, FRAME)
    write_observations(seen, tmp_path / "été" / "ruvab.toml")
    names = {"ruvab.toml", "ruvab_view1.txt", "ruvab_view2.txt", "ruvab_coarse.txt", "ruvab_subunit.txt"}
    assert {path.name for path in (tmp_path / "été").iterdir()} == names
    again = read_observations(tmp_path / "été" / "ruvab.toml")
    for one, other in zip(
        [*seen.projections, seen.rotations, seen.coarse, seen.subunit],
        [*again.projections, again.rotations, again.coarse, again.subunit],
        strict=True,
    ):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=0)
    assert again.means == means
    energies = [x.likelihood(FRAME).energy(0.9 * points[None]) for x in (seen, again)]
    torch.testing.assert_close(*energies, atol=1e-6, rtol=1e-4)


def test_weights_and_flags_of_arrays_are_written(tmp_path):
    rotations = torch.eye(3).expand(2, 3, 3)
    for weights in (np.array([1.0, 3.0]), torch.tensor([1.0, 3.0])):
        seen = Observations([[[0.0, 0.0], [1.0, 1.0]]] * 2, rotations, weights=weights, shifted=np.bool_(True))
        write_observations(seen, tmp_path / "x.toml")
        again = read_observations(tmp_path / "x.toml")
        assert again.weights == [1.0, 3.0] and again.shifted is True


def test_any_name_of_a_file_is_quoted_as_toml_wants_it(tmp_path):
    path = tmp_path / 'a "b" \\c é.toml'
    write_observations(Observations(coarse=[[0.0, 0.0, 0.0], [1.0, 2.0, 3.0]]), path)
    assert read_observations(path).coarse.tolist() == [[0.0, 0.0, 0.0], [1.0, 2.0, 3.0]]


@pytest.mark.parametrize("scale", [1e-5, 1.0, 1e6])
def test_a_file_keeps_every_digit_at_any_size(tmp_path, scale):
    _, data = simulated(2)
    seen = Observations.of(data, dpskit.Frame((3 * scale, 0.0, -scale), scale))
    write_observations(seen, tmp_path / "x.toml")
    again = read_observations(tmp_path / "x.toml")
    for one, other in zip([*seen.projections, seen.coarse], [*again.projections, again.coarse], strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("kind", [{"trimmed": 0.125}, {"shifted": True}])
def test_what_all_views_are_is_written_and_read(tmp_path, kind):
    points, data = simulated(2)
    views = dpskit.Projections(data.parts[0].points, data.parts[0].rotations, **kind)
    write_observations(Observations.of(views, FRAME), tmp_path / "x.toml")
    again = read_observations(tmp_path / "x.toml").likelihood(FRAME)
    expected = dpskit.Projections(views.points, views.rotations, balanced=True, **kind)
    torch.testing.assert_close(again.energy(points[None]), expected.energy(points[None]), atol=1e-6, rtol=1e-4)


def test_shifted_views_need_no_common_origin(tmp_path):
    points, data = simulated(3, coarse=False, subunit=False)
    views = data.parts[0] if isinstance(data, dpskit.Joint) else data
    moved = [FRAME.scale * y + 1000 * k for k, y in enumerate(views.points)]
    seen = Observations(moved, views.rotations, shifted=True)
    assert seen.frame().center == (0.0, 0.0, 0.0)
    assert seen.frame().scale == pytest.approx(Observations.of(views, FRAME).frame().scale)
    expected = dpskit.Projections(views.points, views.rotations, balanced=True, shifted=True).energy(points[None])
    torch.testing.assert_close(seen.likelihood(FRAME).energy(points[None]), expected, atol=1e-6, rtol=1e-3)


@pytest.mark.parametrize(
    ("views", "words"),
    [
        ("trimmed = 0.7", "trimmed must be between 0 and 0.5"),
        ('trimmed = "a"', "trimmed"),
        ("shifted = 1", "views: shifted must be true or false"),
        ("moved = true", "views: it may hold shifted, trimmed; got 'moved'"),
        ("shifted = true\ntrimmed = 0.1", "shifted must be False"),
    ],
)
def test_what_views_cannot_be_is_refused(tmp_path, one_sentence, views, words):
    (tmp_path / "y.txt").write_text("0 0\n1 1\n")
    (tmp_path / "x.toml").write_text(f"[views]\n{views}\n{VIEW}")
    with one_sentence((ValueError, TypeError), "x.toml", words):
        read_observations(tmp_path / "x.toml")


def test_weights_default_to_equal_ones(tmp_path):
    _, data = simulated(2)
    write_observations(Observations.of(data, FRAME), tmp_path / "x.toml")
    torch.testing.assert_close(read_observations(tmp_path / "x.toml").likelihood().weights, torch.full((4,), 0.25))


def test_a_subunit_from_chains_of_a_structure(tmp_path):
    example = dpskit.load_example("ruvab")
    (tmp_path / "part.cif.gz").write_bytes(example.structure_path.read_bytes())
    (tmp_path / "y.txt").write_text("# x y\n0 0\n10.5 2e1\n")
    (tmp_path / "x.toml").write_text(
        '[[projection]]\npoints = "y.txt"\nrotation = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]\n'
        '[subunit]\nstructure = "part.cif.gz"\nchains = ["G"]\nn_points = 20\n'
    )
    found = read_observations(tmp_path / "x.toml")
    torch.testing.assert_close(found.projections[0], torch.tensor([[0.0, 0.0], [10.5, 20.0]]))
    atoms = dpskit.read_structure(example.structure_path).chain_atoms(["G"])
    assert found.subunit.shape == (20, 3)
    assert float(dpskit.rmsd_to_atoms(found.subunit, atoms)) < 6.0


VIEW = '[[projection]]\npoints = "y.txt"\nrotation = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]\n'


@pytest.mark.parametrize(
    "text",
    [
        "0,0\n10.5,2e1\n",
        "\ufeff# x, y\n0, 0\n\n10.5, 2e1",
        "0\t0\n10.5  20",
        "0 0 # left, below\r\n10.5 20\r\n",
    ],
)
def test_points_with_commas_or_white_space(tmp_path, text):
    (tmp_path / "x.toml").write_text(VIEW)
    (tmp_path / "y.txt").write_text(text, encoding="utf-8")
    torch.testing.assert_close(
        read_observations(tmp_path / "x.toml").projections[0], torch.tensor([[0.0, 0.0], [10.5, 20.0]])
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["projections"]),
        ("a = ", ["TOML"]),
        ("[map]\nx = 1", ["'map'"]),
        (VIEW.replace("[[projection]]", "[projection]"), ["[[projection]]"]),
        (VIEW + VIEW.replace("rotation", "matrix"), ["projection 2", "'matrix'"]),
        (2 * VIEW.replace("[[projection]]", "[projection]"), ["twice", "[[projection]]", "two brackets"]),
        (VIEW + VIEW.replace("[1, 0, 0]", "[2, 0, 0]"), ["projection 2", "rotation", "orthogonal"]),
        (VIEW + '[[projection]]\npoints = "y.txt"', ["projection 2", "rotation is missing", "three rows"]),
        (VIEW.replace('"y.txt"', "3") + VIEW, ["projection 1", "points", "3"]),
        (VIEW + VIEW.replace("y.txt", "bad.txt"), ["projection 2", "bad.txt", "2 numbers"]),
        (VIEW + VIEW.replace("y.txt", "semicolon.txt"), ["projection 2", "semicolon.txt", "2 numbers", "line 1"]),
        (VIEW + VIEW.replace("y.txt", "xyz.txt"), ["projection 2", "xyz.txt", "(n, 2)"]),
        (VIEW + VIEW.replace("y.txt", "nan.txt"), ["projection 2", "nan.txt", "finite"]),
        (VIEW + VIEW.replace("y.txt", "large.txt"), ["projections[1]", "finite", "1 of 2"]),
        (VIEW + VIEW.replace("y.txt", "empty.txt"), ["projection 2", "empty.txt", "it is empty"]),
        (VIEW.replace("y.txt", "one.txt"), ["distinct"]),
        (VIEW + VIEW + "weight = -1", ["projection 2", "weight", "-1"]),
        (VIEW + '[subunit]\nstructure = "s.cif"', ["subunit", "n_points", "None"]),
        (VIEW + '[subunit]\nstructure = "s.cif"\nn_points = 9', ["subunit", "structure", "s.cif"]),
        (VIEW + '[subunit]\nstructure = "g.cif.gz"\nchains = ["G"]\nn_points = 9999', ["subunit", "n_points", "357"]),
        (VIEW + '[subunit]\nstructure = "s.cif"\npoints = "xyz.txt"', ["both"]),
        (VIEW.replace("[[1, 0, 0], [0, 1, 0], [0, 0, 1]]", "[1, 0, 0, 0]"), ["projection 1", "rotation", "(4,)"]),
        (VIEW.replace("[[1, 0, 0], [0, 1, 0], [0, 0, 1]]", '"upright"'), ["projection 1", "'upright'", '"unknown"']),
        (VIEW.replace("[[1, 0, 0], [0, 1, 0], [0, 0, 1]]", "unknown"), ["Invalid value", "quotes", '"unknown"']),
        (VIEW.replace("y.txt", "y" * 400), ["projection 1", "points", "255 bytes"]),
        (VIEW.replace("y.txt", "y\\u0000.txt"), ["projection 1", "points", "null"]),
        (VIEW + '[subunit]\npoints = "xyz.txt"\nchains = ["A"]', ["subunit", "chains", "a structure"]),
        (VIEW + '[subunit]\npoints = "xyz.txt"\nn_points = 5', ["subunit", "n_points", "a structure"]),
        ("coarse = 7", ["coarse", "7"]),
        (VIEW + '[coarse]\npoints = "z.txt"\nmeans = 1', ["coarse", "means", "true or false", "1"]),
        (VIEW + '[coarse]\npoints = "y.txt"', ["coarse", "y.txt", "(n, 3)"]),
    ],
)
@pytest.mark.filterwarnings("error")
def test_bad_files_give_one_sentence(tmp_path, one_sentence, text, words):
    contents = {"y": "0 0\n1 2\n", "bad": "0 zero\n", "xyz": "0 0 0\n1 1 1\n", "nan": "0 nan\n", "one": "1 1\n1 1\n"}
    for name, content in (contents | {"empty": "# x y\n", "semicolon": "0;0\n1;2\n", "large": "0 0\n0 1e39\n"}).items():
        (tmp_path / f"{name}.txt").write_text(content)
    (tmp_path / "g.cif.gz").write_bytes(dpskit.load_example("ruvab").structure_path.read_bytes())
    (tmp_path / "x.toml").write_text(text)
    with one_sentence((ValueError, TypeError, FileNotFoundError), tmp_path / "x.toml", *words):
        read_observations(tmp_path / "x.toml")


def test_names_are_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "y.txt").write_text("0 0\n1 2\n")
    (tmp_path / "x.toml").write_text(VIEW.replace("y.txt", "~/y.txt"))
    assert len(read_observations(tmp_path / "x.toml").projections) == 1


def test_files_that_are_missing(tmp_path, one_sentence):
    with one_sentence(FileNotFoundError, "path", "x.toml"):
        read_observations(tmp_path / "x.toml")
    (tmp_path / "x.toml").write_text(VIEW)
    with one_sentence(FileNotFoundError, "points", "y.txt"):
        read_observations(tmp_path / "x.toml")


def test_a_view_of_unknown_orientation_is_centred_by_its_mass(tmp_path):
    """With the rotation that is found, the object explains every view: wherever nobody knows the origin of one."""
    points = FRAME.to_physical(dpskit.load_example("ruvab").points)
    rotations = dpskit.random_rotations(4, seed=3)
    moved = torch.tensor([0.0, 0.0, 1.0, 0.0])[:, None, None] * torch.tensor([30.0, -20.0])
    views = [project(points, rotation) + shift for rotation, shift in zip(rotations, moved, strict=True)]
    stated = rotations.clone()
    stated[2] = torch.nan
    write_observations(Observations(views, stated), tmp_path / "x.toml")
    assert "unknown" in (tmp_path / "x.toml").read_text()
    data = read_observations(tmp_path / "x.toml")
    assert data.likelihood().parts[0].unknown == [2]
    torch.testing.assert_close(data.rotations[[0, 1, 3]], rotations[[0, 1, 3]])
    frame = data.frame()
    torch.testing.assert_close(torch.tensor(frame.center), points.mean(dim=0), atol=1e-3, rtol=0)
    turn = dpskit.random_rotations(1, seed=8)[0]
    seen = as_found(data.likelihood(frame, turn), (turn.T @ rotations)[None])
    assert float(seen.energies((frame.to_cube(points) @ turn)[None]).max()) < 1e-9


def test_where_no_orientation_is_known_the_first_view_is_the_frame(normal, one_sentence):
    for rotations in (None, torch.full((2, 3, 3), torch.nan)):
        data = Observations([normal(9, 2), normal(9, 2) + 5], rotations)
        assert bool(data.rotations.isnan().all())
        turn = dpskit.random_rotations(1, seed=1)[0]
        (views,) = data.likelihood(turn=turn).parts
        torch.testing.assert_close(views.rotations[0], turn.T)
        assert views.unknown == [1]
        for view in views.points:
            torch.testing.assert_close(view.mean(dim=0), torch.zeros(2), atol=1e-6, rtol=0)
        with one_sentence(ValueError, "rotations must hold at least one that is known"):
            dataclasses.replace(data, coarse=normal(5, 3))  # whose axes the first view does not have


def averages(count=3):
    """Images of a square of 20 by 12 angstrom, each a pixel (2 angstrom) farther to the right."""
    pixels = torch.zeros(count, 24, 24)
    for k in range(count):
        pixels[k, 9:15, 7 + k : 17 + k] = 1.0
    return Images(pixels, 2.0)


def test_views_of_images():
    shifts = torch.tensor([[0.0, 0.0], [-2.0, 0.0], [-4.0, 0.0]])
    rotations = dpskit.random_rotations(3, seed=1)
    data = Observations.of_images(averages(), Poses(rotations, shifts, None), n_points=2000, seed=4)
    torch.testing.assert_close(data.rotations, rotations)
    for k, view in enumerate(data.projections):
        torch.testing.assert_close(view, points_of_image(averages()[k], 2000, 4 + k, shift=shifts[k]))
        torch.testing.assert_close(view.mean(dim=0), torch.tensor([-1.0, -1.0]), atol=0.05, rtol=0)  # of 7..16, 9..14
    for poses in (None, Poses(None, shifts, None)):
        data = Observations.of_images(averages(), poses, n_points=50, n_views=2)
        assert [len(view) for view in data.projections] == [50, 50]
        assert data.likelihood().parts[0].unknown == [1]


def test_images_that_give_no_views(one_sentence):
    images = averages()
    images.pixels[1] = 0
    with one_sentence(ValueError, "image 2 of 3", "threshold"):
        Observations.of_images(images)
    with one_sentence(ValueError, "n_views", 3, 4):
        Observations.of_images(images, n_views=4)
    with one_sentence(ValueError, "poses", 3, 2):
        Observations.of_images(images, Poses(None, torch.zeros(2, 2), None))
    for name, wrong in (("images", (images.pixels,)), ("poses", (images, images))):
        with one_sentence(TypeError, name):
            Observations.of_images(*wrong)


def test_none_in_a_list_of_rotations_is_an_unknown_one(normal, one_sentence):
    views, rotation = [normal(9, 2)] * 3, dpskit.random_rotations(1, seed=2)[0]
    expected = Observations(views, torch.stack([rotation, torch.full((3, 3), torch.nan), rotation])).rotations
    for matrix in (rotation, rotation.numpy(), rotation.tolist()):
        found = Observations(views, [matrix, None, matrix]).rotations
        torch.testing.assert_close(found, expected, equal_nan=True)
    torch.testing.assert_close(Observations(views, [None] * 3).rotations, Observations(views).rotations, equal_nan=True)
    with one_sentence(ValueError, "rotations must hold at least one that is known"):
        Observations(views, [None] * 3, coarse=normal(5, 3))
    with one_sentence(ValueError, "rotations[2]", "(3, 3)", "(3,)"):
        Observations(views, [rotation, None, rotation[0]])
    with one_sentence(TypeError, "rotations[1]", "(3, 3)", "str"):
        Observations(views, [rotation, "unknown", None])


def test_a_subunit_beside_unknown_views_needs_the_centre_of_the_object(one_sentence):
    """Which a view along the axis between both does not show: the subunit would be taken for the middle."""
    points = FRAME.to_physical(dpskit.load_example("ruvab").points)
    rotations = dpskit.random_rotations(3, seed=3)
    views = [project(points, rotation) for rotation in rotations]
    subunit = points[(points @ rotations[0][:, 2]).argsort()[:100]]
    unknown = torch.full((3, 3), torch.nan)
    for stated in ([rotations[0], unknown, unknown], [rotations[0], rotations[0], unknown]):
        with one_sentence(ValueError, "rotations", "different directions", "subunit"):
            Observations(views, stated, subunit=subunit)
    coarse = points.reshape(-1, 16, 3).mean(dim=1)
    Observations(views, [rotations[0], unknown, unknown], coarse=coarse, subunit=subunit)
    data = Observations(views, [rotations[0], rotations[1], unknown], subunit=subunit)
    torch.testing.assert_close(torch.tensor(data.frame().center), points.mean(dim=0), atol=1e-3, rtol=0)


def test_a_coarse_structure_alone_can_be_changed(normal):
    assert not dataclasses.replace(Observations(coarse=normal(5, 3)), means=False).means


def test_bad_observations(one_sentence, normal):
    with one_sentence(ValueError, "projections and rotations", "2 and 1"):
        Observations([normal(5, 2)] * 2, torch.eye(3)[None])
    with one_sentence(ValueError, "shifted must be False", "unknown", "True"):
        Observations([normal(5, 2)] * 2, shifted=True)
    for rotations in (None, torch.full((1, 3, 3), torch.nan)):
        with one_sentence(ValueError, "rotations", "at least one that is known", "find_rotations"):
            Observations([normal(5, 2)], rotations, coarse=normal(5, 3))
    with one_sentence(ValueError, "rotations[0]", "NaN beside numbers"):
        Observations([normal(5, 2)], torch.tensor([1.0, torch.nan, 1.0]).diag()[None])
    with one_sentence(ValueError, "neither"):
        Observations(subunit=normal(5, 3))
    with one_sentence(ValueError, "weights"):
        Observations([normal(5, 2)], torch.eye(3)[None], weights=[1.0, 2.0])
    _, data = simulated(1)
    with one_sentence(ValueError, "order"):
        Observations.of(dpskit.Joint(list(reversed(data.parts))), FRAME)
    with one_sentence(ValueError, "order"):
        Observations.of(dpskit.Joint([data]), FRAME)
    views = data.parts[0]
    rough = dpskit.Projections([*views.points] * 2, views.rotations.expand(2, 3, 3), tolerance=5.0)
    for part in (rough, dpskit.Projections(views.points * 2)):
        with one_sentence(ValueError, "known orientations", "tolerance"):
            Observations.of(part, FRAME)
    with one_sentence(TypeError, "frame", "NoneType"):
        Observations.of(views, None)
    with one_sentence(TypeError, "projections", "NoneType"):
        Observations(None)
    for name in ("means", "shifted"):
        with one_sentence(TypeError, name, "True or False", "'no'"):
            Observations(coarse=normal(5, 3), **{name: "no"})
