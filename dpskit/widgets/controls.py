"""The sliders and dropdowns of the panel, and the settings they represent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import ipywidgets as widgets

from dpskit.checks import check_choice
from dpskit.experiments.experiment import Settings
from dpskit.experiments.scenarios import KINDS
from dpskit.widgets.frame import box, show
from dpskit.widgets.presets import presets, values_of
from dpskit.widgets.stops import COUNTS, STOPS

RULES = [("means of groups", True), ("where groups lie (paper)", False)]
POSE_LABELS = [("stands upright", "upright"), ("pose unknown", "unknown")]
LABEL = {"description_width": "66px"}
NO_ROW = "rows of the paper …"

DATA = ("target", "pose", "scenario", "n_views", "view_points", "coarse_points", "means", "share", "n_points", "seed")
"""The controls on which the data depend."""
NEEDS = {"n_views": "views", "view_points": "views", "coarse_points": "coarse", "means": "coarse", "share": "subunit"}
"""Controls that turn a part of the data, by the part in KINDS."""
GUIDED = ("alpha", "cutoff", "pose")
"""Controls that the prior alone does not need."""


class Controls:
    """One widget per field of `Settings` and of its scenario, in a column; only those that matter are shown.

    have_pose: whether a prior and a target, by name, know how objects stand; for others the pose is no choice.
    shown: names of the controls to show (default: all, and the paper's rows).
    """

    def __init__(
        self,
        settings: Settings,
        priors: Sequence[str],
        targets: Sequence[str],
        have_pose: Callable[[str, str], bool],
        shown: Sequence[str] | None = None,
    ) -> None:
        self.defaults, self.have_pose = settings, have_pose
        values = self.values = _values(settings)
        choice = {"style": LABEL}
        style = {"style": {"description_width": "initial"}, "continuous_update": False}
        self.preset = widgets.Dropdown(options=[NO_ROW, *presets()], description="preset", **choice)
        menus = {
            "prior": list(priors),
            "target": list(targets),
            "pose": POSE_LABELS,
            "scenario": list(KINDS),
            "means": RULES,
        }
        words = {"scenario": "measured", "means": "coarse"}
        self.widgets: dict[str, widgets.Widget] = {
            name: widgets.Dropdown(options=options, value=values[name], description=words.get(name, name), **choice)
            for name, options in menus.items()
        }
        for name in TOOLTIPS:
            if name in COUNTS:
                label, low, high, step = COUNTS[name]
                value = values[name]
                limits = {"min": min(low, value), "max": max(high, value), "step": step}
                self.widgets[name] = widgets.IntSlider(value, **limits, description=label, **style)
            elif name in STOPS:
                stops, value = STOPS[name], values[name]
                options = stops.options({*stops.values, value})
                self.widgets[name] = widgets.SelectionSlider(
                    options=options, value=value, description=stops.label, **style
                )
            elif name == "cutoff":
                limits = {"min": 0.0, "max": 1.0, "step": 0.05, "readout_format": ".2f"}
                self.widgets[name] = widgets.FloatSlider(values[name], **limits, description="noise until t =", **style)
        for name, text in TOOLTIPS.items():
            self.widgets[name].tooltip = text
        assert set(self.widgets) == set(values)
        for name in shown or ():
            check_choice("controls", name, self.widgets)
        self.shown = tuple(self.widgets) if shown is None else tuple(shown)
        show(self.preset, shown is None)
        self._quiet, self._act = False, _nothing
        self.preset.observe(self._take_row, names="value")
        for name in ("prior", "target", "scenario"):
            self.widgets[name].observe(lambda _: self._show_relevant(), names="value")
        self._show_relevant()

    @property
    def settings(self) -> Settings:
        """The current settings."""
        values = {name: widget.value for name, widget in self.widgets.items()}
        n_points = values["n_points"]
        scenario = replace(
            self.defaults.scenario,
            n_views=values["n_views"],
            n_points=values["view_points"],
            coarse_points=values["coarse_points"],
            means=values["means"] and "coarse" in KINDS[values["scenario"]],
            subunit_points=max(1, round(values["share"] * n_points)),
            alpha=values["alpha"],
            cutoff=values["cutoff"],
            n_steps=values["n_steps"],
        ).with_kind(values["scenario"], n_points)
        others = {name: values[name] for name in ("prior", "target", "n_points", "n_samples", "seed")}
        return Settings(**others, pose=values["pose"] if self._matters("pose") else "upright", scenario=scenario)

    def on_change(self, act: Callable[[], None]) -> None:
        """Call `act` when the user changes a control, once for all that a preset sets."""
        self._act = act

        def changed(_: Any) -> None:
            if not self._quiet:
                act()

        for widget in self.widgets.values():
            widget.observe(changed, names="value")

    def reset(self) -> None:
        """Restore the initial settings, without calling the observers."""
        with self._quietly():
            self.preset.value = NO_ROW
            self._set(self.values)

    def take(self, settings: Settings) -> None:
        """Set the controls to these settings, without calling the observers."""
        with self._quietly():
            self._set(_values(settings))

    def lock_data(self, locked: bool) -> None:
        """Hold everything on which the data depend, or release it."""
        for widget in (self.preset, *(self.widgets[name] for name in DATA)):
            widget.disabled = locked

    def box(self) -> widgets.VBox:
        """The column."""
        menus = [w for w in self.widgets.values() if isinstance(w, widgets.Dropdown)]
        sliders = [w for w in self.widgets.values() if w not in menus]
        return widgets.VBox([self.preset, *menus, box(sliders, "sliders")])

    def _take_row(self, _: Any) -> None:
        if self._quiet or self.preset.value == NO_ROW:
            return
        names = (self.widgets["prior"].options, self.widgets["target"].options)
        with self._quietly():
            self._set(values_of(self.preset.value, *names))
        self._act()

    def _set(self, values: dict[str, Any]) -> None:
        for name, value in values.items():
            widget = self.widgets[name]
            if name in COUNTS:
                widget.min, widget.max = min(widget.min, value), max(widget.max, value)
            elif isinstance(widget, widgets.SelectionSlider) and value not in dict(widget.options).values():
                widget.options = STOPS[name].options({*dict(widget.options).values(), value})
            widget.value = value

    def _show_relevant(self) -> None:
        for name, widget in self.widgets.items():
            show(widget, name in self.shown and self._matters(name))

    def _matters(self, name: str) -> bool:
        parts = KINDS[self.widgets["scenario"].value]
        if name == "pose" and not self.have_pose(self.widgets["prior"].value, self.widgets["target"].value):
            return False
        return bool(parts) if name in GUIDED else NEEDS.get(name, "") in ("", *parts)

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        self._quiet = True
        try:
            yield
        finally:
            self._quiet = False


def _nothing() -> None:
    """What is called on a change before `on_change` says otherwise."""


def _values(settings: Settings) -> dict[str, Any]:
    """The value of each control for the settings."""
    s, seen = settings, settings.scenario
    return {
        "prior": s.prior,
        "target": s.target,
        "pose": s.pose,
        "scenario": seen.kind,
        "n_views": seen.n_views or 5,
        "view_points": seen.n_points or 200,
        "coarse_points": seen.coarse_points or 30,
        "means": seen.means or not seen.coarse_points,
        "share": (seen.subunit_points or max(1, s.n_points // 4)) / s.n_points,
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
    "alpha": "strength of the pull towards the data; 0: none. Quoted for 1,024 points",
    "cutoff": "noise is injected while t is above it; 0: to the end, 1: never",
    "n_steps": "time steps; each but the last evaluates the network twice",
    "n_views": "number of projections, from known random directions",
    "view_points": "observed points in each projection",
    "coarse_points": "points of the low-resolution structure",
    "means": "what its points are: means of equal groups of the model's points, or, as in the paper, where every point "
    "of a group should lie",
    "share": "part of the object that is known point by point, in its place",
    "n_points": "points of the reconstruction",
    "n_samples": "clouds drawn together",
    "seed": "of the target's orientation, the data and the samples",
}
"""What each control turns, in the order of the column."""
