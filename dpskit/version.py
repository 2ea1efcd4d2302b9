"""The versions of dpskit: of the package, and of the numbers that it computes."""

__version__ = "0.1.0"

NUMBERS = 3
"""To be raised whenever the same settings give other numbers: what was kept of before is then not taken up."""
