"""Figures 1 and 2: reconstructions that one can look at, with their errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from dpskit.benchmarks.paper import FIGURE_1, ROWS
from dpskit.benchmarks.paper.compare import Study, compare
from dpskit.benchmarks.paper.record import TablePart
from dpskit.evaluation.alignment import overlay
from dpskit.experiments.methods import MAXIMUM_LIKELIHOOD
from dpskit.experiments.scenarios import Scenario
from dpskit.experiments.units import Unit, keep_samples
from dpskit.likelihoods.protocol import Likelihood
from dpskit.plots.figures import static_figure

if TYPE_CHECKING:
    import matplotlib.figure


def figure_1(studies: Sequence[Study], seed: int, note: str) -> tuple[list[TablePart], matplotlib.figure.Figure]:
    """One target for each of the five cases, drawn at random by `seed` from the targets of its study.

    Returns what was measured, and a picture with a row per case: a projection, the first sample of DPS with the first
    prior, maximum likelihood and the truth.
    """
    generator, rows, found = torch.Generator().manual_seed(seed), [], []
    for panel, (row, study) in enumerate(zip(FIGURE_1, studies, strict=True), start=1):
        target = study.targets[int(torch.randint(len(study.targets), (1,), generator=generator))]
        study, scenario = replace(study, targets=[target]), ROWS[row]
        name = next(iter(study.priors))
        units = [
            Unit(target, scenario, m, study.n_samples) for m in (study.posterior(name, scenario), MAXIMUM_LIKELIHOOD)
        ]
        samples, fitted = (keep_samples(unit, study.folder).points[0] for unit in units)
        one = compare(study, f"Figure 1, panel {panel}", scenario, note)
        line, reference = one.line(name), one.reference
        labels = [f"{label}, CD {100 * part.means['cd'][0]:.1f}" for label, part in (("DPS", line), ("ML", reference))]
        clouds = dict(zip(labels, (samples, fitted), strict=True))
        shown = {"a projection": _view(units[0].observe())} | clouds | {f"row {row}: {target.name}": target.points}
        rows.append({title: cloud if cloud.shape[1] == 2 else cloud @ target.pose.T for title, cloud in shown.items()})
        found.append(one)
    return found, static_figure(rows, ["cube"] * len(rows))


def figure_2(study: Study, key: str, scenario: Scenario, note: str) -> tuple[TablePart, matplotlib.figure.Figure]:
    """One complex; the picture has a projection, all samples of DPS with the first prior, the points and the atoms.

    The samples are brought onto the points as they are for the RMSD.
    """
    (target,) = study.targets
    name = next(iter(study.priors))
    unit = Unit(target, scenario, study.posterior(name, scenario), study.n_samples)
    samples = overlay(keep_samples(unit, study.folder).points, target.points)
    found = compare(study, key, scenario, f"{note} {target.name}, in the place of the paper's complex.")
    atoms = target.posed_atoms
    if atoms is None:
        raise ValueError(f"targets must have atoms for figure 2, got {target.name}.")
    every = atoms[:: max(1, len(atoms) // 8192)]
    clouds = {
        f"{len(samples)} samples": samples.flatten(0, 1),
        "1,024 points" if len(target.points) == 1024 else "points": target.points,
        "atoms": every,
    }
    turned = {title: target.scale * cloud @ target.pose.T for title, cloud in clouds.items()}
    shown = {"a projection": target.scale * _view(unit.observe())} | turned
    return found, static_figure([shown], ["Å"])


def _view(data: Likelihood) -> Tensor:
    """The first projection."""
    return getattr(data, "parts", [data])[0].points[0]
