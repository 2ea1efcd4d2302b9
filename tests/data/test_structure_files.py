"""Files as programs write them, beside those of the archive: what each gives, by kind of trouble."""

import gzip
import itertools

import made_structures as made
import numpy as np
import pytest
import torch
from made_structures import PEPTIDE, assembly, loop, mmcif, pdb, peptide, waters

from dpskit.data.atomic import assemblies
from dpskit.data.atomic.assemblies import operator_names

# ---- assemblies


@pytest.mark.parametrize(
    ("expression", "shifts"),
    [
        ("1,2", [0, 50]),
        ("1-4", [0, 50, 100, 150]),
        ("(1-2)(3,4)", [100, 150, 150, 200]),
        (" ( 1 - 2 ) ( 3 , 4 ) ", [100, 150, 150, 200]),
        ("(2)(2)(2)", [150]),
        ("(2-3)(2-3)(2,4)", [150, 250, 200, 300, 200, 300, 250, 350]),
        ("1,(2-3)(4)", [0, 200, 250]),
        ("(1)", [0]),
        ("2(3,4)", [150, 200]),
        ("1,1", [0]),
        ("1,1,2,2", [0, 50]),
        ("1,", [0]),
    ],
)
def test_operator_expressions(read, expression, shifts):
    found = read(mmcif(peptide(), extra=assembly(expression)))
    first = found.atoms[::PEPTIDE, 0].round()
    assert sorted(first.tolist()) == sorted(shifts) and len(found.atoms) == PEPTIDE * len(shifts)
    assert len(set(found.chains.tolist())) == len(shifts) and found.assembly == "1"


def test_operators_with_names(read):
    names = ("P", "X0", "X1", "a-b")
    assert len(read(mmcif(peptide(), extra=assembly("(X0)(P,X1)", operators=names))).atoms) == 2 * PEPTIDE
    assert len(read(mmcif(peptide(), extra=assembly("X0-X1,a-b", operators=names))).atoms) == 3 * PEPTIDE


def test_products_are_applied_from_the_last_to_the_first(read):
    """A quarter turn about z after a shift along x moves along y; the other way round along x."""
    turn = f"T ? {made.turned(np.pi / 2)} 0 0 0"
    extra = assembly("(T)(2)").replace("1 ? 1 0 0", turn + "\n1 ? 1 0 0", 1)
    rows = read(mmcif(peptide(), extra=extra)).atoms
    assert rows[0].tolist() == pytest.approx([0, 50, 0], abs=1e-4)
    rows = read(mmcif(peptide(), extra=extra.replace("(T)(2)", "(2)(T)"))).atoms
    assert rows[0].tolist() == pytest.approx([50, 0, 0], abs=1e-4)


def test_identities_under_two_names_make_one_copy(read):
    extra = assembly("1,2,3", operators=("1", "2", "3")).replace("0 0 0 1 50 0 0", "0 0 0 1 0 0 0")
    assert len(read(mmcif(peptide(), extra=extra)).atoms) == 2 * PEPTIDE
    twice = assembly("1").replace("1 '1' 'A'\n", "1 '1' 'A'\n1 '1' 'A'\n1 '1,2' 'A'\n")
    assert len(read(mmcif(peptide(), extra=twice)).atoms) == 2 * PEPTIDE


@pytest.mark.parametrize("expression", ["1,7", "(1-2)(3-7)", "1-7", "7", "(1)(X)"])
def test_operators_that_are_missing_are_named(read, one_sentence, expression):
    text = mmcif(peptide(), extra=assembly(expression))
    with one_sentence(
        ValueError, "made.cif", "operator", "5" if "-7" in expression else "X" if "X" in expression else 7
    ):
        read(text)
    assert len(read(text, assembly=False).atoms) == PEPTIDE


@pytest.mark.parametrize("expression", ["(1", "1)", "((1)(2))", "(1)(2"])
def test_expressions_that_are_none(read, one_sentence, expression):
    with one_sentence(ValueError, "made.cif", expression):
        read(mmcif(peptide(), extra=assembly(expression)))


def test_an_operator_without_numbers_is_missing(read, one_sentence):
    extra = assembly("1,2").replace("1 50 0 0", "1 ? 0 0")
    with one_sentence(ValueError, "operator 2"):
        read(mmcif(peptide(), extra=extra))
    with one_sentence(ValueError, "operator 1"):
        read(mmcif(peptide(), extra="#\n".join(assembly("1").split("#\n")[:2]) + "#\n"))


