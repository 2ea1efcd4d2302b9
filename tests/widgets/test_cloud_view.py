"""Clouds in live scenes."""

import json

import numpy as np
import pytest
import torch

from dpskit.widgets.cloud_view import CloudView, reach_of
from dpskit.widgets.live_figure import LiveFigure


def test_axes_hold_the_cloud_and_change_rarely():
    assert reach_of(torch.tensor([[0.3, -1.0, 0.5]])) == 1.1
    widths = [reach_of(torch.full((2, 3), float(w))) for w in np.linspace(0.5, 80, 400)]
    assert all(reach >= w for reach, w in zip(widths, np.linspace(0.5, 80, 400), strict=True))
    assert len(set(widths)) < 25


def test_clouds_titles_colours_and_marks_are_drawn():
    view = CloudView(["a", "b", "c"], rows=2)
    clouds = [torch.rand(5, 3), None, 3 * torch.rand(7, 3)]
    values = torch.linspace(-1, 1, 5)
    view.show(clouds, titles=["x", "y", "z"], colours=[values, None, None], marked=torch.rand(2, 3))
    first, second, third, *marks = view.live.figure.data
    assert np.allclose(np.stack([first.x, first.y, first.z], axis=1), clouds[0])
    assert np.allclose(first.marker.color, values) and np.allclose(third.marker.color, clouds[2][:, 2])
    assert len(second.x) == 0 and [len(mark.x) for mark in marks] == [0, 0, 2]
    assert [title.text for title in view.live.figure.layout.annotations] == ["x", "y", "z"]
    assert view.live.figure.layout.scene3.xaxis.range[1] == pytest.approx(reach_of(clouds[2]))


def test_a_widget_is_announced_with_its_data(monkeypatch):
    """A browser draws what comes with the announcement; what is sent behind it may come too late."""
    import ipywidgets.widgets.widget as module

    opened = []
    create = module.comm.create_comm

    def watch(**arguments):
        opened.append(arguments)
        return create(**arguments)

    monkeypatch.setattr(module.comm, "create_comm", watch)
    view = CloudView(["a"])
    view.show([torch.rand(5, 3)])
    widget = view.live.widget
    states = [call["data"]["state"] for call in opened if "_widget_data" in call["data"]["state"]]
    assert len(states) == 1 and len(states[0]["_widget_data"]) == 2
    assert json.loads(json.dumps(states[0]["_widget_layout"]["scene"]["aspectmode"])) == "cube"
    assert view.live.widget is widget and view.live.figure is widget


def test_a_figure_stays_plain_until_it_is_shown():
    import plotly.graph_objects as go

    live = LiveFigure(go.Figure())
    assert not isinstance(live.figure, go.FigureWidget)
