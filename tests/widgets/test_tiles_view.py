"""Projections in a row, with their scale."""

import numpy as np
import pytest
import torch

from dpskit.widgets.cloud_view import Unit
from dpskit.widgets.tiles_view import TilesView, bar_length

LEGEND = (("#8a8a8a", "observed"), ("#0072B2", "predicted"))


@pytest.mark.parametrize(("reach", "length"), [(1.0, 0.5), (1.5, 1.0), (90.0, 50.0), (0.3, 0.2), (152.0, 100.0)])
def test_a_scale_bar_has_a_round_length_that_fits(reach, length):
    assert bar_length(reach) == pytest.approx(length) and length <= 2 * reach / 3 + 1e-9


def test_every_tile_has_its_projections_and_a_bar_in_the_unit():
    view = TilesView()
    observed, predicted = [torch.rand(10, 2), torch.rand(12, 2)], [torch.rand(400, 2), torch.rand(400, 2)]
    view.show(observed, predicted, Unit("Å", 100.0))
    figure = view.live.figure
    assert np.allclose(figure.data[1].x, 100 * observed[1][:, 0]) and len(figure.data[6].x) == 12
    bars = figure.data[10:]
    assert [bar.text[2] if len(bar.x) else None for bar in bars] == ["50 Å", "50 Å", None, None, None]
    assert bars[0].x[2] - bars[0].x[0] == 50 and max(bars[0].x) < figure.layout.xaxis.range[1]
    assert [title.text for title in figure.layout.annotations][:3] == ["projection 1", "2", ""]
    assert view.live._drawn.label == "2 observed projections, over them the predicted ones"
    assert [figure.layout[f"xaxis{k}"].visible for k in ("", 2, 3, 4, 5)] == [True, True, False, False, False]
    assert view.widget.layout.display is None
    assert [(colour in view.legend.value, text in view.legend.value) for colour, text in LEGEND] == [(True, True)] * 2
    view.show(observed)
    assert LEGEND[0][1] in view.legend.value and LEGEND[1][1] not in view.legend.value, "nothing is predicted yet"
    view.show(observed * 4)
    assert [title.text for title in figure.layout.annotations] == ["projection 1", "2", "3", "4", "5 of 8"]
    view.show([])
    assert view.widget.layout.display == "none", "no row of empty frames where nothing is projected"