def test_huge_expressions_end_soon(read, one_sentence, monkeypatch):
    with one_sentence(ValueError, "operator 5"):
        read(mmcif(peptide(), extra=assembly("1-1000000000000")))
    with one_sentence(ValueError, "100,000 copies"):
        read(mmcif(peptide(), extra=assembly("(1-4)" * 12)))
    monkeypatch.setattr(assemblies, "MAX_ATOMS", 2 * PEPTIDE)
    with one_sentence(ValueError, "at most 26 atoms", "assembly=False"):
        read(mmcif(peptide(), extra=assembly("1-4")))


def test_operator_names_expand_by_hand():
    known = {str(k) for k in range(1, 7)} | {"P"}
    assert list(operator_names("P,(1-2)(4,6)", known)) == [("P",), ("1", "4"), ("1", "6"), ("2", "4"), ("2", "6")]


@pytest.mark.parametrize("chains", ["A,B", "A, B", " A ,B ", "A B", "B,A,Z"])
def test_lists_of_chains(read, chains):
    found = read(mmcif(peptide(), chains="ABC", extra=assembly("1", chains=chains)))
    assert len(found.atoms) == 2 * PEPTIDE and set(found.chains.tolist()) == {"A", "B"}


def test_an_assembly_described_by_its_id_alone(read):
    assert len(read(mmcif(peptide(), extra=assembly("1,2", ids_alone=True))).atoms) == 2 * PEPTIDE
    extra = assembly("1,2").partition("#\n")[2]  # no pdbx_struct_assembly at all
    assert len(read(mmcif(peptide(), extra=extra)).atoms) == 2 * PEPTIDE


def test_one_assembly_as_pairs(read):
    pairs = "_pdbx_struct_assembly_gen.assembly_id 1\n_pdbx_struct_assembly_gen.oper_expression 1,2\n"
    pairs += "_pdbx_struct_assembly_gen.asym_id_list A\n"
    extra = pairs + assembly("1").split("#\n", 2)[2]
    assert len(read(mmcif(peptide(), extra=extra)).atoms) == 2 * PEPTIDE


REMARK = "REMARK 350 {}\n"


def biomolecule(*chains, rows=3, name=1):
    text = REMARK.format(f"BIOMOLECULE: {name}") + REMARK.format(f"APPLY THE FOLLOWING TO CHAINS: {chains[0]}")
    text += "".join(REMARK.format(f"                   AND CHAINS: {more}") for more in chains[1:])
    for k, shift in enumerate((0, 50), start=1):
        for i in range(1, rows + 1):
            numbers = [float(i == j) for j in (1, 2, 3)] + [float(shift * (i == 1))]
            text += REMARK.format(f"  BIOMT{i} {k:3d}" + "".join(f"{number:10.6f}" for number in numbers))
    return text


def test_assemblies_of_pdb_files(read, one_sentence):
    two = pdb(peptide(), "A") + "TER\n" + pdb(peptide(), "B") + "TER\nEND\n"
    assert len(read(biomolecule("A") + two, "a.pdb").atoms) == 2 * PEPTIDE
    found = read(biomolecule("A,", "B") + biomolecule("B", name=2) + two, "a.pdb")
    assert len(found.atoms) == 4 * PEPTIDE and sorted(set(found.chains.tolist())) == ["A", "A-2", "B", "B-2"]
    with one_sentence(ValueError, "a.pdb", "REMARK 350", "three rows"):
        read(biomolecule("A", rows=2) + two, "a.pdb")


# ---- data blocks and columns


def test_atoms_in_a_later_block(read):
    parts = "data_comp_list\n" + loop("chem_comp", ("id", "name"), "ALA alanine")
    assert len(read(parts + mmcif(peptide())).atoms) == PEPTIDE
    assert len(read(mmcif(peptide()) + parts).atoms) == PEPTIDE


def test_two_blocks_are_read_together(read):
    found = read(mmcif(peptide()) + mmcif(peptide(shift=70), name="y"))
    assert len(found.atoms) == 2 * PEPTIDE and float(found.atoms[PEPTIDE, 0]) == 70
    with_assembly = mmcif(peptide(), extra=assembly("1,2")) + mmcif(peptide(shift=70), name="y")
    assert len(read(with_assembly).atoms) == 3 * PEPTIDE


OPTIONAL = ("label_alt_id", "type_symbol", "label_asym_id", "id", "group_PDB", "label_entity_id", "label_seq_id",
            "auth_seq_id", "auth_asym_id", "pdbx_PDB_model_num", "label_atom_id")  # fmt: skip


