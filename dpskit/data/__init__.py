"""Reading data: what the readers return."""

from dpskit.data.coarse_grain import CoarseGrainedStructure
from dpskit.data.poses import Optics

__all__ = ["CoarseGrainedStructure", "Optics"]
