"""Ensembles laid over an atomic model, in nglview."""

from __future__ import annotations

import gzip
import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from dpskit.checks import check_points
from dpskit.cloud import Frame
from dpskit.evaluation.spread import point_spread
from dpskit.export.density import DensityMap, ensemble_density, write_map
from dpskit.plots.colours import BASELINE_COLOUR, SAMPLE_COLOUR, SPREAD_COLOURS

if TYPE_CHECKING:
    import ipywidgets

STYLE = '.dpskit-molecule [style*="background-color"] { background-color: transparent !important; }'
"""Light or dark as the page: NGL and nglview paint their backgrounds white."""
FOLLOW = "new ResizeObserver(() => this.stage.handleResize()).observe(this.el)"
"""NGL keeps the size that it had at first, and would be cut where a window becomes narrower."""
FOG = "#888888"  # what is far away turns into this grey, which is seen on white and on black
MODEL_COLOUR = "#cccccc"  # so that the colours are those of the beads alone
COVERED = 0.3  # of a face of the cube, by the beads of all samples: much of the model stays in sight


class MoleculeView:
    """An nglview widget of named layers that can be switched on and off; `view` is the NGLWidget, `box` the whole.

    What it takes care of: beads are written as ions, between which NGL draws no bonds; everything is loaded at once,
    because spheres outside of the first bounding box are clipped; layers are hidden and shown, never removed, so that
    the numbers of the components stay right; maps are sent by value and say where they lie in one way only, because NGL
    adds up MRC's two.
    """

    def __init__(self, width: str = "100%", height: str = "480px") -> None:
        import ipywidgets
        import nglview

        self.view = nglview.NGLWidget()
        self.view.background = FOG
        self.view._remote_call("setSize", target="Widget", args=[width, height])
        self.view._js(FOLLOW)
        self.layers: dict[str, list[int]] = {}
        self._toggles = ipywidgets.HBox(layout={"flex_flow": "row wrap"})
        self.legend, self._entries = ipywidgets.HTML(), dict[str, str]()
        style = ipywidgets.HTML(f"<style>{STYLE}</style>", layout={"height": "0", "margin": "0"})
        self.box: ipywidgets.VBox = ipywidgets.VBox([self._toggles, self.legend, self.view, style])
        self.box.add_class("dpskit-molecule")

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(self.box)

    def add_structure(self, layer: str, path: str | Path, *, shown: bool = True) -> None:
        """A structure file as a grey cartoon: its first biological assembly, as `read_structure` has it.

        A file with one atom per residue, such as the shipped ribosome, is drawn as a tube.
        """
        import gemmi
        import nglview

        path = Path(path)
        text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()
        structure = nglview.TextStructure(text, ext="cif" if ".cif" in path.suffixes else "pdb")
        component = self._add(layer, structure, shown)
        model = gemmi.read_structure(str(path))
        is_trace = model[0].count_atom_sites() < 2 * sum(len(chain) for chain in model[0])
        self._explain(layer, _swatch(MODEL_COLOUR) + layer)
        shape = {"color": MODEL_COLOUR, "opacity": 0.7, "assembly": "BU1"}
        if is_trace:
            component.add_representation("tube", radius=0.4, **shape)
        else:
            component.add_representation("cartoon", **shape)
        if len(self.layers) == 1:
            component.center()

    def add_beads(
        self,
        layer: str,
        points: Tensor,
        spread: Tensor | None = None,
        *,
        colour: str = "",
        shown: bool = True,
        radius: float = 1.0,
    ) -> None:
        """Beads at `points` (n, 3), in angstrom, of one `colour`, or coloured by their `spread` (n,).

        The colours end where 95 % of the spread lies, so that outliers leave the others theirs; a legend says where.
        """
        import nglview

        values = [0.0] * len(points) if spread is None else spread.tolist()
        component = self._add(layer, nglview.TextStructure(_pdb_text(points, values), ext="pdb"), shown)
        if colour or spread is None:
            colour = colour or SPREAD_COLOURS[0]
            component.add_representation("spacefill", radius=radius, color=colour)
            self._explain(layer, _swatch(colour) + layer)
        else:
            top = float(spread.float().quantile(0.95)) or 1.0
            # Mixed in RGB, as the legend is: NGL's usual way leads through purple and brown.
            scale = {"color_scale": list(SPREAD_COLOURS), "color_domain": [0, top], "color_mode": "rgb"}
            component.add_representation("spacefill", radius=radius, color_scheme="bfactor", **scale)
            self._explain(layer, _scale(layer, top))

    def add_surface(self, layer: str, density: DensityMap, level: float, *, colour: str, shown: bool = True) -> None:
        """The surface on which `density` has the value `level`."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "density.mrc"
            write_map(density, path, origin=False)
            component = self._add(layer, str(path), shown)
        shape = {"isolevel_type": "value", "isolevel": level, "opacity": 0.35, "color": colour, "opaque_back": False}
        component.add_representation("surface", **shape)
        self._explain(layer, _swatch(colour) + layer)

    def show(self, layer: str, shown: bool = True) -> None:
        """Show or hide a layer."""
        for number in self.layers[layer]:
            component = getattr(self.view, f"component_{number}")
            component.show() if shown else component.hide()

    def _explain(self, layer: str, entry: str) -> None:
        """Say in the legend which colours a layer has."""
        self._entries[layer] = f"<span style='display: inline-block; margin-right: 16px'>{entry}</span>"
        self.legend.value = " ".join(self._entries.values())

    def _add(self, layer: str, content: object, shown: bool) -> Any:
        """Load `content` without a representation; returns nglview's handle of the component."""
        number = len(self.view._ngl_component_ids)
        self.view.add_component(content, default_representation=False)
        if layer not in self.layers:
            self.layers[layer] = []
            self._add_toggle(layer, shown)
        self.layers[layer].append(number)
        component = getattr(self.view, f"component_{number}")
        if not shown:
            component.hide()
        return component

    def _add_toggle(self, layer: str, shown: bool) -> None:
        import ipywidgets

        toggle = ipywidgets.Checkbox(value=shown, description=layer, indent=False)
        toggle.layout = ipywidgets.Layout(width="auto", margin="0 16px 0 0")
        toggle.style.description_width = "initial"
        toggle.observe(lambda change: self.show(layer, change["new"]), names="value")
        self._toggles.children = (*self._toggles.children, toggle)


