import json
import math
from contextlib import contextmanager
from types import SimpleNamespace

import gemmi
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dpskit.cloud import Frame
from dpskit.evaluation.spread import medoid, point_spread
from dpskit.export import structure as export
from dpskit.export.structure import export_structure
from dpskit.files import replacing
from dpskit.sampling.samples import Samples

FRAME = Frame((196.8, 194.8, -190.0), 60.2)


def read(path):
    """Coordinates (s, n, 3) and B factors (s, n) of a file."""
    structure = gemmi.read_structure(str(path))
    sites = [list(model.all()) for model in structure]
    coordinates = torch.tensor([[site.atom.pos.tolist() for site in model] for model in sites], dtype=torch.float64)
    return coordinates, torch.tensor([[site.atom.b_iso for site in model] for model in sites])


@pytest.mark.parametrize("suffix", [".cif", ".pdb"])
def test_round_trip(tmp_path, normal, suffix):
    points, spread = normal(5, 1024, 3).clamp(-2, 2), normal(1024, seed=1).abs()
    path = tmp_path / f"models{suffix}"
    export_structure(points, path, frame=FRAME, spread=spread)
    coordinates, b_factors = read(path)
    torch.testing.assert_close(coordinates, FRAME.to_physical(points.double()), atol=1e-3, rtol=0)
    expected = 8 * math.pi**2 / 3 * (60.2 * spread).square()
    if suffix == ".pdb":
        expected = expected.clamp(max=999.99)
    torch.testing.assert_close(b_factors, expected.expand(5, -1), atol=6e-3, rtol=1e-5)
    assert list(tmp_path.iterdir()) == [path]


@given(st.integers(0, 1000), st.integers(1, 3), st.integers(1, 7), st.sampled_from([".cif", ".pdb"]))
def test_round_trip_of_any_samples(tmp_path_factory, seed, count, n, suffix):
    points = torch.randn(count, n, 3, generator=torch.Generator().manual_seed(seed))
    path = tmp_path_factory.mktemp("any") / f"models{suffix}"
    export_structure(SimpleNamespace(points=points), path, frame=FRAME)
    ordered, spread = point_spread(points)
    coordinates, b_factors = read(path)
    torch.testing.assert_close(coordinates, FRAME.to_physical(ordered.double()), atol=1e-3, rtol=0)
    expected = 8 * math.pi**2 / 3 * (60.2 * spread).square()
    if suffix == ".pdb":
        expected = expected.clamp(max=999.99)
    torch.testing.assert_close(b_factors, expected.expand(count, -1), atol=6e-3, rtol=1e-5)


@pytest.mark.parametrize("suffix", [".cif", ".pdb"])
def test_points_are_unknown_atoms(tmp_path, normal, suffix):
    path = tmp_path / f"models{suffix}"
    export_structure(normal(2, 30, 3), path, frame=FRAME)
    structure = gemmi.read_structure(str(path))
    assert [model.num for model in structure] == [1, 2]
    residues = [residue for chain in structure[1] for residue in chain]
    assert [residue.seqid.num for residue in residues] == list(range(1, 31))
    assert {(residue.name, residue[0].name, residue[0].element.name) for residue in residues} == {("UNX", "UNK", "X")}
    assert all(residue.het_flag == "H" and len(residue) == 1 for residue in residues)
    assert len(structure.connections) == 0


def test_b_factor_of_an_isotropic_displacement(normal):
    """Coordinates with a standard deviation of 0.5 angstrom each have B = 8 pi^2 0.25."""
    points = torch.cartesian_prod(*[20 * torch.arange(3.0)] * 3) + 0.5 * normal(4000, 27, 3)
    _, spread = points[0], (points - points.mean(dim=0)).square().sum(dim=-1).mean(dim=0).sqrt()
    assert float(export.b_factor(spread.numpy()).mean()) == pytest.approx(8 * math.pi**2 * 0.25, rel=0.01)


def test_where_the_samples_come_from(tmp_path, normal):
    settings = {"prior": {"type": "Prior", "name": 'it\'s "mine"'}, "schedule": [1.0, 0.5, 0.0], "guidance": None}
    samples = Samples(normal(2, 5, 3), None, settings, 7, "1.2.3")
    path = tmp_path / "models.cif"
    export_structure(samples, path, frame=FRAME)
    block = gemmi.cif.read(str(path)).sole_block()
    found = {name: gemmi.cif.as_string(block.find_value(name)) for name in ("_dpskit.prior", "_dpskit.schedule")}
    assert json.loads(found["_dpskit.prior"]) == settings["prior"]
    assert json.loads(found["_dpskit.schedule"]) == settings["schedule"]
    assert block.find_value("_dpskit.guidance") is None and block.find_value("_dpskit.seed") == "7"
    assert gemmi.cif.as_string(block.find_value("_software.version")) == "1.2.3"


