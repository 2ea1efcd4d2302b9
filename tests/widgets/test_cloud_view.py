"""Clouds in live scenes."""

import numpy as np
import torch

from dpskit.widgets.cloud_view import CloudView, reach_of


def test_axes_hold_the_cloud_and_change_rarely():
    assert reach_of(torch.tensor([[0.3, -1.0, 0.5]])) == 1.1
    widths = [reach_of(torch.full((2, 3), float(w))) for w in np.linspace(0.5, 80, 400)]
    assert all(reach >= w for reach, w in zip(widths, np.linspace(0.5, 80, 400), strict=True))
    assert len(set(widths)) < 25


def test_clouds_titles_colours_and_marks_are_drawn():
    view = CloudView(["a", "b", "c"], rows=2, width=600, height=600)
    clouds = [torch.rand(5, 3), None, 3 * torch.rand(7, 3)]
    values = torch.linspace(-1, 1, 5)
    view.show(clouds, titles=["x", "y", "z"], colours=[values, None, None], marked=torch.rand(2, 3))
    first, second, third, *marks = view.live.figure.data
    assert np.allclose(np.stack([first.x, first.y, first.z], axis=1), clouds[0])
    assert np.allclose(first.marker.color, values) and np.allclose(third.marker.color, clouds[2][:, 2])
    assert len(second.x) == 0 and [len(mark.x) for mark in marks] == [0, 0, 2]
    assert [title.text for title in view.live.figure.layout.annotations] == ["x", "y", "z"]
    ranges = {axis.range for scene in ("scene", "scene2", "scene3") for axis in axes_of(view.live.figure.layout[scene])}
    assert ranges == {(-reach_of(clouds[2]), reach_of(clouds[2]))}, "one scale for all"


def axes_of(scene):
    return scene.xaxis, scene.yaxis, scene.zaxis