def molecule_view(
    structure_path: str | Path,
    points: Tensor,
    frame: Frame,
    *,
    baseline: Tensor | None = None,
    resolution: float = 15.0,
) -> MoleculeView:
    """An atomic model as a grey cartoon, and samples over it, in layers that can be switched on and off.

    Parameters
    ----------
    structure_path : str or Path
        Of the atomic model.
    points : Tensor
        The samples (s, n, 3) in cube coordinates: beads coloured by their spread (dark where the samples agree), and,
        hidden at first, a density surface of each.
    frame : Frame
        Maps the cube to the angstrom of the structure; samples of a rotated target have to be turned back, or
        superposed, first.
    baseline : Tensor, optional
        (k, n, 3), such as maximum likelihood: its beads, hidden at first.
    resolution : float
        Of the densities, in angstrom.

    Returns
    -------
    MoleculeView
        Shown as a cell's last line.

    Raises
    ------
    ValueError
        For a wrong shape and NaN.
    """
    ordered, spread = point_spread(check_points("points", points, batched=True).cpu())
    view = MoleculeView()
    view.add_structure("atomic model", structure_path)
    radius = 2 * frame.scale * math.sqrt(COVERED / (math.pi * ordered.shape[:2].numel()))
    for cloud in ordered:
        view.add_beads("samples, by spread", frame.to_physical(cloud.double()), spread * frame.scale, radius=radius)
    extent = float((ordered.amax(dim=(0, 1)) - ordered.amin(dim=(0, 1))).max()) * frame.scale
    for cloud in ordered:  # no finer than a browser can turn, however far the samples scatter
        density, _ = ensemble_density(cloud[None], frame=frame, resolution=max(resolution, extent / 30))
        level = 0.25 * float(density.values.max())
        view.add_surface("sample densities", density, level, colour=SAMPLE_COLOUR, shown=False)
    if baseline is not None:
        for cloud in check_points("baseline", baseline, batched=True).cpu():
            physical = frame.to_physical(cloud.double())
            view.add_beads("maximum likelihood", physical, colour=BASELINE_COLOUR, shown=False, radius=radius)
    return view


def _swatch(background: str, width: int = 10) -> str:
    """A piece of a colour, or of several."""
    shape = f"display: inline-block; width: {width}px; height: 10px; margin-right: 5px"
    return f"<i style='{shape}; background: {background}'></i>"


def _scale(layer: str, top: float) -> str:
    """A bar of the colours of `layer`, from 0 to `top` angstrom."""
    bar = _swatch(f"linear-gradient(90deg, {', '.join(SPREAD_COLOURS)})", 120)
    return f"{layer}: 0 {bar}{top:.1f} Å; 95 % of the beads have less"


def _pdb_text(coordinates: Tensor, b_factors: list[float]) -> str:
    """Sodium ions in PDB format, which carry no bonds."""
    lines = [
        f"HETATM{i % 100_000:5d} NA    NA A{i % 10_000:4d}    {x:8.3f}{y:8.3f}{z:8.3f}  1.00{min(b, 999.0):6.2f}"
        "          NA"
        for i, ((x, y, z), b) in enumerate(zip(coordinates.tolist(), b_factors, strict=True), start=1)
    ]
    return "\n".join([*lines, "END"])
