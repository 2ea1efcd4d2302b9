"""Likelihoods: data and energies."""

from dpskit.likelihoods.protocol import start

__all__ = ["start"]
