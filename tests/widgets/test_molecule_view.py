"""Ensembles over an atomic model in nglview, and the static twin."""

import base64
import itertools
import json
import sys
from pathlib import Path

import gemmi
import mrcfile
import nglview
import pytest
import torch

import dpskit
from dpskit.evaluation.spread import point_spread
from dpskit.plots.molecule_figure import molecule_figure
from dpskit.widgets.molecule_view import _pdb_text, molecule_view


def test_the_front_end_of_nglview_is_the_one_python_asks_for():
    """Otherwise every molecule is a red box in the browser, while nothing fails in Python."""
    folder = Path(sys.prefix) / "share" / "jupyter" / "labextensions" / "nglview-js-widgets"
    package = json.loads((folder / "package.json").read_text())
    assert package["version"] == nglview._frontend.__frontend_version__


def test_beads_are_where_the_points_are_and_carry_their_spread():
    points = torch.tensor([[0.0, 1.5, -2.25], [123.456, -99.999, 7.0], [1.0, 2.0, 3.0]])
    structure = gemmi.read_pdb_string(_pdb_text(points, [0.5, 12.25, 5000.0]))
    atoms = [site.atom for site in structure[0].all()]
    assert [atom.element.name for atom in atoms] == ["Na"] * 3
    assert torch.allclose(torch.tensor([atom.pos.tolist() for atom in atoms]), points, atol=1e-3)
    assert [atom.b_iso for atom in atoms] == pytest.approx([0.5, 12.25, 999.0])


@pytest.fixture(scope="module")
def ruvab():
    return dpskit.load_example("ruvab")


def ensemble(example, noise=0.02):
    generator = torch.Generator().manual_seed(0)
    points = example.points[:60]
    return points + noise * torch.randn((3, *points.shape), generator=generator)


def calls(view, method):
    """The remote calls of that name which the widget keeps for the browser."""
    return [message for message in view._ngl_msg_archive if message["methodName"] == method]


def test_a_layer_for_the_model_the_samples_their_densities_and_the_baseline(ruvab):
    found = molecule_view(ruvab.structure_path, ensemble(ruvab), ruvab.frame, baseline=ensemble(ruvab)[:2])
    layers = {"atomic model": [0], "samples, by spread": [1, 2, 3], "sample densities": [4, 5, 6]}
    assert found.layers == layers | {"maximum likelihood": [7, 8]}
    assert len(found.view._ngl_component_ids) == 9
    toggles = found.box.children[0].children
    assert [(toggle.description, toggle.value) for toggle in toggles] == [
        ("atomic model", True), ("samples, by spread", True), ("sample densities", False), ("maximum likelihood", False)
    ]  # fmt: skip
    hidden = [message["component_index"] for message in calls(found.view, "setVisibility")]
    assert hidden == [4, 5, 6, 7, 8]


def test_a_cartoon_or_of_a_trace_a_tube(ruvab):
    ribosome = dpskit.load_example("ribosome")
    for example, name in [(ruvab, "cartoon"), (ribosome, "tube")]:
        found = molecule_view(example.structure_path, example.points[None, :20], example.frame)
        assert calls(found.view, "addRepresentation")[0]["args"][0] == name


def test_the_beads_of_few_and_of_many_samples_leave_the_model_in_sight(ruvab):
    for count in (1, 3):
        found = molecule_view(ruvab.structure_path, ensemble(ruvab)[:count], ruvab.frame)
        radii = [m["kwargs"]["radius"] for m in calls(found.view, "addRepresentation") if m["args"][0] == "spacefill"]
        area = torch.pi * 60 * sum(radius**2 for radius in radii)
        assert len(radii) == count and area == pytest.approx(0.3 * (2 * ruvab.frame.scale) ** 2, rel=1e-4)


def test_a_toggle_shows_and_hides_its_layer_only(ruvab):
    found = molecule_view(ruvab.structure_path, ensemble(ruvab)[:1], ruvab.frame)
    before = len(calls(found.view, "setVisibility"))
    toggles = {toggle.description: toggle for toggle in found.box.children[0].children}
    toggles["sample densities"].value = True
    toggles["atomic model"].value = False
    sent = [(m["component_index"], m["args"][0]) for m in calls(found.view, "setVisibility")[before:]]
    assert sent == [(2, True), (0, False)]


def test_beads_are_coloured_by_the_spread_over_the_samples(ruvab):
    samples = ensemble(ruvab)
    found = molecule_view(ruvab.structure_path, samples, ruvab.frame)
    ordered, spread = point_spread(samples)
    beads = calls(found.view, "loadFile")[1]["args"][0]["data"]
    structure = gemmi.read_pdb_string(beads)  # kept: gemmi's atoms do not outlive their structure
    atoms = [site.atom for site in structure[0].all()]
    expected = ruvab.frame.to_physical(ordered[0])
    assert torch.allclose(torch.tensor([atom.pos.tolist() for atom in atoms]), expected, atol=2e-3)
    found_spread = torch.tensor([atom.b_iso for atom in atoms])
    assert torch.allclose(found_spread, spread * ruvab.frame.scale, atol=6e-3)
    assert f"{float(spread.quantile(0.95)) * ruvab.frame.scale:.1f} Å" in found.legend.value


