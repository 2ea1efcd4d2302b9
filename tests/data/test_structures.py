import gzip
import tracemalloc

import gemmi
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dpskit.data import structures
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


def test_what_was_left_out_is_stated(write):
    read = read_structure(write(made_structure()))
    expected = {"models": 1, "alternate locations": 2, "hydrogens": 4, "water": 2, "ions": 0, "ligands": 2}
    assert read.left_out == expected
    text = str(read)
    assert text == (
        "made, biological assembly 1, 2 chains: 26 atoms of protein; left out: "
        "1 model, 2 alternate locations, 4 hydrogens, 2 waters, 2 atoms of ligands"
    )
    assert "as deposited" in str(read_structure(write(made_structure(assembly=False))))


def test_chains_by_name(write, one_sentence):
    read = read_structure(write(made_structure()))
    torch.testing.assert_close(read.chain_atoms(["A"]), expected_chain())
    torch.testing.assert_close(read.chain_atoms(["A-2", "A"]), read.atoms)
    points = torch.tensor([[0.0, 1.0, 0.5], [-3.0, -3.0, 6.0], [3.0, 3.0, 2.0]])
    torch.testing.assert_close(read.chain_points(points, ["A"]), points[[0, 2]])
    torch.testing.assert_close(read.chain_points(points, ["A-2"]), points[[1]])
    with one_sentence(ValueError, "chains", "hold none"):
        read.chain_points(points[:1], ["A-2"])
    for bad in (["A", "B"], "A", []):
        with one_sentence(ValueError, "chains", "A, A-2", bad):
            read.chain_atoms(bad)


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
        ("x.bcif.gz", gzip.compress(b"x"), "BinaryCIF"),
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


@pytest.mark.parametrize("packed", [False, True])
def test_a_huge_file_costs_bounded_memory(tmp_path, one_sentence, packed, monkeypatch):
    monkeypatch.setattr(structures, "MAX_BYTES", 1 << 22)
    path = tmp_path / ("huge.pdb.gz" if packed else "huge.pdb")
    with (gzip.open if packed else open)(path, "wb") as file:
        for _ in range(40):
            file.write(b"\n" * (1 << 20))
    tracemalloc.start()
    with one_sentence(ValueError, path, "at most 4 MB"):
        read_structure(path)
    assert tracemalloc.get_traced_memory()[1] < 4 * (1 << 22)
    tracemalloc.stop()


def test_many_atoms_in_one_place_are_one(tmp_path):
    path = tmp_path / "one.pdb"
    path.write_text((ONE_ATOM.splitlines()[0] + "\n") * 10_001 + "END\n")
    read = read_structure(path)
    assert len(read.atoms) == 1 and read.left_out["alternate locations"] == 10_000


@pytest.mark.parametrize("suffix", [".cif", ".pdb"])
def test_text_that_is_not_ascii(tmp_path, suffix):
    remark = "# Möbius, 30 Å, ☃\n" if suffix == ".cif" else "REMARK Möbius, 30 Å, ☃\n"
    path = tmp_path / f"made{suffix}"
    path.write_text(remark + text_of(made_structure(), suffix), encoding="utf-8")
    assert len(read_structure(path).atoms) == 2 * HEAVY


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
