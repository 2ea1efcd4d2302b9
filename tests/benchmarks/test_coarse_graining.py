import pytest

from dpskit.benchmarks.coarse_graining import CoarseGraining, coarse_graining_benchmark, coarse_graining_table
from dpskit.cli import main
from dpskit.data.coarse_grain import coarse_grain
from dpskit.data.examples import load_example
from dpskit.evaluation.alignment import rmsd_to_atoms


def test_a_structure_in_numbers(capsys):
    example = load_example("ruvab")
    (row,) = coarse_graining_benchmark([example.structure_path], n_points=50)
    assert (row.name, row.atoms, row.chains, row.assembly) == ("7pbl", 15_702, 9, "1")
    model = coarse_grain(example.atoms, 50)
    expected = float(rmsd_to_atoms(model.frame.to_physical(model.points), example.atoms))
    assert row.rmsd == pytest.approx(expected, rel=1e-2) and row.seconds > 0
    assert main(["benchmark", "coarse-graining", str(example.structure_path), "--n-points", "50"]) == 0
    assert "| 7pbl | 15,702 | 9 | 1 |" in capsys.readouterr().out


def test_the_table():
    rows = [CoarseGraining("1abc", 1200, 2, None, 1.26, 2.345), CoarseGraining("2abc", 800, 1, "1", 0.5, 1.0)]
    lines = coarse_graining_table(rows).splitlines()
    assert lines[2:4] == ["| 1abc | 1,200 | 2 | – | 1.3 | 2.35 |", "| 2abc | 800 | 1 | 1 | 0.5 | 1.00 |"]
    assert lines[-1] == "2,000 atoms in all, 1.8 s."


def test_a_missing_file_is_told_before_work_starts(one_sentence, tmp_path):
    with one_sentence(FileNotFoundError, "source", "none.cif"):
        coarse_graining_benchmark([load_example("ruvab").structure_path, tmp_path / "none.cif"])