def test_the_legend_names_the_colour_of_every_layer_once(ruvab):
    found = molecule_view(ruvab.structure_path, ensemble(ruvab), ruvab.frame, baseline=ensemble(ruvab)[:2])
    found.add_beads("the known half", ensemble(ruvab)[0], colour="#009E73")
    legend = found.legend.value
    entries = {"atomic model": "#cccccc", "sample densities": "#0072B2", "maximum likelihood": "#D55E00"}
    for layer, colour in (entries | {"the known half": "#009E73"}).items():
        assert legend.count(f"background: {colour}'></i>{layer}<") == 1, layer
    assert legend.count("samples, by spread") == 1
    modes = [message["kwargs"].get("colorMode") for message in calls(found.view, "addRepresentation")]
    assert modes.count("rgb") == 3, "the beads of each sample have the colours of the legend's bar"


def test_a_map_says_once_where_it_lies(ruvab, tmp_path):
    """NGL adds ORIGIN and NSTART: with both the surface would lie beside the model."""
    found = molecule_view(ruvab.structure_path, ensemble(ruvab)[:1], ruvab.frame)
    message = calls(found.view, "loadFile")[2]
    (tmp_path / "sent.mrc").write_bytes(base64.b64decode(message["args"][0]["data"]))
    assert message["kwargs"]["ext"] == "mrc" and message["args"][0]["binary"]
    with mrcfile.open(tmp_path / "sent.mrc") as file:
        assert file.header.origin.tolist() == (0, 0, 0)
        start = torch.tensor([int(file.header[f"n{axis}start"]) for axis in "xyz"]) * float(file.voxel_size.x)
        low = ruvab.frame.to_physical(ruvab.points[:60]).amin(dim=0)
        assert bool(((start < low) & (start > low - 30)).all())


# --- The static twin --------------------------------------------------------------------------------------------------


def test_the_picture_holds_atoms_and_beads_in_one_frame(ruvab):
    structure = dpskit.read_structure(ruvab.structure_path)
    samples = ruvab.frame.to_physical(ensemble(ruvab))
    exact = ruvab.frame.to_physical(ruvab.points[:60].expand(2, -1, -1))
    figure = molecule_figure(structure.atoms, {"samples": samples, "exact": exact}, structure.chains)
    model, noisy, same = figure.axes[:3]
    assert [axis.get_title() for axis in (model, noisy, same)] == ["atomic model, by chain", "samples", "exact"]
    atoms, beads = (torch.tensor(layer.get_offsets()) for layer in same.collections)
    assert len(torch.unique(torch.tensor(model.collections[0].get_facecolors()), dim=0)) == 8
    # every point of the truth lies near some atom also on the page
    assert float(torch.cdist(beads, atoms).amin(dim=1).max()) < 3.0
    areas = [
        float(axis.collections[1].get_sizes()[0]) * len(axis.collections[1].get_offsets()) for axis in (noisy, same)
    ]
    assert areas[0] == pytest.approx(areas[1]), "many beads hide no more than few"
    spreads = [torch.tensor(axis.collections[1].get_array()) for axis in (noisy, same)]
    assert float(spreads[0].mean()) == pytest.approx(0.02 * ruvab.frame.scale * (2 / 3 * 3) ** 0.5, rel=0.2)
    assert float(spreads[1].max()) < 1e-3


def test_the_view_is_no_mirror_image(normal):
    """Right, up and towards the viewer are a proper frame: what is drawn later lies on the side of right x up."""
    points = normal(50, 3) * torch.tensor([3.0, 2.0, 1.0]) @ dpskit.random_rotations(1, seed=5)[0]
    figure = molecule_figure(points, {"x": points[None]})
    drawn = torch.tensor(figure.axes[1].collections[1].get_offsets()).float()
    centered = points - points.mean(dim=0)
    longest, middle = torch.linalg.eigh(centered.T @ centered).eigenvectors[:, [2, 1]].T
    matches = []
    for right, up in itertools.product((longest, -longest), (middle, -middle)):
        order = (centered @ torch.linalg.cross(right, up)).argsort()
        flat = torch.stack([centered @ right, centered @ up], dim=1)
        matches.append(torch.allclose(flat[order], drawn, atol=1e-4))
    assert sum(matches) == 1


def test_bad_ensembles(ruvab, one_sentence):
    with one_sentence(ValueError, "DPS"):
        molecule_figure(ruvab.atoms, {"DPS": ruvab.points})
    with one_sentence(ValueError, "points"):
        molecule_view(ruvab.structure_path, ruvab.points, ruvab.frame)
