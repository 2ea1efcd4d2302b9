"""Results of a run: that an ensemble of several clusters is named as one."""

import torch

from dpskit.experiments.experiment import NO_SHAPE, Experiment, Report, Settings
from dpskit.widgets.results_view import ResultsView


def test_an_ensemble_of_two_clusters_is_named():
    experiment = Experiment.of(Settings(prior=NO_SHAPE, n_points=64, n_samples=3))
    clouds = experiment.truth + torch.tensor([0.0, 0.01, 0.02])[:, None, None]
    view = ResultsView()
    for samples, named in ((clouds, False), (torch.cat([clouds, clouds - 1]), True)):
        view.show(experiment, Report(samples, torch.zeros(64), experiment.truth[None], {}))
        assert ("2 clusters" in view.about.value) == named
