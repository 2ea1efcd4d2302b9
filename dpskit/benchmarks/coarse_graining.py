"""Coarse-grain structures: how long it takes, and how far the atoms are from the means."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dpskit.data.coarse_grain import coarse_grain
from dpskit.data.structures import check_structure_files, read_structure
from dpskit.evaluation.alignment import rmsd_to_atoms
from dpskit.markdown import markdown_table


@dataclass(frozen=True)
class CoarseGraining:
    """One structure: its heavy polymer atoms, chains and assembly, CPU seconds of the fit, and the RMSD in angstrom of
    the atoms from the nearest mean."""

    name: str
    atoms: int
    chains: int
    assembly: str | None
    seconds: float
    rmsd: float


def coarse_graining_benchmark(
    sources: Sequence[str | Path], n_points: int = 1024, seed: int = 0
) -> list[CoarseGraining]:
    """Read and coarse-grain each of `sources` (files or PDB codes) anew, whatever the cache holds.

    Raises FileNotFoundError at once for a file that is missing, and ValueError for one that cannot be read or has fewer
    atoms than n_points.
    """
    from sklearn.cluster import KMeans  # noqa: F401  so that its import is not timed

    from dpskit.progress import tqdm

    check_structure_files(sources)
    results = []
    for source in tqdm(sources, desc="coarse-graining", unit="structure"):
        structure = read_structure(source)
        start = time.process_time()
        model = coarse_grain(structure.atoms, n_points, seed, cache=False, progress=False)
        seconds = time.process_time() - start
        rmsd = float(rmsd_to_atoms(model.frame.to_physical(model.points), structure.atoms))
        chains = len(set(structure.chains.tolist()))
        results.append(CoarseGraining(structure.name, len(structure.atoms), chains, structure.assembly, seconds, rmsd))
    return results


def coarse_graining_table(results: Sequence[CoarseGraining]) -> str:
    """A row per structure as Markdown, and the total."""
    rows = [
        [r.name, f"{r.atoms:,}", str(r.chains), r.assembly or "–", f"{r.seconds:.1f}", f"{r.rmsd:.2f}"] for r in results
    ]
    table = markdown_table(["entry", "atoms", "chains", "assembly", "coarse-graining (CPU s)", "RMSD (Å)"], rows)
    return f"{table}\n\n{sum(r.atoms for r in results):,} atoms in all, {sum(r.seconds for r in results):.1f} s."
