"""BinaryCIF, packed here by the steps that its paper describes, against the same tables as mmCIF."""

import gzip

import made_structures as made
import msgpack
import numpy as np
import pytest
import torch

from dpskit.data.structures import read_structure

BYTES = {"int8": 1, "int16": 2, "int32": 3, "uint8": 4, "uint16": 5, "uint32": 6, "float32": 32, "float64": 33}


def array(values, kind, *steps):
    values = np.asarray(values, dtype=kind)
    return {"data": values.tobytes(), "encoding": [*steps, {"kind": "ByteArray", "type": BYTES[kind]}]}


def packed(values, kind="int8"):
    """IntegerPacking: values beyond the range are sums of its ends and a rest."""
    info = np.iinfo(kind)
    out = []
    for value in values:
        while value >= info.max or (info.min and value <= info.min):
            step = info.max if value > 0 else info.min
            out.append(step)
            value -= step
        out.append(value)
    step = {"kind": "IntegerPacking", "byteCount": np.dtype(kind).itemsize, "isUnsigned": info.min == 0}
    return array(out, kind, step)


def differences(values):
    """Delta, then IntegerPacking."""
    first = values[0]
    found = packed(np.diff(values, prepend=first).tolist())
    return {**found, "encoding": [{"kind": "Delta", "origin": int(first)}, *found["encoding"]]}


def runs(values):
    changes = np.flatnonzero(np.diff(values, prepend=values[0] - 1))
    lengths = np.diff([*changes, len(values)])
    return array(np.column_stack([np.asarray(values)[changes], lengths]).ravel(), "int32", {"kind": "RunLength"})


def fixed(values):
    found = packed(np.rint(np.asarray(values) * 1000).astype(int).tolist(), "int16")
    return {**found, "encoding": [{"kind": "FixedPoint", "factor": 1000}, *found["encoding"]]}


def interval(values):
    low, high, steps = min(values), max(values) + 1, 1 << 20
    codes = np.rint((np.asarray(values) - low) / (high - low) * (steps - 1))
    return array(codes, "int32", {"kind": "IntervalQuantization", "min": low, "max": high, "numSteps": steps})


def texts(values):
    names = [*dict.fromkeys(value for value in values if value is not None)]
    ends = np.cumsum([0, *map(len, names)])
    codes = array([-1 if value is None else names.index(value) for value in values], "int16")
    offsets = array(ends, "uint32")
    step = {"kind": "StringArray", "dataEncoding": codes["encoding"], "stringData": "".join(names)}
    step |= {"offsets": offsets["data"], "offsetEncoding": offsets["encoding"]}
    return {"data": codes["data"], "encoding": [step]}


def category(name, **columns):
    size = len(next(iter(columns.values()))[1])
    found = [{"name": key, "data": pack(values), "mask": mask} for key, (pack, values, mask) in columns.items()]
    return {"name": f"_{name}", "rowCount": size, "columns": found}


def column(pack, values, missing=()):
    mask = runs([int(k in missing) * 2 for k in range(len(values))]) if missing else None
    return pack, values, mask


def atom_site(rows, coordinates=fixed):
    name, residue, number, x, y, z, element = zip(*rows, strict=True)
    count = len(rows)
    return category(
        "atom_site",
        group_PDB=column(texts, ["ATOM"] * count),
        type_symbol=column(texts, element, missing=(1,)),
        label_atom_id=column(texts, name),
        label_alt_id=column(texts, [None] * count, missing=range(count)),
        label_comp_id=column(texts, residue),
        label_asym_id=column(texts, ["A"] * count),
        label_seq_id=column(differences, list(number)),
        auth_seq_id=column(runs, list(number)),
        pdbx_PDB_model_num=column(runs, [1] * count),
        Cartn_x=column(coordinates, x),
        Cartn_y=column(coordinates, y),
        Cartn_z=column(lambda v: array(v, "float32"), z),
    )


def assembly():
    numbers = {f"matrix[{i}][{j}]": [float(i == j)] * 2 for i in (1, 2, 3) for j in (1, 2, 3)}
    numbers |= {"vector[1]": [0.0, 50.123456789], "vector[2]": [0.0, 0.0], "vector[3]": [0.0, 0.0]}
    columns = {key: column(lambda v: array(v, "float64"), values) for key, values in numbers.items()}
    return [
        category("pdbx_struct_assembly", id=column(texts, ["1"])),
        category(
            "pdbx_struct_assembly_gen",
            assembly_id=column(texts, ["1"]),
            oper_expression=column(texts, ["(1)(1,2)"]),
            asym_id_list=column(texts, ["A"]),
        ),
        category("pdbx_struct_oper_list", id=column(lambda v: array(v, "int8"), [1, 2]), **columns),
    ]


def file(*categories, blocks=1):
    block = {"header": "X", "categories": list(categories)}
    return msgpack.packb({"version": "0.3.0", "encoder": "made", "dataBlocks": [block] * blocks})


@pytest.fixture
def read(tmp_path):
    def read(content, name="a.bcif", **arguments):
        (tmp_path / name).write_bytes(content)
        return read_structure(tmp_path / name, **arguments)

    return read


@pytest.mark.parametrize("coordinates", [fixed, interval, lambda v: array(v, "float64")])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_the_same_as_mmcif(read, coordinates, suffix):
    rows = [*made.peptide(shift=-40.0), *made.waters(4, start=200)]
    content = file(atom_site(rows, coordinates), *assembly())
    found = read(gzip.compress(content) if suffix else content, f"a.bcif{suffix}")
    same = read(made.mmcif(rows).encode(), "a.cif")
    shift = torch.tensor([50.123456789, 0, 0])
    torch.testing.assert_close(found.atoms, torch.cat([same.atoms, same.atoms + shift]), atol=2e-4, rtol=0)
    assert found.chains.tolist() == ["A"] * 13 + ["A-2"] * 13 and found.left_out == same.left_out
    torch.testing.assert_close(read(content, assembly=False).atoms, same.atoms, atol=2e-4, rtol=0)


def test_damaged_files(read, one_sentence):
    rows = made.peptide()
    content = file(atom_site(rows))
    with one_sentence(ValueError, "a.bcif", "BinaryCIF"):
        read(content[:-9])
    wrong = atom_site(rows)
    wrong["rowCount"] = 14
    with one_sentence(ValueError, "a.bcif", "14 rows"):
        read(file(wrong))
    wrong["rowCount"] = 10**12
    with one_sentence(ValueError, "a.bcif", "rows"):
        read(file(wrong))
    bomb = atom_site(rows)
    bomb["columns"][-1]["data"] = array([0, 2**31 - 1], "int32", {"kind": "RunLength"})
    with one_sentence(ValueError, "a.bcif", "damaged"):
        read(file(bomb))
    unknown = atom_site(rows)
    unknown["columns"][0]["data"]["encoding"] = [{"kind": "Other"}]
    with one_sentence(ValueError, "a.bcif", "damaged"):
        read(file(unknown))
    with one_sentence(ValueError, "a.bcif", "Cartn_y", "atom 3"):
        nan = atom_site(rows)
        nan["columns"][-2]["mask"] = array([0, 0, 1] + [0] * 10, "int8")
        read(file(nan))
    with one_sentence(ValueError, "a.bcif", "heavy atoms"):
        read(file(*assembly()))
    assert len(read(file(atom_site(rows), blocks=2)).atoms) == 26
