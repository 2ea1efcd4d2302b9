"""Files of every kind that is read, made here, and then damaged: cut, flipped, spliced, repeated, packed."""

import gzip
import io
import random
import sys
from pathlib import Path

import mrcfile
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "data"))
import made_structures as made

import dpskit
from dpskit.data.packed import read_packed
from dpskit.data.shapes import read_clouds

TOKENS = (b"nan", b"-1", b"1e400", b"?", b"0", b"999999999999", b"\xff\xfe", b"\0", b"'", b"(1-9)(2)", b"#", b"\r",
          b";\n", b"[[", b"loop_\n", b"MODEL 1\n", b"TER\n", b"END\n", b"\xc3\x85")  # fmt: skip


def _npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def _npz(**arrays):
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def _mrc(shape, folder):
    path = folder / "made.mrc"
    with mrcfile.new(path, overwrite=True) as file:
        file.set_data(np.random.default_rng(0).normal(size=shape).astype(np.float32))
        file.voxel_size = 1.5
    return path.read_bytes()


STAR = (
    "data_optics\nloop_\n_rlnOpticsGroup #1\n_rlnImagePixelSize #2\n1 1.5\n\ndata_particles\nloop_\n"
    "_rlnAngleRot #1\n_rlnAngleTilt #2\n_rlnAnglePsi #3\n_rlnOriginXAngst #4\n_rlnOriginYAngst #5\n_rlnOpticsGroup #6\n"
    "10 20 30 1.5 2.5 1\n40 50 60 0 0 1\n"
)
TOML = '[[projection]]\npoints = "view.txt"\nrotation = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]\nweight = 2\n'
POINTS = np.random.default_rng(0).normal(size=(20, 3)).round(3)
ROWS = "".join("{} {} {}\n".format(*row) for row in POINTS.tolist()).encode()
OFF = b"OFF\n4 2 0\n0 0 0\n2 0 0\n2 1 0\n0 1 0\n4 0 1 2 3\n3 0 1 2 255 0 0\n"
PLY = b"ply\nformat ascii 1.0\nelement vertex 4\nproperty float x\nproperty float y\nproperty float z\n"
PLY += b"element face 1\nproperty list uchar int vertex_indices\nend_header\n0 0 0\n2 0 0\n2 1 0\n0 1 0\n4 0 1 2 3\n"


def _clouds(path):
    return read_clouds(path, n_points=8, progress=False)


def good_files(folder):
    """{kind: (name, content, reader)}; `folder` may be written to."""
    structure = made.mmcif(made.peptide(), extra=made.assembly("(1-2)(3,4)")).encode()
    pdb = ("HEADER    X\n" + made.pdb(made.peptide()) + "TER\n" + made.pdb(made.waters(3)) + "END\n").encode()
    prior = Path(dpskit.__file__).parent / "priors" / "weights" / "shapes.safetensors"
    (folder / "samples.npz").unlink(missing_ok=True)
    dpskit.Samples(dpskit.load_example("chair").points[None, :8], None, {"a": 1}, 0, "0").save(folder / "samples.npz")
    (folder / "view.txt").write_bytes(b"".join(row.rsplit(b" ", 1)[0] + b"\n" for row in ROWS.splitlines()))
    return {
        "mmcif": ("a.cif", structure, dpskit.read_structure),
        "mmcif.gz": ("a.cif.gz", gzip.compress(structure, mtime=0), dpskit.read_structure),
        "pdb": ("a.pdb", pdb, dpskit.read_structure),
        "xyz": ("a.xyz", ROWS, _clouds),
        "npy": ("a.npy", _npy(POINTS), _clouds),
        "npz": ("a.npz", _npz(points=POINTS), _clouds),
        "packed": ("a.npz", _npz(points=np.stack([POINTS, POINTS]), size=np.array([20, 9])), read_packed),
        "off": ("a.off", OFF, _clouds),
        "ply": ("a.ply", PLY, _clouds),
        "list": ("list.txt", b"a.cif, other.pdb\n7pb\n", _clouds),
        "toml": ("o.toml", TOML.encode(), dpskit.read_observations),
        "view": (
            "view.txt",
            (folder / "view.txt").read_bytes(),
            lambda path: dpskit.read_observations(folder / "p.toml"),
        ),
        "samples": ("samples.npz", (folder / "samples.npz").read_bytes(), dpskit.load_samples),
        "map": ("a.mrc", _mrc((4, 5, 6), folder), dpskit.read_map),
        "images": ("a.mrcs", _mrc((3, 6, 6), folder), dpskit.read_images),
        "star": ("a.star", STAR.encode(), dpskit.read_poses),
        "prior": ("p.safetensors", prior.read_bytes()[:200_000], dpskit.load_prior),
    }


def damage(content, number):
    """`content`, changed in one to three ways that `number` draws."""
    draw = random.Random(number)
    for _ in range(draw.randint(1, 3)):
        place = draw.randrange(len(content) + 1)
        way = draw.randrange(7)
        if way == 0:
            content = content[:place]
        elif way == 1 and content:
            k = min(place, len(content) - 1)
            content = content[:k] + bytes([content[k] ^ 1 << draw.randrange(8)]) + content[k + 1 :]
        elif way == 2:
            content = content[:place] + draw.choice(TOKENS) + content[place:]
        elif way == 3:
            lines = content.split(b"\n")
            k = draw.randrange(len(lines))
            content = b"\n".join(lines[:k] + lines[k + 1 :])
        elif way == 4:
            lines = content.split(b"\n")
            k = draw.randrange(len(lines))
            content = b"\n".join([*lines[:k], *[lines[k]] * draw.choice((2, 50)), *lines[k:]])
        elif way == 5:
            words = content.split(b" ")
            k = draw.randrange(len(words))
            content = b" ".join([*words[:k], draw.choice(TOKENS), *words[k + 1 :]])
        else:
            content = content[place:] + content[: place // 2]
    return content
