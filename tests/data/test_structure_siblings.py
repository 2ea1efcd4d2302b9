"""Other spellings of the troubles of `test_structure_files.py`: the same faults, in other places and forms."""

import gzip
import re
import warnings

import pytest
from made_structures import PEPTIDE, assembly, loop, mmcif, pdb, peptide, waters

from dpskit.data.atomic import cif_text
from dpskit.data.atomic.cif_text import split_blocks

# ---- assemblies


@pytest.mark.parametrize(
    ("old", "new", "copies"),
    [
        ("1 '1' 'A'", "1\n;(1-2)\n(3,4)\n;\n'A'", 4),
        ("1 '1' 'A'", '1 "1,2" "A,\tA"', 2),
        ("1 '1' 'A'", "1 '1,2' 'A;Z'", 2),
        ("1 '1' 'A'\n", "1 '1,2' 'A'\n? ? ?\n", 2),
        ("1 '1' 'A'", "1 '\"1,2\"' A", 2),
    ],
)
def test_rows_of_assemblies_as_programs_write_them(read, old, new, copies):
    assert len(read(mmcif(peptide(), extra=assembly("1").replace(old, new))).atoms) == copies * PEPTIDE


@pytest.mark.parametrize("expression", ["4-1", "(1-2)(4-3)", "X4-X1", "1,3-2"])
def test_ranges_that_fall_are_refused(read, one_sentence, expression):
    names = ("X1", "X2", "X3", "X4") if "X" in expression else ("1", "2", "3", "4")
    with one_sentence(ValueError, "rising order", re.findall(r"X?\d-X?\d", expression)[-1]):
        read(mmcif(peptide(), extra=assembly(expression, operators=names)))


@pytest.mark.parametrize("row", ["1 ? A", "1 '1,2' ?", "1 ' ' A", "1 . A", "1 1 ' , '"])
def test_assemblies_without_operators_or_chains(read, one_sentence, row):
    text = mmcif(peptide(), extra=assembly("1").replace("1 '1' 'A'", row))
    with one_sentence(ValueError, "assembly 1", "operators and chains", "assembly=False"):
        read(text)
    assert len(read(text, assembly=False).atoms) == PEPTIDE


def test_long_expressions_end_soon(read, one_sentence):
    """Also the message of one that is wrong is short."""
    assert len(read(mmcif(peptide(), extra=assembly("1,2," + "1," * 99_000))).atoms) == 2 * PEPTIDE
    for expression in ("(1" * 300_000, "1" * 300_000):
        with pytest.raises(ValueError, match="operator") as caught:
            read(mmcif(peptide(), extra=assembly(expression)))
        assert len(str(caught.value)) < 400


def test_operators_described_twice(read, one_sentence):
    equal, other = "\n2 ? 1 0 0 0 1 0 0 0 1 50.0 0 0\n#\n", "\n2 ? 1 0 0 0 1 0 0 0 1 60 0 0\n#\n"
    extra = assembly("1,2")
    assert len(read(mmcif(peptide(), extra=extra.removesuffix("\n#\n") + equal)).atoms) == 2 * PEPTIDE
    with one_sentence(ValueError, "operator 2", "twice"):
        read(mmcif(peptide(), extra=extra.removesuffix("\n#\n") + other))


@pytest.mark.parametrize("rows", ["1 '1,2,3' 'A'\n", "1 '1,2' 'A'\n1 '3' 'A'\n", "1 '(1)(2,3)' 'A'\n1 1 A\n"])
def test_one_operator_under_two_names_makes_one_copy(read, rows):
    """2 and 3 both move by 50."""
    extra = assembly("1").replace("1 '1' 'A'\n", rows).replace("1 100 0 0", "1 50.00001 0 0")
    assert len(read(mmcif(peptide(), extra=extra)).atoms) == 2 * PEPTIDE


def test_chains_by_the_names_of_authors(read):
    text = mmcif(peptide(), extra=assembly("1,2", chains="X"), change={"auth_asym_id": "X"})
    assert len(read(text).atoms) == 2 * PEPTIDE


def test_an_assembly_of_other_chains_is_told(read):
    with pytest.warns(UserWarning, match=r"none of the chains of its assembly 1: it is read as deposited\.$"):
        found = read(mmcif(peptide(), extra=assembly("1,2", chains="Z")))
    assert len(found.atoms) == PEPTIDE and found.assembly is None


# ---- blocks, tables and lines


@pytest.mark.parametrize("names", [("x", "x"), ("", ""), ("x", "X")])
def test_blocks_of_one_name(read, names):
    """Two files joined into one."""
    text = mmcif(peptide(), name=names[0]) + mmcif(peptide(70), name=names[1])
    assert len(read(text).atoms) == 2 * PEPTIDE


