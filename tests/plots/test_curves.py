"""Curves of errors."""

import numpy as np
import torch

from dpskit.plots import error_curves


def test_means_and_deviations_stand_at_their_settings():
    errors = {"one": [torch.tensor([1.0, 3.0]), torch.tensor([2.0, 2.0])], "two": [torch.tensor([5.0])] * 2}
    figure = error_curves((10, 40), errors, xlabel="steps", ylabel="CD", log=True)
    (axis,) = figure.axes
    drawn = axis.containers[0]
    np.testing.assert_allclose(drawn.lines[0].get_xydata(), [[10, 2], [40, 2]])
    segments = drawn.lines[2][0].get_segments()
    np.testing.assert_allclose(segments[0][:, 1], [1, 3])
    np.testing.assert_allclose(segments[1][:, 1], [2, 2])
    assert axis.get_xscale() == "log" and [text.get_text() for text in axis.get_xticklabels()] == ["10", "40"]
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["one", "two"]
