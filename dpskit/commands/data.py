"""`dpskit data`: read data sets of any kind, and pack them into one file to train on."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from dpskit.commands.parser import add_command


def add(commands: Any) -> None:
    """Add the command to the parser's `commands`."""
    data = add_command(commands, "data", run, "read clouds of any kind, and pack them into one npz file to train on")
    data.add_argument("source", nargs="+", help="folder, file, list of PDB codes, PDB code or URL")
    data.add_argument("--out", required=True, help="npz file to write")
    data.add_argument("--n-points", type=int, help="per cloud (default: 4096, or 1024 for structures)")
    data.add_argument("--category", action="append", help="keep only this category; may be repeated")
    data.add_argument("--split", choices=["train", "val", "test"], help="keep only this split")
    data.add_argument("--balance", action="store_true", help="in training, draw large structures more often and let"
                      " near relatives share; all must be in the same unit")  # fmt: skip
    data.add_argument("--seed", type=int, default=0, help="random seed of the points that are drawn")
    data.add_argument("--draws", type=int, default=1, help="clouds of each object, by this seed and the next: other"
                      " points of a mesh, other fits of a structure")  # fmt: skip


def run(options: argparse.Namespace) -> None:
    import warnings

    from dpskit.checks import check_integer
    from dpskit.claim import claim
    from dpskit.data.packed import Packed, join_packed, pack_clouds
    from dpskit.data.shapes import read_clouds

    def packed_by(seed: int) -> Packed:
        clouds = read_clouds(
            options.source, category=options.category, split=options.split, n_points=options.n_points, seed=seed
        )
        return pack_clouds(clouds, options.n_points, seed, balance=options.balance)

    with claim(options.out) as out:
        if any(out.resolve() == Path(source).expanduser().resolve() for source in options.source if "\0" not in source):
            raise ValueError(f"out must be another file than the source {options.out!r}, which it would replace.")
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_: print(f"dpskit: {message}", file=sys.stderr)
            packed = join_packed([packed_by(options.seed + k) for k in range(check_integer("--draws", options.draws))])
        packed.save(out)
    count, n_points = packed.points.shape[:2]
    fewer = packed.size[packed.size < n_points]
    repeated = f"; {len(fewer)} of them have fewer, {fewer.min()} or more, and repeat some" if len(fewer) else ""
    print(f"{out}: {count} clouds of {n_points} points{repeated}.")
