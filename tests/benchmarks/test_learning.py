"""Learning curves from the cards of priors."""

import math

import pytest
from torch import nn

from dpskit.benchmarks.learning import learning_curve, learning_figure, learning_table
from dpskit.cli import main
from dpskit.priors.edm import DiffusionPrior


def prior(curve, ancestors=()):
    card = {"settings": {"data": "a.npz"}, "curve": curve, "ancestors": list(ancestors)}
    return DiffusionPrior(nn.Identity(), "mine", card)


def row(minutes, loss):
    return {"minutes": minutes, "held_out": {"0.1": loss}}


def test_a_loss_that_falls_with_the_logarithm_of_the_hours_is_predicted():
    minutes = (1.0, 30.0, 45.0, 60.0)
    curve = learning_curve(prior([row(m, 0.9 - 0.1 * math.log10(m / 60)) for m in minutes]))
    assert curve.hours == (0.5, 0.75, 1.0)  # not the first one, of a high learning rate
    assert curve.predicted("0.1") == pytest.approx(0.8)


def test_runs_on_the_same_data_count_by_their_ends_and_all_by_their_hours():
    ancestors = [row(60, 0.9) | {"data": "a.npz"}, row(60, 0.1) | {"data": "b.npz"}]
    curve = learning_curve(prior([row(30, 0.5), row(60, 0.7)], ancestors))
    assert curve.hours == (1.0, 3.0) and curve.losses == {"0.1": (0.9, 0.7)}
    assert "| mine, predicted | 30 |" in learning_table([curve])
    assert len(learning_figure([curve, curve]).axes) == 2


def test_a_prior_without_a_training_is_refused(one_sentence):
    with one_sentence(ValueError, "mine"):
        learning_curve(prior([]))
    with one_sentence(ValueError, "mine", "how long"):
        learning_curve(prior([row(30, 0.5)], [{"name": "older", "command": "dpskit train"}]))


def test_the_shipped_priors_say_how_they_were_trained(tmp_path, capsys):
    assert main(["benchmark", "learning", "--picture", str(tmp_path / "l.png")]) == 0
    said = capsys.readouterr().out
    assert all(f"| {name}, predicted |" in said for name in ("chairs", "complexes", "shapes"))
    assert (tmp_path / "l.png").stat().st_size > 10_000
