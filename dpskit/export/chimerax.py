"""A script that opens a result in ChimeraX as the report shows it."""

from __future__ import annotations

import os
from pathlib import Path

from dpskit.checks import check_path
from dpskit.files import replacing

PALETTE = "#3b4cc0:#dddddd:#b40426"  # from points on which the models agree to others


def write_chimerax(
    path: str | Path,
    *,
    models: str | Path | None = None,
    medoid: str | Path | None = None,
    density: str | Path | None = None,
) -> None:
    """Write a ChimeraX script (.cxc) that opens the files of a result.

    Parameters
    ----------
    path : str or Path
        The script. The other files are named relative to its folder, so that the folder can be moved.
    models, medoid : str or Path, optional
        What `export_structure` wrote. The medoid is shown as balls coloured by their spread, the ensemble is hidden.
    density : str or Path, optional
        What `export_density` wrote; shown as a transparent surface.

    Raises
    ------
    ValueError
        For another ending, and without any file to open.
    FileNotFoundError
        For a file that is not there.

    Examples
    --------
    >>> import dpskit, pathlib
    >>> structure = dpskit.load_example("ruvab")
    >>> dpskit.export_structure(structure.points[None], "ruvab.cif", frame=structure.frame)
    >>> dpskit.write_chimerax("ruvab.cxc", models="ruvab.cif")
    >>> 'open "ruvab.cif" id 1' in pathlib.Path("ruvab.cxc").read_text()
    True
    """
    path = check_path("path", path)
    if path.suffix != ".cxc":
        raise ValueError(f"path must end in .cxc, got {path}.")
    found = {"medoid": medoid, "models": models, "density": density}
    given = {name: check_path(name, value) for name, value in found.items() if value is not None}
    if not given:
        raise ValueError("models, medoid or density must be given, got none.")
    for name, value in given.items():
        if not value.is_file():
            raise FileNotFoundError(f"{name} must be an existing file, got {str(value)!r}.")
    commands = {
        "medoid": ["show {} atoms", "style {} sphere", "size {} atomRadius 2.5", _coloured()],
        "models": ["show {} atoms", "style {} sphere", "size {} atomRadius 1.0", _coloured(), "hide {} models"],
        "density": ["volume {} style surface", "transparency {} 60", "color {} #bbbbbb"],
    }
    lines = [
        "# dpskit: models agree on blue points, and differ in red ones (B factor of the spread)",
        "close session",
    ]
    for number, (name, file) in enumerate(given.items(), start=1):
        lines.append(f'open "{Path(os.path.relpath(file, path.parent)).as_posix()}" id {number}')
        lines += [command.format(f"#{number}") for command in commands[name]]
    lines += ["set bgColor white", "lighting soft", "view"]
    with replacing(path) as part:
        part.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _coloured() -> str:
    return f"color byattribute a:bfactor {{}} palette {PALETTE}"