@pytest.mark.parametrize("column", OPTIONAL)
def test_columns_that_can_be_missing(read, column):
    rows = [*peptide(), *waters(2)] if column != "label_atom_id" else peptide()
    found = read(mmcif(rows, chains="AB", drop=(column,)))
    assert len(found.atoms) == 2 * PEPTIDE and set(found.chains.tolist()) == {"A", "B"}


@pytest.mark.parametrize("column", ["label_comp_id", "Cartn_x", "Cartn_z"])
def test_columns_that_cannot_are_named(read, one_sentence, column):
    with one_sentence(ValueError, "made.cif", f"_atom_site.{column}"):
        read(mmcif(peptide(), drop=(column,)))


def test_alternate_locations_without_their_column(read):
    rows = peptide()
    rows.insert(3, (*rows[2][:3], rows[2][3] + 0.4, *rows[2][4:]))
    assert len(read(mmcif(rows, drop=("label_alt_id",))).atoms) == PEPTIDE


HYDROGENS = ("H", "HA", "HG11", "HD11", "HE21", "HH11", "HZ1", "1HB", "2HG1", "D", "DA", "HG", "HE", "HO5'", "H1")


def with_hydrogens(rows=None):
    return [new for row in rows or peptide() for new in (row, *((h, *row[1:6], "H") for h in HYDROGENS[: 3 + row[2]]))]


@pytest.mark.parametrize("symbol", ["?", ".", "X", "Hg"])
def test_hydrogens_by_their_names(read, symbol):
    rows = [(h, "SER", 3, k, 1.0, 1.0, "?") for k, h in enumerate(HYDROGENS)]
    heavy = [(*row[:6], "?") for row in peptide()]
    text = mmcif([*heavy, *rows], change={"type_symbol": symbol} if symbol != "Hg" else None)
    if symbol == "Hg":  # an element that was guessed from the name
        text = text.replace("? HG . SER", "Hg HG . SER")
    assert len(read(text).atoms) == PEPTIDE
    text = mmcif([*heavy, *rows], drop=("type_symbol",))
    assert len(read(text).atoms) == PEPTIDE


@pytest.mark.parametrize("align", ["left", "right", "digit"])
def test_hydrogens_of_pdb_files_without_elements(read, align):
    rows = [*peptide(), *((h, "SER", 3, k, 1.0, 1.0, "H") for k, h in enumerate(HYDROGENS))]
    lines = pdb(rows, element=False).splitlines(keepends=True)
    if align == "left":
        lines = [line[:12] + line[12:16].strip().ljust(4) + line[16:] for line in lines]
    if align == "right":
        lines = [line[:12] + line[12:16].strip().rjust(4) + line[16:] for line in lines]
    found = read("".join(lines) + "END\n", "a.pdb")
    assert (len(found.atoms), found.left_out["hydrogens"]) == (PEPTIDE, len(HYDROGENS))


# ---- what is polymer


def test_water_of_molecular_dynamics(read):
    rows = [*peptide(), *waters(5), *waters(4, "TIP3", "OH2", ("H1", "H2"), 90), *waters(3, "HOH", "O", (), 97)]
    for end in ("TER\nEND\n", "TER\nENDMDL\n", "END\n", ""):
        found = read(pdb(rows, chain="") + end, "a.pdb")
        assert (len(found.atoms), found.left_out["water"]) == (PEPTIDE, 12)
        assert str(found).endswith(": 13 atoms of protein; left out: 18 hydrogens, 12 waters")
    found = read(mmcif(rows))
    assert (len(found.atoms), found.left_out["water"]) == (PEPTIDE, 12)


LIGANDS = [
    *[(name, "POPC", 200, 30 + k, 9.0, 9.0, name[0]) for k, name in enumerate(("N", "C12", "C13", "P", "O11", "C1"))],
    *[(name, "LIG", 201, 50 + k, 9.0, 9.0, name[0]) for k, name in enumerate(("C1", "C2", "N1", "O"))],
    *[(name, "UNK", 202, 60 + k, 9.0, 9.0, name[0]) for k, name in enumerate(("C1", "C2", "O1"))],
    *[(n, "ATP", 203, 70 + k, 9.0, 9.0, n[0]) for k, n in enumerate(("PA", "O5'", "C5'", "C4'", "C3'", "C2'", "C1'"))],
]
IONS = [
    ("NA", "NA", 300, 5.0, 20.0, 1.0, "NA"),
    ("CL", "CL-", 301, 9.0, 20.0, 1.0, "CL"),
    ("SOD", "SOD", 302, 1.0, 20.0, 1.0, "NA"),
]


