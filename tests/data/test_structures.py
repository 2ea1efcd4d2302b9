import gzip
import io
import os
from urllib.error import HTTPError, URLError

import gemmi
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from dpskit.data import structures
from dpskit.data.coarse_grain import coarse_grain
from dpskit.data.structures import read_structure


def residue(name, number, atoms, het="A"):
    """A residue of `atoms` (name, element, altloc), which stand one angstrom apart on a line of their own."""
    result = gemmi.Residue()
    result.name, result.seqid, result.het_flag = name, gemmi.SeqId(number, " "), het
    for index, (atom_name, element, altloc) in enumerate(atoms):
        atom = gemmi.Atom()
        atom.name, atom.element, atom.altloc = atom_name, gemmi.Element(element), altloc
        atom.pos = gemmi.Position(index, number, 0.5)
        result.add_atom(atom)
    return result


ALANINE = [("N", "N", "\0"), ("CA", "C", "\0"), ("C", "C", "\0"), ("O", "O", "\0")]
ONE_ATOM = "ATOM      1  CA  ALA A   1      11.104   6.134  -6.504  1.00  0.00           C\nEND\n"
HEAVY = 3 * len(ALANINE) + 1  # of a chain made below


def made_structure(assembly=True, models=2):
    """Chains A and B: three alanines, one with two places for CB and one with hydrogens, a ligand and water."""
    structure = gemmi.Structure()
    structure.name = "made"
    for number in range(1, models + 1):
        model = gemmi.Model(number)
        for name, shift in [("A", 0.0), ("B", 100.0)]:
            chain = gemmi.Chain(name)
            chain.add_residue(residue("ALA", 1, ALANINE))
            chain.add_residue(residue("ALA", 2, [*ALANINE, ("CB", "C", "A"), ("CB", "C", "B")]))
            chain.add_residue(residue("ALA", 3, [*ALANINE, ("H", "H", "\0"), ("D", "D", "\0")]))
            chain.add_residue(residue("GOL", 4, [("C1", "C", "\0")], het="H"))
            chain.add_residue(residue("HOH", 5, [("O", "O", "\0")], het="H"))
            for part in chain:
                for atom in part:
                    atom.pos = gemmi.Position(atom.pos.x + shift, atom.pos.y, atom.pos.z + 10 * (number - 1))
            model.add_chain(chain)
        structure.add_model(model)
    structure.setup_entities()
    structure.assign_label_seq_id()
    if assembly:
        structure.assemblies.append(two_copies_of_a(structure))
    return structure


def two_copies_of_a(structure):
    """An assembly of chain A and its image under a half turn about z with a shift of 7 along it."""
    half_turn = gemmi.Transform(gemmi.Mat33([[-1, 0, 0], [0, -1, 0], [0, 0, 1]]), gemmi.Vec3(0, 0, 7))
    generator = gemmi.Assembly.Gen()
    generator.chains = ["A"]
    generator.subchains = sorted({part.subchain for part in structure[0]["A"]})
    for name, transform in [("1", gemmi.Transform()), ("2", half_turn)]:
        operator = gemmi.Assembly.Operator()
        operator.name, operator.transform = name, transform
        generator.operators.append(operator)
    assembly = gemmi.Assembly("1")
    assembly.generators.append(generator)
    return assembly


def text_of(structure, suffix):
    if suffix == ".cif":
        return structure.make_mmcif_document().as_string()
    return structure.make_pdb_string()


@pytest.fixture(params=[".cif", ".pdb", ".cif.gz", ".pdb.gz", ".mmcif", ".ent"])
def write(request, tmp_path):
    def write(structure):
        suffix = request.param
        text = text_of(structure, ".cif" if "cif" in suffix else ".pdb").encode()
        path = tmp_path / f"made{suffix}"
        path.write_bytes(gzip.compress(text) if suffix.endswith(".gz") else text)
        return path

    return write


def expected_chain():
    rows = [(x, y, 0.5) for y, count in [(1, 4), (2, 5), (3, 4)] for x in range(count)]
    return torch.tensor(rows)


def test_heavy_polymer_atoms_of_the_first_model_and_conformation(write):
    read = read_structure(write(made_structure()), assembly=False)
    chain = expected_chain()
    torch.testing.assert_close(read.atoms, torch.cat([chain, chain + torch.tensor([100.0, 0, 0])]))
    assert read.atoms.dtype == torch.float32
    assert read.chains.tolist() == ["A"] * HEAVY + ["B"] * HEAVY
    assert (read.name, read.assembly) == ("made", None)


