"""Small peptides as text, line by line as the formats say, to be damaged by tests."""

import math

RESIDUES = ("ALA", "GLY", "SER")
PEPTIDE = 13  # heavy atoms of `peptide`


def peptide(shift=0.0, start=1, residues=RESIDUES):
    """Rows (atom, residue, number, x, y, z, element) of a stretched chain, bonds of 1.3 angstrom between residues."""
    rows = []
    for k, residue in enumerate(residues):
        x, number = shift + 3.8 * k, start + k
        rows += [
            ("N", residue, number, x, 0.0, 0.0, "N"),
            ("CA", residue, number, x + 1.4, 0.3, 0.0, "C"),
            ("C", residue, number, x + 2.5, 0.0, 0.0, "C"),
            ("O", residue, number, x + 2.5, 1.2, 0.0, "O"),
        ]
        if residue == "ALA":
            rows.append(("CB", residue, number, x + 1.4, -1.2, 0.3, "C"))
    return rows


def pdb(rows, chain="A", record="ATOM", element=True, alternate=""):
    """The lines of `rows` in a PDB file."""
    text = ""
    for serial, (name, residue, number, x, y, z, symbol) in enumerate(rows, start=1):
        place = f"{name:<4}" if len(name) == 4 else f" {name:<3}"
        text += f"{record:<6}{serial:>5} {place}{alternate or ' '}{residue:<4}{chain or ' '}{number % 10_000:>4}    "
        text += f"{x:8.3f}{y:8.3f}{z:8.3f}  1.00 20.00          {symbol if element else '':>2}\n"
    return text


def waters(count, name="SOL", atom="OW", hydrogens=("HW1", "HW2"), start=50, x=60.0):
    rows = []
    for k in range(count):
        rows.append((atom, name, start + k, x + 3 * k, 5.0, 5.0, "O"))
        rows += [(h, name, start + k, x + 3 * k + 0.5, 5.5, 5.0, "H") for h in hydrogens]
    return rows


COLUMNS = ("group_PDB", "id", "type_symbol", "label_atom_id", "label_alt_id", "label_comp_id", "label_asym_id",
           "label_entity_id", "label_seq_id", "Cartn_x", "Cartn_y", "Cartn_z", "auth_seq_id", "auth_asym_id",
           "pdbx_PDB_model_num")  # fmt: skip


def mmcif(rows, chains=("A",), drop=(), change=None, extra="", name="x"):
    """A data block with `rows` in each of the `chains`, 100 angstrom apart in y, without the columns to `drop`.

    change: what stands in a column instead, by its name. extra: other categories.
    """
    columns = [column for column in COLUMNS if column not in drop]
    text = f"data_{name}\n#\n{extra}loop_\n" + "".join(f"_atom_site.{column}\n" for column in columns)
    serial = 0
    for k, chain in enumerate(chains):
        for atom, residue, number, x, y, z, symbol in rows:
            serial += 1
            values = ("ATOM", serial, symbol, atom, ".", residue, chain, "1", number, f"{x:.3f}", f"{y + 100 * k:.3f}",
                      f"{z:.3f}", number, chain, 1)  # fmt: skip
            row = dict(zip(COLUMNS, values, strict=True)) | (change or {})
            text += " ".join(f'"{row[c]}"' if "'" in str(row[c]) else str(row[c]) for c in columns) + "\n"
    return text + "#\n"


def loop(category, names, *rows):
    head = "loop_\n" + "".join(f"_{category}.{name}\n" for name in names)
    return head + "".join(row + "\n" for row in rows) + "#\n"


def assembly(expression, chains="A", operators=("1", "2", "3", "4"), ids_alone=False, name="1"):
    """The categories of an assembly whose operator k moves by 50 k along x; the first one is the identity."""
    listed = ("id", "details") if ids_alone else ("id", "details", "method_details", "oligomeric_count")
    text = loop("pdbx_struct_assembly", listed, " ".join([name, *["x"] * (len(listed) - 1)]))
    text += loop(
        "pdbx_struct_assembly_gen",
        ("assembly_id", "oper_expression", "asym_id_list"),
        f"{name} '{expression}' '{chains}'",
    )
    matrix = [f"matrix[{i}][{j}]" for i in (1, 2, 3) for j in (1, 2, 3)]
    rows = [f"{operator} ? 1 0 0 0 1 0 0 0 1 {50 * k} 0 0" for k, operator in enumerate(operators)]
    return text + loop("pdbx_struct_oper_list", ("id", "type", *matrix, "vector[1]", "vector[2]", "vector[3]"), *rows)


def turned(angle):
    """A rotation about z as nine numbers in a row."""
    c, s = math.cos(angle), math.sin(angle)
    return f"{c:.9f} {-s:.9f} 0 {s:.9f} {c:.9f} 0 0 0 1"