@pytest.mark.parametrize("record", ["ATOM", "HETATM"])
@pytest.mark.parametrize("ter", ["", "TER\n"])
@pytest.mark.parametrize("chain", ["A", "L"])
def test_lipids_ligands_and_ions(read, record, ter, chain):
    text = pdb(peptide()) + ter + pdb(LIGANDS, chain, record) + pdb(IONS, chain, record) + "END\n"
    found = read(text, "a.pdb")
    assert len(found.atoms) == PEPTIDE
    assert (found.left_out["ligands"], found.left_out["ions"]) == (len(LIGANDS), len(IONS))
    text = mmcif([*peptide(), *LIGANDS, *IONS], change={"group_PDB": record} if record == "ATOM" else None)
    assert len(read(text).atoms) == PEPTIDE


@pytest.mark.parametrize("record", ["ATOM", "HETATM"])
def test_a_free_amino_acid_is_a_ligand(read, record):
    """In a chain of its own, unless there is nothing else."""
    free = peptide(shift=50, start=500, residues=("GLY",))
    assert len(read(pdb(peptide()) + "TER\n" + pdb(free, "L", record) + "END\n", "a.pdb").atoms) == PEPTIDE
    assert len(read(pdb(free, "L") + "END\n", "a.pdb").atoms) == 4


@pytest.mark.parametrize("name", ["MSE", "HSD", "CYX", "XYZ"])
@pytest.mark.parametrize("record", ["ATOM", "HETATM"])
def test_modified_residues_in_a_chain(read, name, record):
    rows = peptide(residues=("ALA", name, "SER"))
    text = pdb(rows[:5]) + pdb(rows[5:9], record=record) + pdb(rows[9:])
    for end in ("TER\nEND\n", "END\n"):
        assert len(read(text + end, "a.pdb").atoms) == PEPTIDE
    assert len(read(mmcif(rows)).atoms) == PEPTIDE


def test_groups_that_end_a_chain(read):
    """ACE before the first residue is bonded to its N; the same group far away is none of the chain's."""
    cap = [
        (name, "ACE", 0, x, y, 0.0, name[0]) for name, x, y in (("CH3", -2.3, 1.0), ("C", -1.3, 0.0), ("O", -1.5, -1.2))
    ]
    away = [(*row[:3], row[3] - 30, *row[4:]) for row in cap]
    assert len(read(pdb([*cap, *peptide()]) + "END\n", "a.pdb").atoms) == PEPTIDE + 3
    assert len(read(pdb([*away, *peptide()]) + "END\n", "a.pdb").atoms) == PEPTIDE


def test_nucleotides_under_the_names_of_force_fields(read):
    """ADE and DA5 have sugars, and O3' bonded to the next P."""
    rows = []
    for k, name in enumerate(("DA5", "ADE", "RU3")):
        x = 6.5 * k
        atoms = [("P", 0.0, 0), ("O5'", 1.0, 1), ("C5'", 2.0, 0), ("C4'", 3.0, 1), ("C3'", 4.0, 0), ("O3'", 5.0, 0.5)]
        rows += [(atom, name, k + 1, x + dx, y, 0.0, atom[0]) for atom, dx, y in atoms]
    found = read(pdb(rows) + "END\n", "a.pdb")
    assert len(found.atoms) == 18 and str(found).endswith("18 atoms of nucleic acid")
    found = read(pdb([*peptide(shift=40), *rows]) + "END\n", "a.pdb")
    assert str(found).endswith("13 atoms of protein and 18 of nucleic acid")


@pytest.mark.parametrize("entity", ["polymer", "non-polymer"])
def test_entities_and_names_together(read, entity):
    """Water in a polymer's entity is water; a peptide among no polymers is read by its names."""
    rows = [*peptide(), *waters(4)]
    assert len(read(mmcif(rows, extra=loop("entity", ("id", "type"), f"1 {entity}"))).atoms) == PEPTIDE


def test_an_entity_that_is_no_polymer(read):
    text = mmcif(
        [*peptide(), *peptide(shift=80, start=30)], extra=loop("entity", ("id", "type"), "1 polymer", "2 non-polymer")
    )
    lines = text.splitlines(keepends=True)
    ligand = [
        line.replace(" A 1 ", " B 2 ") for line in lines if line.startswith("ATOM") and int(line.split()[1]) > PEPTIDE
    ]
    text = "".join(line for line in lines if not line.startswith("ATOM") or int(line.split()[1]) <= PEPTIDE)
    assert len(read(text[:-2] + "".join(ligand) + "#\n").atoms) == PEPTIDE


