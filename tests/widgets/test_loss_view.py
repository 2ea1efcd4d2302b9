"""The loss curves of a training run."""

import io

from dpskit.training.recorder import BANDS, Progress
from dpskit.widgets.loss_view import LEVELS, LossView


def test_every_line_of_the_log_is_a_point():
    view = LossView()
    log = [{"clouds": 10 * k, "loss": 1 / k, "held_out": {f"{t:g}": t / k for t in BANDS}} for k in (1, 2, 3)]
    view.show(Progress(log, None))
    training, *held_out = view.widget.figure.data
    assert list(training.x) == [10, 20, 30] and list(training.y) == [1, 1 / 2, 1 / 3]
    assert [list(trace.y) for trace in held_out] == [[float(t) / k for k in (1, 2, 3)] for t in LEVELS]
    view.picture().savefig(io.BytesIO(), format="png")