def test_a_table_of_atoms_twice_in_one_block(read, one_sentence):
    with one_sentence(ValueError, "one table of atoms, got 2"):
        read(mmcif(peptide()) + mmcif(peptide(70)).partition("#\n")[2])


def last_column_first(line):
    return f"{line.partition(' ')[2]} {line.partition(' ')[0]}" if line.startswith("ATOM ") else line


GROUP, MODEL = "_atom_site.group_PDB\n", "_atom_site.pdbx_PDB_model_num\n"
LAYOUTS = {
    "capital words": lambda text: text.replace("loop_", "LOOP_").replace("data_", "DATA_"),
    "capital tags": lambda text: text.replace("_atom_site.Cartn", "_ATOM_SITE.CARTN"),
    "comment between rows": lambda text: text.replace("ATOM 5 ", "# half way, loop_ data_\nATOM 5 "),
    "comment after loop_": lambda text: text.replace("loop_\n_atom_site", "loop_ # the atoms\n\n_atom_site"),
    "comment among tags": lambda text: text.replace("_atom_site.id\n", "_atom_site.id # number\n#\n\n"),
    "indented": lambda text: "".join(f"\t {line}\n" for line in text.splitlines()),
    "blank lines": lambda text: text.replace("ATOM 5 ", "\n  \nATOM 5 "),
    "tabs": lambda text: text.replace(" ", "\t"),
    "two lines for a row": lambda text: text.replace(" A 1 ", "\nA 1 "),
    "group last": lambda text: "\n".join(
        map(last_column_first, text.replace(GROUP, "").replace(MODEL, MODEL + GROUP).splitlines())
    ),
    "quoted": lambda text: text.replace("ATOM ", "'ATOM' ").replace(" CA ", ' "CA" '),
    "small letters": lambda text: text.replace("ATOM ", "atom "),
    "in one line with data_": lambda text: text.replace("\n#\nloop_", " loop_", 1),
    "text fields with tables in them": lambda text: text.replace(
        "#\nloop_", "_struct.title\n;\nloop_\n_atom_site.id\n1\ndata_y\n;\nloop_", 1
    ),
    "a frame": lambda text: text.replace("#\nloop_", "save_a\nloop_", 1) + "save_\n",
    "other tables behind": lambda text: text[:-2] + "Loop_\n_chem.id\n1\n_cell.a 3\n",
    "latin-1": lambda text: text.replace("#\nloop_", "#\n_x.y 'Å'\nloop_", 1).encode("latin-1"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_of_mmcif(read, layout, monkeypatch):
    text = LAYOUTS[layout](mmcif(peptide(), chains="AB"))
    found = read(text)
    assert len(found.atoms) == 2 * PEPTIDE and sorted(set(found.chains.tolist())) == ["A", "B"]
    monkeypatch.setattr("dpskit.data.atomic.mmcif.CHUNK", 150)
    assert len(read(text).atoms) == 2 * PEPTIDE


@pytest.mark.parametrize("cut", [3, 60, 400])
def test_text_that_is_cut_off(read, one_sentence, cut):
    text = mmcif(peptide()) + "_entity.details\n;\n" + "words\n" * 200 + ";\n"
    assert len(read(text).atoms) == PEPTIDE
    with one_sentence(ValueError, "made.cif", "cut off in a text field"):
        read(text[:-cut])


@pytest.mark.parametrize("text", ["<html>\n_a\n</html>\n", "loop_\n_a.b\n1\n", "\n", "x\ndata_x\n", pdb(peptide())])
def test_texts_without_data_blocks(text, one_sentence):
    with pytest.raises(ValueError, match="must begin with a data block"):
        split_blocks(text.encode(), (), b"atom_site")


def test_only_what_is_needed_is_parsed(read, one_sentence, monkeypatch):
    """Nine megabytes of other categories are never parsed; nine of entities, and a million tags, are refused."""
    long = loop("pdbx_x", ("id", "text"), *(f"{k} 'some words about this'" for k in range(3))) * 100_000
    text = mmcif(peptide(), extra=assembly("1,2") + long)
    assert sum(map(len, split_blocks(text.encode(), (b"entity",), b"atom_site")[0].kept)) < 100
    assert len(read(text).atoms) == 2 * PEPTIDE
    monkeypatch.setattr("dpskit.data.atomic.mmcif.MAX_REST", 1000)
    with one_sentence(ValueError, "entities and assemblies in at most"):
        read(mmcif(peptide(), extra=loop("entity", ("id", "type"), *(f"{k} polymer" for k in range(100)))))
    monkeypatch.setattr("dpskit.data.atomic.mmcif.MAX_BLOCKS", 3)
    with one_sentence(ValueError, "at most 3 data blocks, got 4"):
        read("data_x\n" * 4)
    monkeypatch.setattr(cif_text, "MAX_ITEMS", 20)
    with one_sentence(ValueError, "at most 20 tags"):
        read(mmcif(peptide(), extra="".join(f"_x.y{k} 1\n" for k in range(20))))


# ---- PDB


@pytest.mark.parametrize("start", ["MODEL        1\n", "MODEL\n"])
@pytest.mark.parametrize("end", ["", "TER\n", "ENDMDL\n"])
def test_models_that_do_not_end(read, start, end):
    text = start + pdb(peptide()) + end + start + pdb(peptide(50)) + "ENDMDL\nEND\n"
    found = read(text, "a.pdb")
    assert (len(found.atoms), found.left_out["models"]) == (PEPTIDE, 1)


@pytest.mark.parametrize("mark", [" ", "\t", "  "])
def test_atoms_beside_the_first_column(read, one_sentence, mark):
    """One atom fewer than the file has would be silent."""
    with one_sentence(ValueError, "a.pdb", "line 1", "first column"):
        read(mark + pdb(peptide()), "a.pdb")


def test_joined_files_with_byte_order_marks(read):
    mark = b"\xef\xbb\xbf"
    text = mark + mark + pdb(peptide()).encode() + b"TER\n" + mark + pdb(peptide(50), "B").encode()
    assert len(read(text, "a.pdb").atoms) == 2 * PEPTIDE
    text = b"".join(mark + mmcif(peptide(k), name=f"x{k}").encode() for k in (0, 50))
    assert len(read(text).atoms) == 2 * PEPTIDE


def test_places_that_are_not_known(read, one_sentence):
    text = pdb(peptide()).replace("   2.500   0.000   0.000", "9999.0009999.0009999.000")
    with one_sentence(ValueError, "line 3", "9999.000"):
        read(text, "a.pdb")


@pytest.mark.parametrize("digits", ["A000", "270f", "  -1", "   0", "9999"])
def test_residue_numbers_in_any_notation(read, digits):
    lines = pdb(peptide()).splitlines(keepends=True)
    text = "".join(line[:22] + digits + line[26:] if line[25] == "2" else line for line in lines)
    assert len(read(text, "a.pdb").atoms) == PEPTIDE


NAMES = ["TIP2", "TIP7", "SPCE", "OPC3", "SWM4", "W", "PW", "T3PE", "FW4", "FLX", "hoh", "Wat"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("record", ["ATOM", "HETATM"])
def test_names_of_water(read, name, record):
    atom = name if name in ("W", "PW") else "OH2" if name.startswith("TIP") else "OW"
    found = read(pdb(peptide()) + pdb(waters(3, name, atom), record=record) + "END\n", "a.pdb")
    assert (len(found.atoms), found.left_out["water"]) == (PEPTIDE, 3)


@pytest.mark.parametrize("atom", ["P", "C4'", "C1'", "N9"])
def test_traces_of_nucleic_acids(read, atom):
    """A residue called C with the atom C4' alone is no ion of carbon."""
    rows = [(atom, name, k + 1, 6.0 * k, 0.0, 0.0, atom[0]) for k, name in enumerate("ACGUC")]
    assert str(read(pdb(rows) + "END\n", "a.pdb")).endswith(": 5 atoms of nucleic acid")


def test_points_that_stand_for_hydrogens(read):
    text = pdb([*peptide(), ("QB", "ALA", 1, 0.0, 0.0, 0.0, "H")], element=False)
    assert len(read(text, "a.pdb").atoms) == PEPTIDE


# ---- packed


@pytest.mark.parametrize(
    "pack",
    [
        lambda content: gzip.compress(content) + b"\0" * 600,
        lambda content: gzip.compress(content[:400]) + gzip.compress(content[400:]),
        gzip.compress,
    ],
)
@pytest.mark.parametrize("name", ["a.pdb.gz", "a.PDB.GZ", "a.pdb"])
def test_gzip_as_programs_write_it(read, pack, name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(read(pack(pdb(peptide()).encode()), name).atoms) == PEPTIDE


@pytest.mark.parametrize("number", ["1_0", "1_0.0", "0x10", "1,0", "1.0D0", "inf", "nan"])
def test_numbers_of_other_languages(read, one_sentence, number):
    with one_sentence(ValueError, "Cartn_z", number):
        read(mmcif(peptide(), change={"Cartn_z": number}))


@pytest.mark.parametrize("number", ["1.5", "+1.5", "1.5(3)", "15e-1", "0.15e1(2)", "'1.5'"])
def test_numbers_as_mmcif_writes_them(read, number):
    found = read(mmcif(peptide()).replace(" 0.000 1 A 1\n", f" {number} 1 A 1\n", 1)).atoms
    assert float(found[0, 2]) == 1.5