def test_a_trace_is_a_polymer(read):
    trace = [row for row in peptide() if row[0] == "CA"]
    assert len(read(pdb(trace) + "END\n", "a.pdb").atoms) == 3


@pytest.mark.parametrize("every", [4, 5, 9])
def test_ter_in_odd_places(read, every):
    lines = pdb(peptide(residues=("GLY",) * 5)).splitlines(keepends=True)
    text = "".join(line + "TER\n" * (k % every == every - 1) for k, line in enumerate(lines)) + "END\n"
    assert len(read(text, "a.pdb").atoms) == 20


# ---- chains under one name


@pytest.mark.parametrize("chain", ["A", ""])
@pytest.mark.parametrize("ter", ["TER\n", ""])
def test_two_copies_under_one_name(read, chain, ter):
    text = pdb(peptide(), chain) + ter + pdb(peptide(shift=40), chain) + ter + "END\n"
    found = read(text, "a.pdb")
    assert (len(found.atoms), found.left_out["alternate locations"]) == (2 * PEPTIDE, 0)
    assert len(read(mmcif([*peptide(), *peptide(shift=40)])).atoms) == 2 * PEPTIDE


def test_alternate_locations_in_two_copies(read):
    """Each copy has its own: the second is no alternate location of the first."""

    def copy(shift):
        rows = peptide(shift)
        return (
            pdb(rows[:4])
            + pdb(rows[4:5], alternate="A")
            + pdb([(*rows[4][:4], -1.9, *rows[4][5:])], alternate="B")
            + pdb(rows[5:])
        )

    found = read(copy(0) + "TER\n" + copy(40) + "TER\nEND\n", "a.pdb")
    assert (len(found.atoms), found.left_out["alternate locations"]) == (2 * PEPTIDE, 2)


def test_numbers_that_wrap(read):
    rows = peptide(start=9998, residues=("GLY",) * 6)  # 9998, 9999, 0, 1, ...
    text = pdb(peptide(shift=-200, residues=("GLY",) * 6)) + pdb(rows) + "END\n"
    assert len(read(text, "a.pdb").atoms) == 48


def test_chain_names_of_two_letters_and_residues_of_four(read):
    text = "".join(line[:20] + "BC" + line[22:] for line in pdb(peptide()).splitlines(keepends=True))
    found = read(text + pdb(waters(3, "TIP3"), "W") + "END\n", "a.pdb")
    assert set(found.chains.tolist()) == {"BC"} and found.left_out["water"] == 3
    found = read(pdb(peptide(residues=("NALA", "HISD", "CGLY"))) + "END\n", "a.pdb")
    assert set(found.chains.tolist()) == {"A"} and len(found.atoms) == 12


# ---- lines


def replace_coordinates(text, row, new):
    lines = text.splitlines(keepends=True)
    lines[row] = lines[row][:30] + new + lines[row][54:]
    return "".join(lines)


@pytest.mark.parametrize(
    "new",
    [
        "*" * 24,
        " " * 24,
        "  10,000  10,000  20,000",
        "10000.123  10.000  20.00",
        "  10.00010000.123  20.00",
        "  10.000  20.00010000.12",
        "-1000.123  10.000  20.00",
        "     nan  10.000  20.000",
        "  10.000     inf  20.000",
        "  10.000   1_0.0  20.000",
        "  10.000  1e0x.0  20.000",
    ],
)
def test_coordinates_that_are_no_numbers(read, one_sentence, new):
    text = replace_coordinates("REMARK   1 X\n" + pdb(peptide()), 3, new)
    if new.endswith("10000.12"):  # the last of three, which goes on in the next column
        text = "".join(line[:54] + "3" + line[55:] if new in line else line for line in text.splitlines(keepends=True))
    with one_sentence(ValueError, "a.pdb", "line 4", new.strip()[:5]):
        read(text + "END\n", "a.pdb")


@pytest.mark.parametrize("new", ["?", ".", "*****", "1,5", "nan", "x"])
def test_coordinates_of_mmcif_that_are_no_numbers(read, one_sentence, new):
    lines = mmcif(peptide()).splitlines(keepends=True)
    row = next(k for k, line in enumerate(lines) if line.startswith("ATOM 3 "))
    lines[row] = lines[row].replace("2.500", new, 1)
    with one_sentence(ValueError, "made.cif", f"line {row + 1}", "Cartn_x", new):
        read("".join(lines))


