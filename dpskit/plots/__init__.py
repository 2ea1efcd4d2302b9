"""Figures and tables that need no running kernel, in plotly, matplotlib and HTML."""

from dpskit.plots.colours import SAMPLE_COLOURS
from dpskit.plots.curves import error_curves
from dpskit.plots.figures import cloud_figure, cloud_grid, static_figure
from dpskit.plots.molecule_figure import molecule_figure
from dpskit.plots.picture_slider import PictureSlider, picture_slider
from dpskit.plots.score_table import score_table

__all__ = [
    "PictureSlider",
    "SAMPLE_COLOURS",
    "cloud_figure",
    "cloud_grid",
    "error_curves",
    "molecule_figure",
    "picture_slider",
    "score_table",
    "static_figure",
]
