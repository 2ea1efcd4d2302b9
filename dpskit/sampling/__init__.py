"""Sampling: guidance, solvers, schedules."""

from dpskit.sampling.protocol import Score

__all__ = ["Score"]
