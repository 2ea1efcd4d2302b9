"""Whole reconstructions of known targets: what is observed of them, the run, and how far it is from the truth."""

from dpskit.evaluation.scores import Scores, score
from dpskit.experiments.comparison import Comparison, compare
from dpskit.experiments.experiment import Settings
from dpskit.experiments.known_structure import deviation, simulate
from dpskit.experiments.reproduce import run
from dpskit.experiments.scenarios import Scenario
from dpskit.experiments.sweep import best

__all__ = ["Comparison", "Scenario", "Scores", "Settings", "best", "compare", "deviation", "run", "score", "simulate"]
