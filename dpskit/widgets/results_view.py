"""Results of a finished run: samples, maximum likelihood and truth side by side, and the scores."""

from __future__ import annotations

import ipywidgets as widgets

from dpskit.experiments.experiment import Experiment, Report
from dpskit.plots.score_table import score_table
from dpskit.widgets.cloud_view import CloudView
from dpskit.widgets.molecule_view import molecule_view

MOLECULE_SAMPLES = 3  # shown over the atomic model


class ResultsView:
    """Empty until a run has ended; `widget` is a column of sections."""

    def __init__(self) -> None:
        self.widget = widgets.VBox([])
        self.view = CloudView([" "] * 4, rows=2, width=866, height=700)

    def clear(self) -> None:
        """Remove the results."""
        self.widget.children = ()

    def show(self, experiment: Experiment, report: Report) -> None:
        """Sample, maximum likelihood, truth and spread side by side; the scores; the molecule for complexes."""
        upright, sample, several = experiment.upright, report.samples[0], len(report.samples) > 1
        widest = float(report.spread.max()) if several else 1.0
        titles = [
            "prior sample" if experiment.data is None else "posterior sample",
            "maximum likelihood" + (": needs data" if report.fitted is None else ""),
            "truth",
            f"spread of {len(report.samples)} samples: bright is up to {widest:.2f} (cube)"
            if several
            else "spread: needs two samples",
        ]
        fitted = None if report.fitted is None else report.fitted[0]
        clouds = [sample, fitted, experiment.truth, sample if several else None]
        colours = [None, None, None, 2 * report.spread / (widest or 1.0) - 1]
        clouds = [None if cloud is None else upright(cloud) for cloud in clouds]
        self.view.show(clouds, titles=titles, colours=colours)
        s, seen = experiment.settings, experiment.settings.scenario
        about = f"{s.target}, prior {s.prior}, {seen.kind}, α {seen.alpha:,.0f}, noise until t = {seen.cutoff:g}, "
        about += f"{seen.n_steps} steps, seed {s.seed}"
        note = widgets.HTML(f"<span style='color: #555'>{about}. Distances in units of the cube.</span>")
        table = widgets.HTML(score_table(report.scores).data)
        sections = [_title("Samples, maximum likelihood and the truth"), note, self.view.live, table]
        if experiment.target.structure_path is not None:
            points = upright(report.samples[:MOLECULE_SAMPLES])
            molecule = molecule_view(experiment.target.structure_path, points, experiment.target.frame).box
            molecule.add_class("dpskit-molecule")
            sections += [_title("Samples over the atomic model"), molecule]
        self.widget.children = sections


def _title(text: str) -> widgets.HTML:
    return widgets.HTML(f"<h3 style='margin: 14px 0 2px'>{text}</h3>")