def test_coordinates_with_an_uncertainty(read):
    assert float(read(mmcif(peptide()).replace(" 2.500 ", " 2.500(7) ")).atoms[2, 0]) == 2.5


@pytest.mark.parametrize(
    "end",
    [
        "",
        "ENDMDL\n",
        "TER\n",
        "TER\nENDMDL\n",
        "CONECT    1    2\n",
        "END\nwritten by x\n",
        "END   \n\n\n",
        "END\n\x1a",
    ],
)
@pytest.mark.parametrize("head", ["HEADER    X\n", "HEADER    X\nREMARK   1\n", ""])
def test_files_that_end_without_end(read, head, end):
    model = "MODEL        1\n" if "ENDMDL" in end else ""
    assert len(read(head + model + pdb(peptide()) + end, "a.pdb").atoms) == PEPTIDE
    assert len(read((head + model + pdb(peptide()) + end).rstrip("\n"), "a.pdb").atoms) == PEPTIDE


def test_files_that_were_cut_off(read, one_sentence):
    text = "HEADER    X\n" + pdb(peptide())
    for cut in (3, 20, 40):
        with one_sentence(ValueError, "a.pdb", "cut off" if cut < 26 else "coordinates"):
            read(text[:-cut], "a.pdb")
    with one_sentence(ValueError, "a.pdb", "cut off in a MODEL"):
        read("MODEL        1\n" + pdb(peptide()), "a.pdb")
    sequences = "".join(f"SEQRES   1 {chain}    3  ALA GLY SER\n" for chain in "AB")
    with one_sentence(ValueError, "a.pdb", "chain B"):
        read(sequences + pdb(peptide()), "a.pdb")
    with one_sentence(ValueError, "a.pdb", "cut off in its last line"):
        read(pdb(peptide()) + "TER\nCONE", "a.pdb")
    with one_sentence(ValueError, "made.cif", "chain B"):
        text = mmcif(peptide(), chains="AB", extra=loop("struct_asym", ("id", "entity_id"), "A 1", "B 1"))
        read(text[: text.index("ATOM 14 ")])


def test_only_the_first_model(read):
    def frames(start, end):
        return "".join(f"{start}{pdb(peptide(shift=50 * k))}{end}\n" for k in range(3))

    for text in (frames("MODEL        1\n", "ENDMDL"), frames("", "END"), frames("", "TER\nENDMDL") + "END\n"):
        found = read(text, "a.pdb")
        assert (len(found.atoms), found.left_out["models"]) == (PEPTIDE, 2)


def test_columns_of_before_1996(read):
    lines = pdb(peptide(), element=False).splitlines()
    text = "".join(f"{line[:66]:<72}1ABC{k:4d}\n" for k, line in enumerate(lines))
    assert len(read(text + "END\n", "a.pdb").atoms) == PEPTIDE


MARKS = {"utf-8": b"\xef\xbb\xbf", "utf-16-le": b"\xff\xfe"}


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["", *MARKS])
def test_marks_and_ends_of_lines(read, newline, encoding):
    for name, text in {"a.pdb": pdb(peptide()) + "END\n", "a.cif": mmcif(peptide())}.items():
        content = text.replace("\n", newline).encode(encoding or "ascii")
        assert len(read(MARKS.get(encoding, b"") + content, name).atoms) == PEPTIDE


# ---- size


def test_a_small_file_that_unpacks_to_much(read, one_sentence):
    with one_sentence(ValueError, "a.cif.gz", "at most 16 MB"):
        read(gzip.compress(b"data_x\nloop_\n_a.b\n" + b"1 1 1 1\n" * 4_000_000), "a.cif.gz")


def test_atoms_in_pieces_are_the_same(read, monkeypatch):
    from dpskit.data.atomic import mmcif as mmcif_reader
    from dpskit.data.atomic import pdb as pdb_reader

    rows = list(itertools.chain.from_iterable(peptide(shift=20 * k, start=10 * k) for k in range(30)))
    texts = {"a.cif": mmcif(rows, chains="AB"), "a.pdb": pdb(rows) + "END\n"}
    whole = {name: read(text, name) for name, text in texts.items()}
    for module in (mmcif_reader, pdb_reader):
        monkeypatch.setattr(module, "CHUNK", 500)
    for name, text in texts.items():
        found = read(text, name)
        assert torch.equal(found.atoms, whole[name].atoms) and (found.chains == whole[name].chains).all()
