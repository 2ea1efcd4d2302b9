"""Clouds in live scenes."""

import numpy as np
import torch

from dpskit.widgets.cloud_view import CloudView, Unit, reach_of


def test_axes_hold_the_cloud_and_change_rarely():
    assert reach_of(torch.tensor([[0.3, -1.0, 0.5]])) == 1.1
    for growth, count in ((1.25, 25), (2.0, 10)):
        widths = [reach_of(torch.full((2, 3), float(w)), growth) for w in np.linspace(0.5, 80, 400)]
        assert all(reach >= w for reach, w in zip(widths, np.linspace(0.5, 80, 400), strict=True))
        assert len(set(widths)) < count
    assert np.isclose(reach_of(torch.tensor([[0.0, 1.2, 0.0]])), 1.375), "an outlier makes the rest hardly smaller"


def test_clouds_titles_and_marks_are_drawn():
    view = CloudView(["a", "b", "c"])
    clouds = [torch.rand(5, 3), None, 3 * torch.rand(7, 3)]
    view.show(clouds, titles=["x", "y", "z"], marked=torch.rand(2, 3))
    first, second, third, *marks = view.live.figure.data
    assert np.allclose(np.stack([first.x, first.y, first.z], axis=1), clouds[0])
    assert np.allclose(first.marker.color, clouds[0][:, 2]) and np.allclose(third.marker.color, clouds[2][:, 2])
    assert len(second.x) == 0 and [len(mark.x) for mark in marks] == [0, 0, 2]
    assert [title.text for title in view.live.figure.layout.annotations] == ["x", "y", "z"]
    assert view.live._drawn.label == "3-D scenes: x, y, z"
    ranges = {axis.range for scene in ("scene", "scene2", "scene3") for axis in axes_of(view.live.figure.layout[scene])}
    assert ranges == {(-reach_of(clouds[2]), reach_of(clouds[2]))}, "one scale for all"


def test_clouds_of_a_complex_are_in_angstrom():
    view, cloud = CloudView(["a"]), torch.rand(5, 3)
    view.show([cloud], unit=Unit("Å", 80.0))
    (trace, _), scene = view.live.figure.data, view.live.figure.layout.scene
    assert np.allclose(trace.x, 80 * cloud[:, 0]) and scene.xaxis.title.text == "x (Å)"
    assert np.isclose(scene.zaxis.range[1], 88)


def test_an_outlier_leaves_the_others_their_colours():
    view, values = CloudView(["a", "b"]), torch.cat([torch.linspace(0, 1, 99), torch.tensor([50.0])])
    view.show([torch.rand(100, 3)] * 2, values=values, bar="spread (Å)")
    height, spread = view.live.figure.data[:2]
    assert not height.marker.showscale and spread.marker.showscale
    assert np.allclose(spread.marker.color, values) and spread.marker.cmin == 0
    assert 0.9 < spread.marker.cmax < 1.0, "where 95 % of the values lie"
    assert spread.marker.colorbar.title.text == "spread (Å)" and spread.marker.colorbar.ticktext[-1].startswith("≥")
    view.show([torch.rand(100, 3)] * 2)
    assert not view.live.figure.data[1].marker.showscale, "the height again"


def axes_of(scene):
    return scene.xaxis, scene.yaxis, scene.zaxis
