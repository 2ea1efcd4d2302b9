"""Figures on their way to the browser."""

import base64

import ipywidgets.widgets.widget as module
import numpy as np
import plotly.graph_objects as go
import pytest

from dpskit.widgets.live_figure import LiveFigure


@pytest.fixture
def messages(monkeypatch):
    """All that widgets send: their announcements and, for each, the changes after it."""
    sent = []

    class Comm:
        kernel, comm_id = object(), "comm"

        def __init__(self, data, **_):
            sent.append(data["state"])

        def send(self, data, **_):
            sent.append(data["state"])

        def on_msg(self, _):
            pass

        def close(self, *_, **__):
            pass

    monkeypatch.setattr(module.comm, "create_comm", lambda **arguments: Comm(**arguments))
    return sent


def figure():
    return go.Figure(go.Scatter(x=np.array([1.0, np.nan], np.float32), y=[3, 4]), {"title": {"text": "before"}})


def test_a_figure_is_announced_with_its_data(messages):
    LiveFigure(figure())
    drawn = next(state["figure"] for state in messages if "figure" in state)
    x = drawn["data"][0]["x"]
    values = np.frombuffer(base64.b64decode(x["bdata"]), x["dtype"])
    assert values[0] == 1 and np.isnan(values[1]) and drawn["layout"]["title"] == {"text": "before"}


def test_a_change_is_sent_in_one_piece_and_the_library_once(messages):
    live = [LiveFigure(figure()), LiveFigure(figure())]
    announced = len(messages)
    with live[0].drawing() as changed:
        changed.data[0].y, changed.layout.title.text = (5, 6), "after"
        assert len(messages) == announced
    assert len(messages) == announced + 1
    assert messages[-1]["figure"]["data"][0]["y"] == [5, 6]
    assert messages[-1]["figure"]["layout"]["title"]["text"] == "after"
    with live[0].drawing():
        pass
    assert len(messages) == announced + 1, "what has not changed is not sent"
    large = [state for state in messages if len(str(state)) > 1_000_000]
    assert len(large) <= 1
    assert live[0]._library is live[1]._library and "plotly.js v" in live[0]._library.source[:100]
