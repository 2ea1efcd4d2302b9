"""What needs a running kernel: the panel, the sweep, the live loss curve, the molecule."""

from dpskit.widgets.loss_view import LossView
from dpskit.widgets.molecule_view import molecule_view
from dpskit.widgets.panel import Panel
from dpskit.widgets.sweep_view import SweepView

__all__ = ["LossView", "Panel", "SweepView", "molecule_view"]
