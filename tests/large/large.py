"""Read the worst files below 20 MB that are known, one process each: `large.py [NAMES]`, or `make large`.

Prints a table: the file, its size and what it unpacks to, the seconds of the processor and the peak of memory that
reading it takes (the import of torch counts in the memory, not in the seconds), and what was said.
"""

import gzip
import json
import os
import re
import resource
import struct
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
from functools import partial
from pathlib import Path

import numpy as np

import dpskit

SIZE = 19_900_000
SECONDS, MEMORY = 10, 1 << 30


def peak_kilobytes():
    """The peak of the resident memory; that of `resource` begins with the peak of the process that started this one."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(re.search(r"VmHWM:\s*(\d+) kB", status.read_text())[1])


BASE = peak_kilobytes()  # what the imports take; a child shares some of it
RANDOM = np.random.default_rng(0)
CIF_HEAD = b"data_x\nloop_\n" + b"".join(
    b"_atom_site.%s\n" % tag
    for tag in (b"group_PDB", b"type_symbol", b"label_atom_id", b"label_comp_id", b"label_asym_id", b"label_seq_id",
                b"Cartn_x", b"Cartn_y", b"Cartn_z")
)  # fmt: skip
NARROW = CIF_HEAD + b"ATOM C CA ALA A 1 0 0 0\n" * 400


def packed(path, piece, head=b"", tail=b"", unpacked=5.9):
    """A gzipped text of `SIZE` bytes, `unpacked` times as long: `piece` again and again, and stored comments."""
    with gzip.open(path, "wb", 1) as file:
        file.write(head)
        for _ in range(int((unpacked - 1) * SIZE / len(piece) / 1000)):
            file.write(piece * 1000)
    comment = b"#" * 79 + b"\n"
    with gzip.open(path, "ab", 0) as file:
        file.write(comment * ((SIZE - path.stat().st_size - 10_000) // 80))
        file.write(tail)


def plain(path, piece, head=b"", tail=b""):
    path.write_bytes(head + piece * ((SIZE - len(head) - len(tail)) // len(piece)) + tail)


def cif_atoms(count):
    """Rows as in entries of the PDB, 95 bytes each."""
    rows = []
    for k in range(count):
        x, y, z = RANDOM.uniform(-300, 300, 3)
        residue = k // 8 + 1
        rows.append(f"ATOM {k + 1:<8} C CA  . LEU A 1 {residue:<6} ? {x:<8.3f} {y:<8.3f} {z:<8.3f} 1.00 {abs(x):<6.2f} "
                    f"? {residue:<6} LEU A CA  1 \n")  # fmt: skip
    return "".join(rows).encode()


FULL = """group_PDB id type_symbol label_atom_id label_alt_id label_comp_id label_asym_id label_entity_id label_seq_id
pdbx_PDB_ins_code Cartn_x Cartn_y Cartn_z occupancy B_iso_or_equiv pdbx_formal_charge auth_seq_id auth_comp_id
auth_asym_id auth_atom_id pdbx_PDB_model_num"""
CIF_FULL = b"data_x\nloop_\n" + b"".join(b"_atom_site.%s\n" % tag.encode() for tag in FULL.split())


def cif_gz(path):
    packed(path, cif_atoms(250), CIF_FULL, b"#\n")


def cif_narrow_gz(path):
    packed(path, b"ATOM C CA ALA A 1 0 0 0\n", CIF_HEAD, b"#\n")


def cif_trace_gz(path):
    """Every atom is a residue."""
    packed(path, b"".join(b"ATOM C CA ALA A %d 0 0 0\n" % k for k in range(1, 1000)), CIF_HEAD, b"#\n")


def cif_narrow(path):
    plain(path, b"ATOM C CA ALA A 1 0 0 0\n", CIF_HEAD, b"#\n")


def cif_rest_gz(path):
    packed(path, b"loop_\n_other.a\n_other.b\n" + b"word 'and more'\n" * 50, NARROW, b"#\n")


def cif_entities_gz(path):
    packed(path, b"x y\n", NARROW + b"loop_\n_entity.id\n_entity.type\n", b"#\n")


def cif_entities(path):
    plain(path, b"x y\n", NARROW + b"loop_\n_entity.id\n_entity.type\n", b"#\n")


def cif_tags_gz(path):
    packed(path, b"_a.b c\n", NARROW, b"#\n")


def cif_tags(path):
    plain(path, b"_a.b c\n", NARROW, b"#\n")


def cif_fields_gz(path):
    packed(path, b"_a.b\n;\n;\n", NARROW, b"#\n")


def cif_semicolons_gz(path):
    packed(path, b"\n;", NARROW, b"\n#\n")


def cif_semicolons(path):
    plain(path, b"\n;", NARROW, b"\n#\n")


def cif_names(path):
    rows = b"".join(b"ATOM C C%d A%d %d %d 0 0 0\n" % (k, k, k, k) for k in range(430_000))
    path.write_bytes((CIF_HEAD + rows)[:SIZE].rpartition(b"\n")[0] + b"\n#\n")


def cif_long_label(path):
    plain(path, b"ATOM C CA ALA A 1 0 0 0\n", CIF_HEAD, b"ATOM C CA ALA " + b"A" * 9_000_000 + b" 1 0 0 0\n#\n")


def cif_one_row(path):
    plain(path, b"ATOM C CA ALA A 1 0 0 0 ", CIF_HEAD, b"\n#\n")


PDB_ROW = b"ATOM      1  CA  ALA A   1       0.000   0.000   0.000\n"


def pdb_gz(path):
    packed(path, PDB_ROW, tail=b"END\n")


def pdb(path):
    plain(path, PDB_ROW, tail=b"END\n")


def pdb_empty_gz(path):
    packed(path, b"\n", PDB_ROW * 100, b"END\n")


def pdb_empty(path):
    plain(path, b"\n", PDB_ROW * 100, b"END\n")


def pdb_remarks(path):
    plain(path, b"REMARK 350\n", tail=PDB_ROW * 100 + b"END\n")


def pdb_remarks_gz(path):
    packed(path, b"REMARK 350\n", tail=PDB_ROW * 100 + b"END\n")


def pdb_ter_gz(path):
    packed(path, b"ATOM\n", tail=b"END\n")


def pdb_cr_gz(path):
    packed(path, PDB_ROW.replace(b"\n", b"\r\n"), tail=b"END\r\n")


def pdb_utf16_gz(path):
    import codecs

    body = codecs.BOM_UTF16_LE + PDB_ROW.decode().encode("utf-16-le")
    packed(path, PDB_ROW.decode().encode("utf-16-le"), body)


def bcif(path, rows=None):
    """As many atoms as are allowed, in runs."""
    import msgpack

    rows = rows or SIZE // 8 - 1000

    def runs(value):
        data = np.array([value, rows], "<i4").tobytes()
        return {"data": data, "encoding": [
            {"kind": "RunLength", "srcType": 3, "srcSize": rows}, {"kind": "ByteArray", "type": 3}]}  # fmt: skip

    def texts(value):
        inner = runs(0)
        return {"data": inner["data"], "encoding": [{
            "kind": "StringArray", "dataEncoding": inner["encoding"], "stringData": value,
            "offsetEncoding": [{"kind": "ByteArray", "type": 3}], "offsets": np.array([0, len(value)], "<i4").tobytes(),
        }]}  # fmt: skip

    columns = {"group_PDB": "ATOM", "type_symbol": "C", "label_atom_id": "CA", "label_comp_id": "ALA",
               "label_asym_id": "A"}  # fmt: skip
    made = [{"name": name, "data": texts(text), "mask": None} for name, text in columns.items()]
    made += [{"name": f"Cartn_{axis}", "data": runs(0), "mask": None} for axis in "xyz"]
    made += [{"name": "label_seq_id", "data": runs(1), "mask": None}]
    pad = max(0, SIZE - 4_000) if path.suffix != ".gz" else int(4.9 * SIZE)
    block = {"header": "x", "categories": [{"name": "_atom_site", "rowCount": rows, "columns": made}]}
    content = msgpack.packb({"encoder": "x", "version": "0.3", "dataBlocks": [block], "pad": bytes(pad)})
    if path.suffix != ".gz":
        path.write_bytes(content)
        return
    with gzip.open(path, "wb", 1) as file:
        file.write(content)
    with gzip.open(path, "ab", 0) as file:  # the rest of the size
        file.write(b"")
    with open(path, "ab") as file:
        file.write(bytes(SIZE - path.stat().st_size))  # gzip allows zeros behind


def bcif_lists(path):
    """Nothing but empty lists."""
    content = b"\xdd" + struct.pack(">I", SIZE - 100) + b"\x90" * (SIZE - 100)
    path.write_bytes(content)


def bcif_gz(path):
    bcif(path, SIZE // 8 - 1000)


def mrc_header(shape, mode):
    z, y, x = shape
    head = bytearray(1024)
    struct.pack_into("<10i", head, 0, x, y, z, mode, 0, 0, 0, x, y, z)
    struct.pack_into("<6f", head, 40, x, y, z, 90, 90, 90)
    struct.pack_into("<3i", head, 64, 1, 2, 3)
    head[208:216] = b"MAP \x44\x44\x00\x00"
    return bytes(head)


def mrc(path, mode, per_value, total):
    """A volume, or a stack, of `total` bytes."""
    count = int(total / per_value) // 10_000
    body = mrc_header((count, 100, 100), mode) + bytes(int(count * 10_000 * per_value))
    if path.suffix != ".gz":
        path.write_bytes(body)
        return
    with gzip.open(path, "wb", 1) as file:
        file.write(body)
    with open(path, "ab") as file:
        file.write(bytes(SIZE - path.stat().st_size))


def star(path):
    plain(path, b"0 0 0\n", b"data_particles\nloop_\n_rlnAngleRot\n_rlnAngleTilt\n_rlnAnglePsi\n")


def star_images(path):
    plain(path, b"1@a\n", b"data_particles\nloop_\n_rlnImageName\n")


def star_tags(path):
    rows = b"".join(b"_r%d 0\n" % k for k in range(1_800_000))
    path.write_bytes((b"data_particles\n\n" + rows)[:SIZE].rpartition(b"\n")[0] + b"\n")


def cs(path, dtype, count):
    table = np.zeros(count, dtype)
    with path.open("wb") as file:
        np.save(file, table)


def npz(path, arrays, method=zipfile.ZIP_DEFLATED):
    """Compressed, and padded with a note to `SIZE`."""
    with zipfile.ZipFile(path, "w", method, compresslevel=1) as archive:
        for name, (shape, dtype) in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array_header_1_0(
                    file,
                    {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape},
                )
                left = int(np.prod(shape)) * np.dtype(dtype).itemsize
                while left:
                    part = min(left, 1 << 22)
                    file.write(bytes(part))
                    left -= part
    size = path.stat().st_size
    if size < SIZE - 1000:
        with zipfile.ZipFile(path, "a", zipfile.ZIP_STORED) as archive:
            archive.writestr("note", RANDOM.bytes(SIZE - size - 400))


def npz_entries(path):
    with zipfile.ZipFile(path, "w") as archive:
        body = b"\x93NUMPY\x01\x00" + struct.pack("<H", 118)
        body += b"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3), }".ljust(117) + b"\n" + bytes(12)
        for k in range(49_000):
            archive.writestr(f"{k}.npy", body)


def npy(path, dtype, shape):
    with path.open("wb") as file:
        np.save(file, np.zeros(shape, dtype))


def off_rows(path):
    plain(path, b"0 0 0\n", b"OFF\n3300000 0 0\n")


def off(path):
    v, f = 10, 1_240_000
    path.write_bytes(b"OFF\n%d %d 0\n" % (v, f) + b"0 0 1\n1 0 0\n0 1 0\n1 1 0\n2 1 0\n" * 2 + b"3 0 1 2\n" * f)


def off_quads(path):
    f = 990_000
    path.write_bytes(b"OFF\n4 %d 0\n" % f + b"0 0 0\n1 0 0\n1 1 0\n0 1 0\n" + b"4 0 1 2 3      \n" * f)


def off_words(path):
    path.write_bytes(b"OFF\n3 %d 0\n0 0 1 1 0 0 0 1 0\n" % 2_400_000 + b"3 0 1 2 " * 2_400_000)


def off_dent(path):
    f = 99_000
    path.write_bytes(b"OFF\n5 %d 0\n" % f + b"0 0 0\n2 0 0\n2 2 0\n1 1 0\n0 2 0\n" + b"5 0 1 2 3 4\n" * f)


def ply_head(kind, vertices, number, faces=0):
    lines = [
        "ply",
        f"format {kind} 1.0",
        f"element vertex {vertices}",
        *(f"property {number} {axis}" for axis in "xyz"),
    ]
    lines += [f"element face {faces}", "property list uchar int vertex_indices"] * bool(faces)
    return "\n".join([*lines, "end_header\n"]).encode()


def ply(path, corners=3):
    places = np.array([[0, 0, 0], [2, 0, 0], [2, 2, 0], [0.5, 0.5, 0], [0, 2, 0]], "<f4").tobytes()
    face = struct.pack(f"<B{corners}i", corners, *range(corners))
    count = min(990_000, (SIZE - 1000) // len(face))
    path.write_bytes(ply_head("binary_little_endian", 5, "float", count) + places + face * count)


def ply_points(path):
    count = SIZE // 3 - 100
    path.write_bytes(ply_head("binary_little_endian", count, "uchar") + bytes(3 * count))


def ply_text(path):
    count = SIZE // 6 - 100
    path.write_bytes(ply_head("ascii", count, "float") + b"0 0 0\n" * count)


def tensors(path, count):
    """A header of `SIZE` bytes."""
    header = {f"{k}": {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]} for k in range(count)}
    header["__metadata__"] = {"format": "dpskit-prior-1", "network": "{}", "card": "{}"}
    text = json.dumps(header, separators=(",", ":")).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text)


def card(path, text):
    header = {"__metadata__": {"format": "dpskit-prior-1", "network": "{}", "card": text}}
    text = json.dumps(header, separators=(",", ":")).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text)


def text(path, row):
    plain(path, row)


def toml(path, kind):
    path.write_text(f'[coarse]\npoints = "{kind}"\n')
    if kind.endswith("txt"):
        plain(path.with_name(kind), b"0 0 0\n")
    else:
        npy(path.with_name(kind), np.uint8, (SIZE // 3, 3))


def about(path, length):
    """Samples whose note is long."""
    arrays = {"points": ((1, 2, 3), "<f4"), "energy": ((1,), "<f4"), "about": ((), f"<U{length}")}
    npz(path, arrays)


CASES = {
    "atoms.cif.gz": (cif_gz, "structure"),
    "narrow.cif.gz": (cif_narrow_gz, "structure"),
    "trace.cif.gz": (cif_trace_gz, "structure"),
    "narrow.cif": (cif_narrow, "structure"),
    "rest.cif.gz": (cif_rest_gz, "structure"),
    "entities.cif.gz": (cif_entities_gz, "structure"),
    "entities.cif": (cif_entities, "structure"),
    "tags.cif.gz": (cif_tags_gz, "structure"),
    "tags.cif": (cif_tags, "structure"),
    "fields.cif.gz": (cif_fields_gz, "structure"),
    "semicolons.cif.gz": (cif_semicolons_gz, "structure"),
    "semicolons.cif": (cif_semicolons, "structure"),
    "names.cif": (cif_names, "structure"),
    "label.cif": (cif_long_label, "structure"),
    "row.cif": (cif_one_row, "structure"),
    "atoms.pdb.gz": (pdb_gz, "structure"),
    "atoms.pdb": (pdb, "structure"),
    "empty.pdb.gz": (pdb_empty_gz, "structure"),
    "empty.pdb": (pdb_empty, "structure"),
    "remarks.pdb": (pdb_remarks, "structure"),
    "remarks.pdb.gz": (pdb_remarks_gz, "structure"),
    "short.pdb.gz": (pdb_ter_gz, "structure"),
    "cr.pdb.gz": (pdb_cr_gz, "structure"),
    "utf16.pdb.gz": (pdb_utf16_gz, "structure"),
    "runs.bcif": (bcif, "structure"),
    "lists.bcif": (bcif_lists, "structure"),
    "runs.bcif.gz": (bcif_gz, "structure"),
    "bytes.mrc": (lambda p: mrc(p, 0, 1, SIZE - 1024), "map"),
    "half-bytes.mrc": (lambda p: mrc(p, 101, 0.5, SIZE - 1024), "map"),
    "floats.mrc.gz": (lambda p: mrc(p, 2, 4, (1 << 27) - 1024), "map"),
    "bytes.mrc.gz": (lambda p: mrc(p, 0, 1, (1 << 25) - 1024), "map"),
    "bytes.mrcs.gz": (lambda p: mrc(p, 0, 1, (1 << 25) - 1024), "images"),
    "angles.star": (star, "poses"),
    "images.star": (star_images, "poses"),
    "tags.star": (star_tags, "poses"),
    "images.cs": (lambda p: cs(p, [("blob/path", "S1"), ("blob/idx", "u1")], SIZE // 2 - 100), "poses"),
    "poses.cs": (lambda p: cs(p, [("alignments3D/pose", "<f2", 3), ("alignments3D/shift", "<f2", 2),
                                  ("alignments3D/psize_A", "<f2")], 100), "poses"),
    "points.npz": (lambda p: npz(p, {"points": ((1000, 16000, 3), "<f4")}), "clouds"),
    "bytes.npz": (lambda p: npz(p, {"points": ((1, 16_400_000, 3), "u1")}), "clouds"),
    "bytes2.npz": (lambda p: npz(p, {"points": ((16_400_000, 3), "u1")}), "clouds"),
    "packed.npz": (lambda p: npz(p, {"points": ((16_400_000, 1, 3), "u1")}), "packed"),
    "words.npz": (lambda p: npz(p, {"points": ((1000, 1, 3), "<f4"), "name": ((1000,), "S47000")}), "packed"),
    "entries.npz": (npz_entries, "clouds"),
    "samples.npz": (lambda p: npz(p, {"points": ((1, 16_000_000, 3), "<f4")}), "samples"),
    "about.npz": (lambda p: about(p, 45_000_000), "samples"),
    "bytes.npy": (lambda p: npy(p, np.uint8, (SIZE // 3 - 100, 3)), "clouds"),
    "rows.xyz": (lambda p: text(p, b"0 0 0\n"), "points"),
    "lines.txt": (lambda p: text(p, b"\n"), "points"),
    "words.txt": (lambda p: text(p, b"a\n"), "points"),
    "columns.txt": (lambda p: text(p, b"0 "), "points"),
    "faces.off": (off, "points"),
    "rows.off": (off_rows, "points"),
    "quads.off": (off_quads, "points"),
    "words.off": (off_words, "points"),
    "dents.off": (off_dent, "points"),
    "triangles.ply": (ply, "points"),
    "dents.ply": (lambda p: ply(p, corners=5), "points"),
    "points.ply": (ply_points, "points"),
    "text.ply": (ply_text, "points"),
    "tensors.safetensors": (lambda p: tensors(p, 330_000), "prior"),
    "card.safetensors": (lambda p: card(p, '{"a":' + "[" * 9_000_000), "prior"),
    "card2.safetensors": (lambda p: card(p, '{"a":[' + "[]," * 6_000_000 + "1]}"), "prior"),
    "text.toml": (lambda p: toml(p, "points.txt"), "observations"),
    "npy.toml": (lambda p: toml(p, "points.npy"), "observations"),
    "list.list": (lambda p: text(p, b"7pbl\n"), "clouds"),
}  # fmt: skip


def read(reader, path):
    """(seconds, MB, "fine" or what the error said)."""
    doors = {
        "structure": dpskit.read_structure, "map": dpskit.read_map, "images": dpskit.read_images,
        "poses": dpskit.read_poses, "samples": dpskit.load_samples, "prior": dpskit.load_prior,
        "observations": dpskit.read_observations,
    }  # fmt: skip
    if reader == "clouds":
        from dpskit.data.shapes import read_clouds

        door = partial(read_clouds, progress=False)
    elif reader == "packed":
        from dpskit.data.packed import read_packed as door
    elif reader == "points":
        from dpskit.data.cloud_files import read_points as door
    else:
        door = doors[reader]
    warnings.simplefilter("ignore")
    shared = BASE - peak_kilobytes()
    resource.setrlimit(resource.RLIMIT_CPU, (6 * SECONDS, 6 * SECONDS))
    started = time.process_time()
    try:
        door(path)
        said = "fine"
    except (ValueError, TypeError, OSError) as error:
        said = str(error)
    peak = (peak_kilobytes() + shared) >> 10
    return time.process_time() - started, peak, said


def apart(function, *arguments):
    """The result of a function in a child process, None for one that was killed."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.write(theirs, json.dumps(function(*arguments)).encode())
            status = 0
        except Exception:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    os.close(theirs)
    with os.fdopen(ours) as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    return json.loads(answer) if answer else None


def unpacked(path):
    if path.suffix == ".gz":
        size = 0
        with gzip.open(path) as file:
            while piece := file.read(1 << 22):
                size += len(piece)
        return size
    if path.suffix == ".npz":
        return sum(entry.file_size for entry in zipfile.ZipFile(path).infolist())
    return path.stat().st_size


def main(names):
    fault = False
    with tempfile.TemporaryDirectory() as made:
        for name in names or CASES:
            path = Path(made) / name
            make, reader = CASES[name]
            apart(make, path)
            seconds, peak, said = apart(read, reader, path) or (6 * SECONDS, 0, "no answer")
            bad = seconds > SECONDS or peak > MEMORY >> 20
            fault |= bad
            sizes = f"{path.stat().st_size / 1e6:6.1f} {unpacked(path) / 1e6:7.1f}"
            print(f"{'!' if bad else ' '} {name:22} {sizes} MB  {seconds:6.1f} s {peak:6} MB  "
                  f"{said.replace(str(path), name):.150}", flush=True)  # fmt: skip
            for file in Path(made).iterdir():
                file.unlink()
    return 1 if fault else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
