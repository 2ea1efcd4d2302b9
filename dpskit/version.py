"""The version of dpskit."""

__version__ = "0.1.0"
