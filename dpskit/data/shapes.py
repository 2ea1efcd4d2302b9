"""Read data sets of shapes and structures, in the layouts in which they come, as named clouds."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dpskit.arrays import open_npz
from dpskit.checks import check_integer, check_seed
from dpskit.data.archive import fetch_archive
from dpskit.data.cloud_files import SUFFIXES, read_points
from dpskit.data.coarse_grain import coarse_grain
from dpskit.data.packed import N_POINTS, NamedCloud, read_packed
from dpskit.data.structures import SUFFIXES as STRUCTURES
from dpskit.data.structures import is_pdb_code, read_structure
from dpskit.data.text import decode

SHAPENET_PART_URL = "https://shapenet.cs.stanford.edu/media/shapenetcore_partanno_segmentation_benchmark_v0_normal.zip"
CATEGORIES = "synsetoffset2category.txt"  # marks the root of the ShapeNet part annotation
SPLITS = ("train", "val", "test")
LISTS = (".txt", ".csv", ".list")
N_MEANS = 1024
MAX_LIST = 1 << 21  # bytes: all entries of the PDB take half of it
NAMED = 20  # of the items that are skipped, in a message


@dataclass(frozen=True)
class _Item:
    """A file, or what stands for one. category and splits: as the layout tells them; None where only the file does."""

    name: str
    read: Callable[[], list[NamedCloud]]
    category: str | None = None
    splits: tuple[str, ...] | None = None

    def clouds(self, split: str | None) -> list[NamedCloud]:
        """The clouds with their labels; a file in several splits is given the one that is asked for, or the first."""
        if self.splits is None or self.category is None:
            return self.read()
        label = split or next(iter(self.splits), "")
        return [replace(cloud, category=self.category, split=label) for cloud in self.read()]


def read_clouds(
    source: str | Path | Sequence[str | Path],
    *,
    category: str | Sequence[str] | None = None,
    split: str | None = None,
    n_points: int | None = None,
    seed: int = 0,
    progress: bool = True,
) -> list[NamedCloud]:
    """Read every cloud of `source`, in the unit of the source; the clouds may differ in size. `source` is one of

    - a folder of the ShapeNet part annotation, either layout (synset/id.txt, or synset/points/id.pts), or the URL of
      its zip file (`SHAPENET_PART_URL`), which is downloaded and unpacked once into the folder DPSKIT_CACHE;
    - a folder of .off, .ply, .npy, .npz, .xyz, .pts or .txt clouds or of structure files, however deep: folders named
      train, val or test give the split, all others the category, as in ModelNet (category/split/name.off);
    - one such file, a packed npz file (see `dpskit.data.packed`) or one with a cloud (m, 3) under each name, or a PDB
      code;
    - a text file (.txt, .csv or .list) of PDB codes or structure files, or a list of any of these.

    Hidden files and folders are passed over.

    category, split: keep only these (case does not matter for categories). n_points: drawn from a mesh uniformly by
    area (default 4,096), and means fitted to a structure by `coarse_grain` (default 1,024); other clouds stay as they
    are. An item that is empty, corrupt, not finite or a single place is skipped, and one warning at the end names all
    of these and counts them. Raises ValueError when nothing is left, and FileNotFoundError for a missing source.
    """
    from dpskit.progress import tqdm

    if n_points is not None:
        check_integer("n_points", n_points)
    sources = [source] if isinstance(source, str | Path) else list(source)
    categories = {c.lower() for c in ([category] if isinstance(category, str) else category or ())}

    def wanted(name: str | None, splits: tuple[str, ...] | None) -> bool:
        fits = name is None or not categories or name.lower() in categories
        return fits and (splits is None or split is None or split in splits)

    items = [item for one in sources for item in _items(one, n_points, check_seed("seed", seed))]
    chosen = [item for item in items if wanted(item.category, item.splits)]
    clouds: list[NamedCloud] = []
    skipped: list[str] = []
    seen = 0
    for item in tqdm(chosen, desc="reading", unit="item", disable=not progress):
        try:
            found = [cloud for cloud in item.clouds(split) if wanted(cloud.category, (cloud.split,))]
        except Exception as error:  # whatever a reader makes of a corrupt file, the others must be read
            found, seen = [], seen + 1
            skipped.append(f"{item.name} ({_reason(error)})")
        seen += len(found)
        for cloud in found:
            fault = _fault(cloud.points)
            if fault:
                skipped.append(f"{cloud.name} ({fault})")
            else:
                clouds.append(cloud)
    label = str(sources[0]) if len(sources) == 1 else f"{len(sources)} sources"
    if not clouds:
        asked = f" of category {category!r}" * bool(categories) + f" of split {split!r}" * (split is not None)
        raise ValueError(f"source must hold clouds{asked}, but {label} gave none{_list_skipped(skipped, seen)}.")
    if skipped:
        message = f"{len(clouds)} clouds were read from {label}{_list_skipped(skipped, seen)}."
        warnings.warn(message, stacklevel=2)
    return clouds


def _list_skipped(skipped: list[str], seen: int) -> str:
    if not skipped:
        return ""
    more = f" and {len(skipped) - NAMED} more" if len(skipped) > NAMED else ""
    return f"; skipped {len(skipped)} of {seen}: {', '.join(skipped[:NAMED])}{more}"


def _reason(error: Exception) -> str:
    text = (str(error).splitlines() or [""])[0].rstrip(".")
    return text or type(error).__name__


def _fault(points: Tensor) -> str | None:
    """What makes a cloud useless, or None."""
    if len(points) == 0:
        return "it is empty"
    if not bool(torch.isfinite(points).all()):
        return "it holds NaN or infinity"
    return "all its points coincide" if bool((points == points[0]).all()) else None


def _items(source: str | Path, n_points: int | None, seed: int) -> list[_Item]:
    """The items of a source, by its kind."""
    text = str(source)
    if re.match(r"https?://", text):
        path = fetch_archive(text)
    elif is_pdb_code(source):
        return [_structure(source, n_points, seed)]
    else:
        path = Path(source).expanduser()
    if path.is_dir():
        roots = sorted([path, *(sub for sub in path.iterdir() if sub.is_dir())], key=lambda p: p != path)
        root = next((folder for folder in roots if (folder / CATEGORIES).is_file()), None)
        return list(_shapenet(root) if root else _folder(path, n_points, seed))
    if not path.exists():
        raise FileNotFoundError(f"source must be an existing folder or file, a URL or a PDB code, got {text!r}.")
    if path.suffix.lower() in LISTS:
        return list(_listed(path, n_points, seed))
    return [_file(path, path.name, n_points, seed)]


def _shapenet(root: Path) -> Iterator[_Item]:
    """The files of every synset, and those that the split names but that are not there."""
    rows = (line.split() for line in decode((root / CATEGORIES).read_bytes()).split("\n"))
    categories = {row[1]: row[0] for row in rows if len(row) == 2}
    splits: dict[tuple[str, str], dict[str, None]] = {}
    for split in SPLITS:
        path = root / "train_test_split" / f"shuffled_{split}_file_list.json"
        for entry in json.loads(decode(path.read_bytes())) if path.is_file() else []:
            synset, name = entry.split("/")[-2:]
            splits.setdefault((synset, name), {})[split] = None
    files = {
        (synset, path.stem): path
        for synset in categories
        for path in (*sorted((root / synset).glob("*.txt")), *sorted((root / synset / "points").glob("*.pts")))
    }
    for key in dict.fromkeys([*files, *splits]):
        synset, name = key
        member = tuple(splits.get(key, ()))
        path = files.get(key, root / synset / f"{name}.txt")
        yield _plain(path, f"{synset}/{name}", categories.get(synset, synset), member, N_POINTS, 0)


def _folder(root: Path, n_points: int | None, seed: int) -> Iterator[_Item]:
    """All files of a known kind below `root`."""
    paths = [path for path in _visible(root) if path.is_file() and (_is_cloud(path) or _is_structure(path))]
    if not paths:
        known = ", ".join([".npz", *SUFFIXES, *STRUCTURES])
        raise ValueError(f"source must hold files that end in one of {known}, but {str(root)!r} has none.")
    for path in paths:
        inner = path.relative_to(root)
        folders = inner.parent.parts
        category = "/".join(part for part in folders if part not in SPLITS)
        splits = tuple(part for part in folders if part in SPLITS)
        yield _file(path, str(inner), n_points, seed, category, splits)


def _visible(root: Path) -> list[Path]:
    """Everything below `root` but what is hidden, by a name that begins with a dot, or what archives of macOS add."""
    paths = ((path, path.relative_to(root).parts) for path in root.rglob("*"))
    return sorted(
        path for path, parts in paths if not any(part.startswith(".") or part == "__MACOSX" for part in parts)
    )


def _listed(path: Path, n_points: int | None, seed: int) -> Iterator[_Item]:
    """PDB codes and files (relative to the list), separated by blanks or commas. # begins a comment.

    A name may hold blanks, commas and # if there is such a file.
    """
    if path.stat().st_size > MAX_LIST:
        raise ValueError(f"source must be a list of at most {MAX_LIST >> 20} MB, or clouds in another format: {path}.")
    for line in decode(path.read_bytes()).split("\n"):
        for entry in _entries(path.parent, line.strip()):
            yield _structure(entry if is_pdb_code(entry) else path.parent / Path(entry).expanduser(), n_points, seed)


def _entries(folder: Path, text: str) -> list[str]:
    """The names in a line of a list: the whole of it if there is such a file, or else its parts."""
    for name in (text, text.partition("#")[0].strip()):
        name = name.strip("\"'") if name[:1] == name[-1:] and name[:1] in ("'", '"') else name
        if not name or (len(name) < 4096 and "\0" not in name and (folder / Path(name).expanduser()).is_file()):
            return [name] if name else []
    text = text.partition("#")[0].strip()
    if "," in text:
        return [entry for part in text.split(",") for entry in _entries(folder, part.strip())]
    words = text.split()
    known = [is_pdb_code(word) or _is_structure(Path(word)) for word in words]
    return words if all(known) else [text]


def _is_cloud(path: Path) -> bool:
    return path.suffix.lower() in (".npz", *SUFFIXES)


def _is_structure(path: Path) -> bool:
    """Whether the last suffix, or the one before .gz, is that of a structure."""
    last = path.with_suffix("").suffix if path.suffix.lower() == ".gz" else path.suffix
    return last.lower() in STRUCTURES


def _file(
    path: Path, name: str, n_points: int | None, seed: int, category: str = "", splits: tuple[str, ...] = ()
) -> _Item:
    if _is_structure(path):
        return _structure(path, n_points, seed, category, splits)
    if path.suffix.lower() == ".npz":
        return _Item(name, lambda: _npz(path, name, category, splits))
    return _plain(path, name, category, splits, n_points or N_POINTS, seed)


def _npz(path: Path, name: str, category: str, splits: tuple[str, ...]) -> list[NamedCloud]:
    """One cloud, `points` (m, 3); a packed file, whose own categories and splits count; or a cloud under each name."""
    stem, split = name.removesuffix(".npz"), splits[0] if splits else ""
    with open_npz(path) as file:
        if "points" in file and file["points"].ndim == 3:
            return read_packed(path, name).clouds()
        arrays = {stem: file["points"]} if "points" in file else {f"{stem}/{key}": file[key] for key in file}
    wrong = [
        f"{key}: {points.shape} {points.dtype}"
        for key, points in arrays.items()
        if points.ndim != 2 or points.shape[1] != 3 or points.dtype.kind not in "fiu"
    ]
    if wrong or not arrays:
        shapes = ", ".join(wrong) or "no array"
        raise ValueError(
            f"points must have shape (m, 3) or (k, m, 3), and other arrays (m, 3), of numbers, got {shapes}"
        )
    clouds = {key: torch.from_numpy(points.astype(np.float32)) for key, points in arrays.items()}
    return [NamedCloud(key, cloud, category, split) for key, cloud in clouds.items()]


def _plain(path: Path, name: str, category: str, splits: tuple[str, ...], n_points: int, seed: int) -> _Item:
    def read() -> list[NamedCloud]:
        if not path.is_file():
            raise FileNotFoundError("there is no such file")
        return [NamedCloud(name.removesuffix(path.suffix), read_points(path, n_points, seed))]

    return _Item(name, read, category, splits)


def _structure(
    source: str | Path, n_points: int | None, seed: int, category: str = "", splits: tuple[str, ...] = ()
) -> _Item:
    """A structure file or PDB code, coarse-grained, in angstrom."""

    def read() -> list[NamedCloud]:
        structure = read_structure(source)
        coarse = coarse_grain(structure.atoms, n_points or N_MEANS, seed)
        return [NamedCloud(structure.name, coarse.frame.to_physical(coarse.points))]

    return _Item(Path(source).name, read, category, splits)