def test_first_assembly(write):
    read = read_structure(write(made_structure()))
    chain = expected_chain()
    torch.testing.assert_close(
        read.atoms, torch.cat([chain, chain * torch.tensor([-1, -1, 1]) + torch.tensor([0, 0, 7])])
    )
    assert read.chains.tolist() == ["A"] * HEAVY + ["A-2"] * HEAVY
    assert read.assembly == "1"


def test_no_assembly_gives_the_deposited_model(write):
    path = write(made_structure(assembly=False))
    torch.testing.assert_close(read_structure(path).atoms, read_structure(path, assembly=False).atoms)
    assert read_structure(path).assembly is None


@pytest.mark.parametrize("suffix", [".cif", ".pdb"])
@pytest.mark.parametrize("keep", [0.3, 0.6, 0.9])
def test_truncated(tmp_path, one_sentence, suffix, keep):
    text = text_of(made_structure(), suffix)
    if suffix == ".pdb":
        text = "HEADER".ljust(80) + "\n" + text
    path = tmp_path / f"cut{suffix}"
    path.write_text(text[: int(len(text) * keep)])
    with one_sentence(ValueError, path):
        read_structure(path)
    path = tmp_path / f"cut{suffix}.gz"
    path.write_bytes(gzip.compress(text.encode())[: int(300 * keep)])
    with one_sentence(ValueError, path, "truncated"):
        read_structure(path)


def test_unreadable_files(tmp_path, one_sentence, monkeypatch):
    def write(name, content):
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    cases = [
        ("empty.pdb", b"", "is empty"),
        ("blank.cif", b" \n", "is empty"),
        ("hydrogen.pdb", ONE_ATOM.replace("C", "H").encode(), "heavy atoms"),
        ("nan.pdb", ONE_ATOM.replace("11.104", "   nan").encode(), "finite"),
        ("text.cif", b"hello", "mmCIF"),
        ("other.cif", b"data_x\n_a.b 1\n", "heavy atoms"),
        ("binary.pdb", bytes(range(256)) * 9, "heavy atoms"),
        ("x.bcif", b"x", "BinaryCIF"),
        ("x.bcif.gz", b"x", "BinaryCIF"),
        ("x.xyz", b"x", ".mmcif"),
        ("x", b"x", ".mmcif"),
    ]
    for name, content, word in cases:
        with one_sentence(ValueError, name, word):
            read_structure(write(name, content))
    with one_sentence(FileNotFoundError, "missing.pdb"):
        read_structure(tmp_path / "missing.pdb")
    with one_sentence(TypeError, "int"):
        read_structure(7)
    monkeypatch.setattr(structures, "MAX_BYTES", 1 << 20)
    with one_sentence(ValueError, "1 MB"):
        read_structure(write("bomb.pdb", gzip.compress(b"\n" * (2 << 20))))


def test_one_atom_and_a_name_that_is_not_ascii(tmp_path):
    path = tmp_path / "été.pdb"
    path.write_text(ONE_ATOM)
    torch.testing.assert_close(read_structure(path).atoms, torch.tensor([[11.104, 6.134, -6.504]]))


@given(
    st.binary(max_size=400),
    st.sampled_from([".cif", ".pdb", ".cif.gz"]),
    st.sampled_from([b"", b"data_a\n", b"\x1f\x8b"]),
)
def test_any_bytes_give_one_sentence(tmp_path_factory, content, suffix, start):
    path = tmp_path_factory.mktemp("bytes") / f"any{suffix}"
    path.write_bytes(start + content)
    with pytest.raises(ValueError, match="any") as caught:
        read_structure(path)
    assert "\n" not in str(caught.value)


def answer(monkeypatch, content):
    """Let every download give `content`, or raise it; returns the list of the addresses asked for."""
    asked = []

    def urlopen(url, timeout):
        asked.append(url)
        if isinstance(content, Exception):
            raise content
        return io.BytesIO(content)

    monkeypatch.setattr(structures, "urlopen", urlopen)
    return asked


