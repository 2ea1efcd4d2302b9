"""From observations in angstrom to an ensemble in angstrom."""

from dataclasses import dataclass, replace
from functools import partial

import gemmi
import mrcfile
import pytest
import torch

import dpskit
from dpskit.checks import MAX_SEED
from dpskit.cli import main
from dpskit.data.observation_file import read_observations, write_observations
from dpskit.data.structures import read_structure
from dpskit.experiments.known_structure import deviation
from dpskit.experiments.reconstruction import reconstruct, reconstruct_without_prior
from dpskit.likelihoods.joint import as_found
from dpskit.likelihoods.projection import project
from dpskit.pose.templates import Templates, make_templates
from dpskit.priors.store import save_prior
from dpskit.priors.transformer import PointTransformer, TransformerConfig
from dpskit.rotations import angles_between

PRIOR = dpskit.GaussianPrior(0.0, 0.4)
EXACT = "donot_use_mm_for_euclid_dist"
RUVAB = dpskit.load_example("ruvab").structure_path


def test_the_object_is_turned_before_and_back_afterwards(seen):
    _, data, model = seen
    turn = dpskit.random_rotations(1, seed=3)[0]
    plain, turned = data.likelihood(model.frame), data.likelihood(model.frame, turn)
    x = (0.8 * model.points + 0.1)[None]
    torch.testing.assert_close(turned.energies(x @ turn), plain.energies(x), atol=1e-5, rtol=1e-4)
    found = reconstruct_without_prior(data, frame=model.frame, n_samples=2, n_points=64, seed=3, progress=False)
    torch.testing.assert_close(plain.energy(found.samples.points), found.samples.energy, atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(found.coordinates, model.frame.to_physical(found.samples.points))


def test_a_reconstruction_is_near_and_its_files_lie_in_the_atoms_frame(seen, tmp_path):
    structure, data, model = seen
    found = reconstruct(
        PRIOR, data, frame=model.frame, n_samples=2, n_points=64, n_steps=20, alpha=4_000, progress=False
    )
    center = structure.atoms.mean(dim=0)
    assert float((found.coordinates.mean(dim=(0, 1)) - center).norm()) < 6.0
    assert max(deviation(found, model, structure.atoms).to_points) < 25.0
    paths = found.save(tmp_path, resolution=20.0)
    assert [path.name for path in paths] == [
        "samples.npz",
        "samples.cif",
        "samples_mean.mrc",
        "samples_spread.mrc",
        "samples_medoid.cif",
        "samples.cxc",
    ]
    again = dpskit.load_samples(paths[0])
    assert torch.equal(again.points, found.samples.points)
    assert again.settings["frame"]["scale"] == pytest.approx(model.frame.scale)
    models = gemmi.read_structure(str(paths[1]))
    sites = torch.tensor([site.atom.pos.tolist() for site in models[1].all()])
    assert float(torch.cdist(sites, found.coordinates[1], compute_mode=EXACT).amin(dim=1).max()) < 1e-2
    with mrcfile.open(paths[2]) as file:
        index = ((found.coordinates[0] - torch.tensor(file.header.origin.tolist())) / (20 / 3)).round().long()
        inside = torch.tensor(file.data)[index[:, 2], index[:, 1], index[:, 0]]
        assert float(inside.min()) > 0.1 * file.data.max()
    single = reconstruct_without_prior(data, n_samples=1, n_points=64, progress=False).save(tmp_path / "one", name="ml")
    assert [path.name for path in single] == ["ml.npz", "ml.cif", "ml_mean.mrc", "ml_medoid.cif", "ml.cxc"]


@pytest.fixture
def network(tmp_path):
    """A file of a small prior that has learned nothing."""
    torch.manual_seed(0)
    path, size = tmp_path / "prior.safetensors", TransformerConfig(32, 1, 16)
    save_prior(PointTransformer(size).state_dict(), size, {"settings": {}}, path)
    return path


FEW = ["--n-samples", "2", "--n-points", "64", "--n-steps", "10", "--alpha", "4000"]


def test_orientations_that_were_found_are_those_in_the_frame_of_the_observations(seen, network, tmp_path, capsys):
    _, data, _ = seen
    rotations = data.rotations.clone()
    rotations[1] = torch.nan
    data = dpskit.Observations(data.projections, rotations)
    write_observations(data, tmp_path / "seen.toml")
    main(["reconstruct", str(tmp_path / "seen.toml"), "--prior", str(network), "--out", str(tmp_path / "out"), *FEW])
    samples, frame = dpskit.load_samples(tmp_path / "out" / "samples.npz"), data.frame(64)
    torch.testing.assert_close(samples.rotations[:, :1], data.rotations[:1].expand(2, -1, -1, -1))
    energies = as_found(data.likelihood(frame), samples.rotations).energies(samples.points)
    torch.testing.assert_close(energies.mean(dim=1), samples.energy, atol=1e-6, rtol=1e-3)
    out = capsys.readouterr().out
    assert "of orientations" in out and "found" in out
    said = out.split("residuals in angstrom:")[1].split("\n")[0]
    expected = ((2 * energies).sqrt().mean(dim=0) * frame.scale).tolist()
    assert list(map(float, said.split())) == pytest.approx(expected, abs=0.006)
    assert "of orientations w" in (tmp_path / "out" / "samples.html").read_text()


def test_the_command_takes_class_averages(network, tmp_path, capsys):
    points = dpskit.load_example("ruvab").points
    rotations = dpskit.random_rotations(4, seed=2)
    pixels = [dpskit.image_of_points(40 * project(points, rotation), 48, 3.0, 4.0) for rotation in rotations]
    stack, out = tmp_path / "averages.mrc", tmp_path / "out"
    mrcfile.write(stack, torch.stack(pixels).numpy(), voxel_size=3.0)
    counts = ["--views", "3", "--view-points", "60"]
    assert main(["reconstruct", str(stack), "--prior", str(network), "--out", str(out), *FEW, *counts]) == 0
    data = read_observations(out / "observations.toml")
    assert [len(view) for view in data.projections] == [60] * 3
    said = capsys.readouterr().out
    assert "the first 3 of 4 images, 48 pixels of 3 angstrom a side; 60 points of each; orientations not" in said
    assert "orientations are searched for" in said
    assert data.likelihood().parts[0].unknown == [1, 2]
    samples = dpskit.load_samples(out / "samples.npz")
    frame = dpskit.Frame(**samples.settings["frame"])
    for view, rotation in zip(data.projections, samples.rotations[0], strict=True):
        seen = project(frame.to_physical(samples.points[0]), rotation)
        apart = float((seen - seen.mean(dim=0)).std() / (view - view.mean(dim=0)).std())
        assert 0.7 < apart < 1.4  # as large as what was seen, in angstrom
    rows = ["data_particles", "loop_", "_rlnImageName", "_rlnAngleRot", "_rlnAngleTilt", "_rlnAnglePsi"]
    star = tmp_path / "averages.mrc.star"
    star.write_text("\n".join([*rows, "2@averages.mrc 10 20 30", "1@averages.mrc 0 0 0", ""]))
    assert main(["reconstruct", str(star), "--prior", str(network), "--out", str(out), *FEW]) == 0
    data = read_observations(out / "observations.toml")
    torch.testing.assert_close(data.rotations, dpskit.read_poses(star).rotations)
    assert [len(view) for view in data.projections] == [400] * 2
    said = capsys.readouterr().out
    assert "2 images, 48 pixels of 3 angstrom a side; 400 points of each; orientations as stated" in said
    assert "orientations are searched for" not in said
    for option in (["--coarse-points", "9"], ["--chains", "A"]):
        assert main(["reconstruct", str(star), "--out", str(out), *option]) == 2
        assert f"{option[0]} does not go with images" in capsys.readouterr().err
    mrcfile.write(tmp_path / "without.mrcs", torch.stack(pixels).numpy())
    assert main(["reconstruct", str(tmp_path / "without.mrcs"), "--out", str(out), *FEW]) == 2
    assert "pixel_size must be given" in capsys.readouterr().err
    mrcfile.write(tmp_path / "many.mrcs", torch.stack(pixels * 17).numpy(), voxel_size=3.0)
    assert main(["reconstruct", str(tmp_path / "many.mrcs"), "--out", str(out), *FEW]) == 2
    assert "at most 64 images" in capsys.readouterr().err


def test_the_pull_grows_with_the_data_unless_every_point_is_drawn_to_a_coarse_point():
    few = {"n_samples": 1, "n_points": 16, "n_steps": 10, "progress": False}

    def alphas(**data):
        prior, data = dpskit.GaussianPrior(0.0, 0.4), dpskit.Observations(**data)
        runs = [reconstruct(prior, data, alpha=alpha, **few).samples for alpha in (None, 500.0)]
        return tuple(run.settings["guidance"]["alpha"] for run in runs)

    some = [[0.0, 0.0, 0.0], [0.0, 6.0, 9.0]]
    assert alphas(coarse=some, means=False) == (4_000.0, 500.0)
    assert alphas(coarse=some) == (50 * 1024, 500.0)
    assert alphas(projections=[[[0.0, 0.0], [0.0, 9.0]]], rotations=torch.eye(3)[None]) == (50 * 2, 500.0)


def test_the_command_simulates_and_then_goes_on_from_the_file(tmp_path, capsys):
    out = tmp_path / "out"
    few = ["--n-samples", "2", "--n-points", "48", "--n-steps", "6", "--alpha", "1000", "--resolution", "20"]
    simulated = ["--views", "2", "--view-points", "30", "--coarse-points", "8", "--chains", "A", "B", "--ml"]
    assert main(["reconstruct", str(RUVAB), "--out", str(out), *few, *simulated]) == 0
    text = capsys.readouterr().out
    assert text.startswith("7pbl, biological assembly 1, 9 chains") and "samples: RMSD" in text and "ml: RMSD" in text
    assert "the subunit takes" in text
    written = {path.name for path in out.iterdir()}
    assert {"samples.npz", "samples.cif", "samples_spread.mrc", "ml.cif", "observations.toml"} <= written
    assert {"samples.html", "ml.html", "samples.cxc", "samples_medoid.cif"} <= written
    assert text.count("residuals in angstrom:") == 2
    again = tmp_path / "again"
    assert main(["reconstruct", str(out / "observations.toml"), "--out", str(again), *few]) == 0
    assert "RMSD" not in capsys.readouterr().out
    truth = read_structure(RUVAB).atoms.mean(dim=0)
    for folder in (out, again):
        models = gemmi.read_structure(str(folder / "samples.cif"))
        center = torch.tensor([site.atom.pos.tolist() for site in models[0].all()]).mean(dim=0)
        assert float((center - truth).norm()) < 20.0  # a tenth of the size: six steps are crude


def test_the_command_without_a_network(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DPSKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("dpskit.data.cache.URL", "http://127.0.0.1:9/{code}.cif.gz")
    assert main(["reconstruct", "1abc", "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert "http://127.0.0.1:9/1ABC.cif.gz" in error and str(tmp_path / "cache" / "1abc.cif.gz") in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (["--resolution", "0.3"], "resolution must be at least"),
        (["--n-points", "3"], "n_points of a model must be at least the subunit's 4, got 3"),
        (["--out", __file__], "out must be a folder"),
    ],
)
def test_what_cannot_be_is_refused_before_the_sampling(tmp_path, monkeypatch, capsys, seen, option, words):
    def work(*arguments, **settings):
        raise AssertionError("work has begun")

    monkeypatch.setattr("dpskit.experiments.reconstruction.sample", work)
    write_observations(replace(seen[1], subunit=seen[1].subunit[:4]), tmp_path / "seen.toml")
    out = tmp_path / "out"
    assert main(["reconstruct", str(tmp_path / "seen.toml"), "--out", str(out), *option]) == 2
    assert words in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["missing.toml"],
        ["MINE.TOML", "--view-points", "30"],
        ["mine.toml", "--view-points", "30"],
        ["missing.cif"],
        [str(RUVAB), "--chains", "Z"],
        [str(RUVAB), "--views", "0"],
        [str(RUVAB), "--n-steps", "0"],
        [str(RUVAB), "--alpha", "-1"],
        [str(RUVAB), "--seed", "-1"],
        [str(RUVAB), "--resolution", "-1"],
        [str(RUVAB), "--resolution", "0.3"],
        [str(RUVAB), "--prior", "dragons"],
    ],
)
def test_bad_input_of_the_command_leaves_nothing(tmp_path, monkeypatch, capsys, arguments):
    monkeypatch.chdir(tmp_path)
    assert main(["reconstruct", *arguments, "--out", "out", "--n-points", "48"]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("dpskit: ") and error.endswith(".")
    assert list(tmp_path.iterdir()) == []


def test_what_are_no_observations(one_sentence):
    """A likelihood lives in the cube, and has no angstrom."""
    views = dpskit.Projections([[[0.0, 0.0], [1.0, 0.0]]], torch.eye(3)[None])
    for call in (partial(reconstruct, PRIOR, views), partial(reconstruct_without_prior, views)):
        with one_sentence(TypeError, "observations", "Projections"):
            call(n_points=8)
    with one_sentence(TypeError, "observations", "Projections"):
        write_observations(views, "views.toml")


def test_every_seed_of_a_run_is_one_of_the_command(tmp_path, monkeypatch):
    used = []
    monkeypatch.setattr("dpskit.commands.reconstruct._reconstruct", lambda options, *_: used.append(options.seed))
    assert main(["reconstruct", "x.toml", "--out", str(tmp_path / "out"), "--seed", str(MAX_SEED)]) == 0
    assert used == [MAX_SEED]


# --- Objects that stand upright ---------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Upright:
    """A prior of one wedge, which stands upright: points of it, independent."""

    base: dpskit.PointMixturePrior
    templates: Templates
    orientation: str = "upright"

    def denoise(self, x, t):
        return self.base.denoise(x, t)


def wedge(seed):
    """A wall on a plate: mirrored in x, and not otherwise."""
    u = 2 * torch.rand(64, 3, generator=torch.Generator().manual_seed(seed)) - 1
    u[:32] = u[:32] * torch.tensor([0.5, 0.05, 0.6]) + torch.tensor([0.0, -0.6, 0.4])
    u[32:] = u[32:] * torch.tensor([0.8, 0.7, 0.05]) - torch.tensor([0.0, 0.0, 0.4])
    return u


@pytest.fixture(scope="module")
def upright():
    return Upright(dpskit.PointMixturePrior(wedge(1), 0.05), make_templates(torch.stack([wedge(k) for k in range(4)])))


@pytest.mark.parametrize("known", [True, False])
def test_the_pose_is_that_in_the_frame_of_the_observations(upright, known):
    frame, rotation = dpskit.Frame((5.0, -3.0, 2.0), 40.0), dpskit.random_rotations(1, 8)[0]
    settings = {"frame": frame, "n_samples": 2, "n_points": 64, "n_steps": 12, "alpha": 2_000, "progress": False}
    standing = dpskit.Observations.of(dpskit.Projections.observe(wedge(9), 4, 40, seed=2), frame)
    turned = dpskit.Observations.of(dpskit.Projections.observe(wedge(9) @ rotation, 4, 40, seed=2), frame)
    plain = reconstruct(upright, standing, **settings).samples
    torch.testing.assert_close(plain.pose, torch.eye(3).expand(2, 3, 3), atol=1e-5, rtol=0)
    found = reconstruct(upright, turned, pose=rotation if known else "unknown", **settings).samples
    torch.testing.assert_close(turned.likelihood(frame).energy(found.points), found.energy, atol=1e-5, rtol=1e-3)
    assert float(angles_between(found.pose, rotation).max()) < (0.1 if known else 15)
    assert float(found.energy.mean()) < 1.3 * float(plain.energy.mean())


def test_an_upright_prior_needs_a_pose_where_no_orientation_is_known(upright, one_sentence):
    views = dpskit.Observations([10 * y for y in dpskit.Projections.observe(wedge(9), 3, 20).points])
    with one_sentence(ValueError, "pose", '"unknown"', "no orientation of a view is known"):
        reconstruct(upright, views, progress=False)


def test_the_command_finds_a_pose(upright, tmp_path):
    torch.manual_seed(0)
    size = TransformerConfig(32, 1, 16)
    network, card = PointTransformer(size), {"settings": {"orientation": "upright"}}
    prior = tmp_path / "walls.safetensors"
    save_prior(network.state_dict(), size, card, prior, templates=upright.templates)
    frame = dpskit.Frame((0.0, 0.0, 0.0), 40.0)
    write_observations(
        dpskit.Observations.of(dpskit.Projections.observe(wedge(9), 4, 40), frame), tmp_path / "seen.toml"
    )
    few = ["--n-samples", "1", "--n-points", "48", "--n-steps", "2", "--alpha", "1", "--prior", str(prior)]
    for pose in ("unknown", "upright"):
        out = tmp_path / pose
        assert main(["reconstruct", str(tmp_path / "seen.toml"), "--out", str(out), *few, "--pose", pose]) == 0
        samples = dpskit.load_samples(out / "samples.npz")
        assert (samples.settings["pose"] == "unknown") == (pose == "unknown")
        away = float(angles_between(samples.pose[0], torch.eye(3)))
        assert away < 1e-1 if pose == "upright" else 0.1 < away < 30