def test_the_medoid_alone(tmp_path, normal):
    points = normal(1, 20, 3) + torch.tensor([0.0, 0.3, 0.1, 0.5])[:, None, None]
    export_structure(points, tmp_path / "all.cif", frame=FRAME)
    export_structure(points, tmp_path / "one.cif", frame=FRAME, models="medoid")
    (every, b_all), (one, b_one) = read(tmp_path / "all.cif"), read(tmp_path / "one.cif")
    assert one.shape == (1, 20, 3) and torch.equal(one[0], every[medoid(points)])
    assert torch.equal(b_one[0], b_all[0]) and bool((b_one > 1).all())


def test_long_chains_are_cut_in_pdb_only(tmp_path):
    points = torch.rand(1, 20_001, 3)
    for suffix, chains in [(".pdb", ["A", "B", "C"]), (".cif", ["A"])]:
        path = tmp_path / f"long{suffix}"
        export_structure(points, path, frame=FRAME, spread=torch.zeros(20_001))
        assert [chain.name for chain in gemmi.read_structure(str(path))[0]] == chains
        torch.testing.assert_close(read(path)[0], FRAME.to_physical(points.double()), atol=1e-3, rtol=0)


def test_what_a_pdb_file_cannot_hold(tmp_path, one_sentence):
    path = tmp_path / "models.pdb"
    with one_sentence(ValueError, "99,999", "100,000", ".cif"):
        export_structure(torch.zeros(1, 100_000, 3), path, frame=FRAME, spread=torch.zeros(100_000))
    with one_sentence(ValueError, "9999", ".cif"):
        export_structure(torch.ones(1, 2, 3), path, frame=Frame((0, 0, 0), 1e5), spread=torch.zeros(2))
    assert not list(tmp_path.iterdir())
    export_structure(torch.ones(1, 2, 3), tmp_path / "models.cif", frame=Frame((0, 0, 0), 1e5), spread=torch.zeros(2))


def test_bad_input_leaves_nothing(tmp_path, one_sentence, normal, monkeypatch):
    points, path = normal(2, 4, 3), tmp_path / "models.cif"
    cases = [
        ((points, tmp_path / "models.xyz", FRAME, None), "path"),
        ((points[0], path, FRAME, None), "samples"),
        ((points * math.nan, path, FRAME, None), "samples"),
        ((points, path, FRAME, torch.zeros(5)), "spread"),
        ((points, path, FRAME, -torch.ones(4)), "spread"),
        ((points, path, FRAME, torch.full((4,), math.nan)), "spread"),
    ]
    for (samples, target, frame, spread), word in cases:
        with one_sentence(ValueError, word):
            export_structure(samples, target, frame=frame, spread=spread)
    with one_sentence(TypeError, "frame"):
        export_structure(points, path, frame=None)

    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(export, "replacing", lambda p: replacing_then(fail, p))
    with pytest.raises(KeyboardInterrupt):
        export_structure(points, path, frame=FRAME)
    assert not list(tmp_path.iterdir())


def replacing_then(fail, path):
    """`replacing`, interrupted after the temporary file is written."""

    @contextmanager
    def interrupted():
        with replacing(path) as part:
            yield part
            assert part.exists()
            fail()

    return interrupted()


def test_spread_of_shuffled_copies_is_that_of_the_noise(normal):
    points = torch.cartesian_prod(*[torch.arange(4.0)] * 3)
    noisy = points + 0.05 * normal(20, 64, 3)
    shuffled = torch.stack(
        [x[torch.randperm(64, generator=torch.Generator().manual_seed(i))] for i, x in enumerate(noisy)]
    )
    ordered, spread = point_spread(shuffled)
    assert bool((ordered.round() == ordered[0].round()).all())
    for before, after in zip(shuffled, ordered, strict=True):
        assert torch.equal(before.unique(dim=0), after.unique(dim=0))
    order = torch.cdist(points, ordered[0]).argmin(dim=1)
    expected = (noisy - noisy.mean(dim=0)).square().sum(dim=-1).mean(dim=0).sqrt()
    torch.testing.assert_close(spread[order], expected)


def test_spread_of_one_sample_is_zero(normal):
    points = normal(1, 8, 3)
    ordered, spread = point_spread(points)
    assert torch.equal(ordered, points) and bool((spread == 0).all())


def test_medoid_is_the_sample_in_the_middle():
    points = torch.tensor([[0.0], [5.0], [1.0], [9.0]]).reshape(4, 1, 1).expand(4, 3, 3) + torch.eye(3)
    # sums of squared differences: 107, 57, 81, 161
    assert medoid(points) == 1
    crowd = torch.tensor([0.0] * 6 + [4.0, 10.0]).reshape(8, 1, 1).expand(8, 3, 3) + torch.eye(3)
    assert medoid(crowd) == 0  # the mean distance decides: the largest would choose the sample at 4
