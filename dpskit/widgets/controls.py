"""The sliders and dropdowns of the panel, and the settings they represent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import ipywidgets as widgets

from dpskit.experiments.experiment import Settings
from dpskit.experiments.scenarios import KINDS

ALPHAS = (0, 100, 200, 500, 1_000, 2_000, 4_000, 5_000, 7_000, 10_000, 20_000, 40_000, 60_000, 80_000, 100_000)
POINTS = (128, 256, 512, 1024)
POSE_LABELS = [("stands upright", "upright"), ("pose unknown", "unknown")]
WIDE = widgets.Layout(width="268px", margin="0")
LABEL = {"description_width": "104px"}


class Controls:
    """One widget per field of `Settings` and of its scenario, in a column, with labels of one width."""

    def __init__(self, settings: Settings, priors: Sequence[str], targets: Sequence[str]) -> None:
        self.defaults = settings
        values = self.values = _values(settings)
        style = {"style": LABEL, "layout": WIDE, "continuous_update": False}
        choice = {"style": LABEL, "layout": WIDE}
        counted = {
            "n_steps": ("steps", 5, 100, 5),
            "n_views": ("projections", 1, 10, 1),
            "view_points": ("points in each", 50, 1000, 50),
            "n_samples": ("samples", 1, 10, 1),
            "seed": ("seed", 0, 50, 1),
        }
        sliders = {
            name: widgets.IntSlider(value, min(low, value), max(high, value), step, description=label, **style)
            for name, (label, low, high, step) in counted.items()
            for value in [values[name]]
        }
        alphas = [(f"{alpha:,}", float(alpha)) for alpha in sorted({*ALPHAS, values["alpha"]})]
        points = [(f"{n:,}", n) for n in sorted({*POINTS, settings.n_points})]
        self.widgets: dict[str, widgets.Widget] = {
            "prior": widgets.Dropdown(options=priors, value=settings.prior, description="prior", **choice),
            "target": widgets.Dropdown(options=targets, value=settings.target, description="target", **choice),
            "pose": widgets.Dropdown(options=POSE_LABELS, value=settings.pose, description="pose", **choice),
            "scenario": widgets.Dropdown(
                options=list(KINDS), value=values["scenario"], description="measured", **choice
            ),
            "n_views": sliders["n_views"],
            "view_points": sliders["view_points"],
            "n_points": widgets.SelectionSlider(
                options=points, value=settings.n_points, description="model points", **style
            ),
            "alpha": widgets.SelectionSlider(options=alphas, value=values["alpha"], description="pull α", **style),
            "cutoff": widgets.FloatSlider(
                values["cutoff"], min=0.0, max=1.0, step=0.05, description="noise until t =", **style
            ),
            "n_steps": sliders["n_steps"],
            "n_samples": sliders["n_samples"],
            "seed": sliders["seed"],
        }
        for name, text in TOOLTIPS.items():
            self.widgets[name].tooltip = text
        assert set(self.widgets) == set(values)
        self._quiet = False

    @property
    def settings(self) -> Settings:
        """The current settings."""
        values = {name: widget.value for name, widget in self.widgets.items()}
        scenario = replace(
            self.defaults.scenario,
            n_views=values["n_views"],
            n_points=values["view_points"],
            alpha=values["alpha"],
            cutoff=values["cutoff"],
            n_steps=values["n_steps"],
        ).of_kind(values["scenario"], values["n_points"])
        others = {name: values[name] for name in ("prior", "target", "pose", "n_points", "n_samples", "seed")}
        return Settings(**others, scenario=scenario)

    def on_change(self, act: Callable[[], None]) -> None:
        """Call `act` when the user changes a control."""

        def changed(_: Any) -> None:
            if not self._quiet:
                act()

        for widget in self.widgets.values():
            widget.observe(changed, names="value")

    def reset(self) -> None:
        """Restore the initial settings, without calling the observers."""
        self._quiet = True
        try:
            for name, widget in self.widgets.items():
                widget.value = self.values[name]
        finally:
            self._quiet = False

    def box(self) -> widgets.VBox:
        """The column."""
        return widgets.VBox(list(self.widgets.values()))


def _values(settings: Settings) -> dict[str, Any]:
    """The value of each control for the settings."""
    s, seen = settings, settings.scenario
    return {
        "prior": s.prior,
        "target": s.target,
        "pose": s.pose,
        "scenario": seen.kind,
        "n_views": seen.n_views or seen.of_kind("projections", s.n_points).n_views,
        "view_points": seen.n_points,
        "n_points": s.n_points,
        "alpha": seen.alpha,
        "cutoff": seen.cutoff,
        "n_steps": seen.n_steps,
        "n_samples": s.n_samples,
        "seed": s.seed,
    }


TOOLTIPS = {
    "prior": "what is known of such objects before any measurement",
    "target": "the object to reconstruct; complexes are turned at random, by the seed",
    "pose": "how a shape stands: as the prior knows shapes, or turned at random, so that its pose has to be found",
    "scenario": "what is observed of the target",
    "n_views": "number of projections, from known random directions",
    "view_points": "observed points in each projection",
    "n_points": "points of the reconstruction",
    "alpha": "strength of the pull towards the data; 0: none. Quoted for 1,024 points",
    "cutoff": "noise is injected while t is above it; 0: to the end, 1: never",
    "n_steps": "time steps; each but the last evaluates the network twice",
    "n_samples": "clouds drawn together",
    "seed": "of the target's orientation, the data and the samples",
}
