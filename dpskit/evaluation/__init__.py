"""Numbers from clouds."""

from dpskit.evaluation.thickness import thickness

__all__ = ["thickness"]