def test_download_once(tmp_path, monkeypatch):
    monkeypatch.setenv("DPSKIT_CACHE", str(tmp_path / "cache"))
    asked = answer(monkeypatch, gzip.compress(text_of(made_structure(), ".cif").encode()))
    for _ in range(2):
        read = read_structure("1ABC")
        assert (len(read.atoms), read.name) == (2 * HEAVY, "1abc")
    assert asked == ["https://files.rcsb.org/download/1ABC.cif.gz"]
    assert os.listdir(tmp_path / "cache") == ["1abc.cif.gz"]


@pytest.mark.parametrize(
    ("failure", "error", "word"),
    [
        (URLError("no route"), ConnectionError, "1abc.cif.gz"),
        (TimeoutError("timed out"), ConnectionError, "1abc.cif.gz"),
        (HTTPError("", 503, "", None, None), ConnectionError, "503"),
        (HTTPError("", 404, "", None, None), ValueError, "does not exist"),
    ],
)
def test_failed_download(tmp_path, monkeypatch, one_sentence, failure, error, word):
    monkeypatch.setenv("DPSKIT_CACHE", str(tmp_path / "cache"))
    answer(monkeypatch, failure)
    with one_sentence(error, "https://files.rcsb.org/download/1ABC.cif.gz", word):
        read_structure("1abc")
    assert not (tmp_path / "cache").exists()


def test_coarse_grain(normal):
    atoms = 30 * normal(400, 3) * torch.tensor([1.0, 2.0, 0.5]) + 200
    coarse = coarse_grain(atoms, n_points=40, seed=3)
    assert coarse.points.shape == (40, 3) and coarse.points.dtype == torch.float32
    low, high = coarse.points.amin(dim=0), coarse.points.amax(dim=0)
    torch.testing.assert_close(low, -high)
    assert float(high.max()) == 1.0

    means = coarse.frame.to_physical(coarse.points.double())
    expected = (atoms.double() - atoms.double().mean(dim=0)).square().sum(dim=1).mean().sqrt()
    distance = np.sqrt((cKDTree(means.numpy()).query(atoms.numpy())[0] ** 2).mean())
    assert distance < 0.4 * expected
    assert torch.equal(coarse.points, coarse_grain(atoms, n_points=40, seed=3).points)
    assert not torch.equal(coarse.points, coarse_grain(atoms, n_points=40, seed=4).points)


def test_coarse_grain_finds_separate_clusters(normal):
    centers = torch.cartesian_prod(*[torch.tensor([0.0, 50.0])] * 3)
    atoms = (centers.unsqueeze(1) + 0.5 * normal(8, 50, 3)).reshape(-1, 3)
    coarse = coarse_grain(atoms, n_points=8)
    found = coarse.frame.to_physical(coarse.points)
    clusters = atoms.reshape(8, 50, 3).mean(dim=1)
    nearest = torch.cdist(clusters, found).min(dim=1)
    assert len(nearest.indices.unique()) == 8
    assert float(nearest.values.max()) < 0.01


def test_coarse_grain_moves_with_the_atoms_and_their_unit(normal):
    atoms = normal(200, 3)
    one, other = coarse_grain(atoms, 20), coarse_grain(8 * atoms + 64, 20)
    torch.testing.assert_close(other.points, one.points, atol=1e-3, rtol=0)
    assert other.frame.scale == pytest.approx(8 * one.frame.scale, rel=1e-3)


def test_coarse_grain_of_as_many_atoms_returns_them(normal):
    atoms = normal(30, 3)
    coarse = coarse_grain(atoms, n_points=30)
    found = coarse.frame.to_physical(coarse.points)
    assert float(torch.cdist(atoms, found).amin(dim=1).max()) < 0.02


def test_coarse_grain_uses_a_subset_of_many_atoms(normal, monkeypatch):
    monkeypatch.setattr("dpskit.data.coarse_grain.MAX_ATOMS", 100)
    assert coarse_grain(normal(300, 3), n_points=80).points.shape == (80, 3)


def test_coarse_grain_bad_input(one_sentence, normal):
    with one_sentence(ValueError, "n_points", 5, 10):
        coarse_grain(normal(5, 3), n_points=10)
    with one_sentence(ValueError, "n_points", 2, 10):
        coarse_grain(normal(2, 3).repeat(20, 1), n_points=10)
    with one_sentence(ValueError, "n_points"):
        coarse_grain(normal(5, 3), n_points=0)
    with one_sentence(ValueError, "seed"):
        coarse_grain(normal(5, 3), n_points=3, seed=-1)
    with one_sentence(ValueError, "atoms"):
        coarse_grain(normal(5, 2), n_points=3)
