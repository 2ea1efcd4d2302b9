"""Training of priors: what `dpskit.train` and its settings are made of."""

from dpskit.training.config import PAPER_CURRICULA, Stage
from dpskit.training.recorder import Progress

__all__ = ["PAPER_CURRICULA", "Progress", "Stage"]
