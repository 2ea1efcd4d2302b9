"""Samples over an atomic model in nglview."""

import json
import sys
from pathlib import Path

import gemmi
import nglview
import torch

import dpskit
from dpskit.widgets.molecule_view import _pdb_text, molecule_view


def test_the_front_end_of_nglview_is_the_one_python_asks_for():
    """Otherwise every molecule is a red box in the browser, while nothing fails in Python."""
    folder = Path(sys.prefix) / "share" / "jupyter" / "labextensions" / "nglview-js-widgets"
    package = json.loads((folder / "package.json").read_text())
    assert package["version"] == nglview._frontend.__frontend_version__


def test_beads_are_where_the_points_are():
    points = torch.tensor([[0.0, 1.5, -2.25], [123.456, -99.999, 7.0]])
    atoms = [site.atom for site in gemmi.read_pdb_string(_pdb_text(points))[0].all()]
    assert [atom.element.name for atom in atoms] == ["Na", "Na"]
    assert torch.allclose(torch.tensor([atom.pos.tolist() for atom in atoms]), points, atol=1e-3)


def test_a_component_for_the_model_and_for_each_sample():
    ruvab = dpskit.load_example("ruvab")
    view = molecule_view(ruvab.structure_path, ruvab.points[:20].repeat(3, 1, 1), ruvab.frame)
    assert len(view._ngl_component_ids) == 4
