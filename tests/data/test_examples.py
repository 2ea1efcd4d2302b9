import gzip
import sys

import gemmi
import numpy as np
import pytest
import torch

from dpskit.data import examples
from dpskit.data.coarse_grain import coarse_grain
from dpskit.data.examples import list_examples, load_example, make_examples
from dpskit.data.structures import read_structure


@pytest.mark.parametrize("name", list_examples())
def test_every_example(name):
    example = load_example(name)
    assert example.name == name
    assert example.points.shape == ((1024, 3) if name in examples.STRUCTURES else (4096, 3))
    assert example.points.dtype == torch.float32
    low, high = example.points.amin(dim=0), example.points.amax(dim=0)
    assert float(high.max()) == 1.0
    torch.testing.assert_close(low, -high, atol=1e-3, rtol=0)
    assert example.licence == "CC0 1.0" and example.description and example.source
    assert len(example.points.unique(dim=0)) > 0.99 * len(example.points)


def test_names():
    names = list_examples()
    assert len(names) == len(set(names)) == 15
    assert {"ruvab", "ribosome", "chair", "table"} <= set(names)


def test_unknown_name(one_sentence):
    with one_sentence(ValueError, "name", "sofa", *list_examples()):
        load_example("sofa")


def test_ruvab_is_its_structure_file():
    example = load_example("ruvab")
    structure = read_structure(example.structure_path)
    assert torch.equal(example.atoms, structure.atoms)
    assert (len(structure.atoms), structure.name, structure.assembly) == (15_702, "7pbl", "1")
    assert "".join(sorted(set(structure.chains.tolist()))) == "ABCDEFGUV"
    assert torch.equal(structure.atoms, read_structure(example.structure_path, assembly=False).atoms)


def test_ruvab_points_lie_in_the_atoms_frame():
    example = load_example("ruvab")
    assert example.frame.unit == "angstrom"
    distances = torch.cdist(example.frame.to_physical(example.points), example.atoms)
    assert float(distances.amin(dim=0).square().mean().sqrt()) == pytest.approx(3.01, abs=0.01)
    assert float(distances.amin(dim=1).max()) < 3.0


def test_the_ribosome_is_a_trace_of_its_residues():
    example = load_example("ribosome")
    structure = read_structure(example.structure_path)
    torch.testing.assert_close(structure.atoms, example.atoms)
    assert (len(structure.atoms), structure.name, len(set(structure.chains.tolist()))) == (14_218, "6zu5", 74)
    model = gemmi.read_structure(str(example.structure_path))
    residues = [residue for chain in model[0] for residue in chain]
    assert len(residues) == 14_218 and {residue[0].name for residue in residues} == {"CA", "P"}
    distances = torch.cdist(example.frame.to_physical(example.points), example.atoms)
    # 7.33 angstrom from all heavy atoms; the trace lies a little aside
    assert float(distances.amin(dim=0).square().mean().sqrt()) == pytest.approx(7.57, abs=0.01)


def test_ruvab_structure_can_be_shown_as_a_cartoon():
    structure = gemmi.read_structure(str(load_example("ruvab").structure_path))
    kinds = {entity.polymer_type for entity in structure.entities if entity.entity_type == gemmi.EntityType.Polymer}
    assert kinds == {gemmi.PolymerType.PeptideL, gemmi.PolymerType.Dna}
    assert len(structure.helices) > 100 and len(structure.sheets) > 10
    assert all(part.label_seq is not None for chain in structure[0] for part in chain)


def test_shipped_files_are_small():
    sizes = {path.name: path.stat().st_size for path in examples.FOLDER.iterdir()}
    assert set(sizes) == {"7pbl.cif.gz", "ruvab.npz", "6zu5.cif.gz", "ribosome.npz", "furniture.npz"}
    assert sum(sizes.values()) < 1_100_000


def test_examples_load_without_gemmi_and_scikit_learn(monkeypatch):
    for module in ["gemmi", "sklearn"]:
        monkeypatch.setitem(sys.modules, module, None)
    assert load_example("ruvab").atoms.shape == (15_702, 3)
    assert load_example("chair").atoms is None


def test_examples_are_made_again(tmp_path, monkeypatch):
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    points = {origin: load_example(name).points.numpy() for name, (origin, _) in examples.FURNITURE.items()}
    np.savez(source / "furniture_cc0.npz", name=np.array(list(points)), points=np.stack(list(points.values())))
    for code, file in [("7pbl", "pdb7pbl.pdb"), ("6zu5", "6zu5.cif.gz")]:
        text = gzip.decompress((examples.FOLDER / f"{code}.cif.gz").read_bytes()).decode()
        structure = gemmi.make_structure_from_block(gemmi.cif.read_string(text)[0])
        while len(structure[0]) > 1:
            del structure[0][-1]
        if file.endswith(".pdb"):
            structure.write_pdb(str(source / file))
        else:
            (source / file).write_bytes(gzip.compress(structure.make_mmcif_document().as_string().encode()))
    monkeypatch.setattr(
        "dpskit.data.coarse_grain.coarse_grain", lambda atoms, cache: coarse_grain(atoms, n_points=30, cache=cache)
    )
    make_examples(source, target)

    shipped = {name: load_example(name) for name in ["ruvab", "ribosome", "chair"]}
    monkeypatch.setattr(examples, "FOLDER", target)
    assert torch.equal(load_example("chair").points, shipped["chair"].points)
    for name in examples.STRUCTURES:
        made = load_example(name)
        assert made.points.shape == (30, 3)
        torch.testing.assert_close(made.atoms, shipped[name].atoms[: len(made.atoms)], atol=2e-3, rtol=0)
        first_chain = read_structure(shipped[name].structure_path).chains
        assert len(made.atoms) == int((first_chain == first_chain[0]).sum())
