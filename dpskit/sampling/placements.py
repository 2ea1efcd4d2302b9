"""Where a subunit that is not placed lies in the object, found from the views before a run, as weighted hypotheses."""

from __future__ import annotations

import torch

from dpskit.likelihoods.joint import Joint, part_to_place
from dpskit.likelihoods.placement import search_placements
from dpskit.likelihoods.projection import Projections
from dpskit.likelihoods.protocol import Likelihood
from dpskit.likelihoods.subunit import Subunit
from dpskit.sampling.poses import Poses

N_HYPOTHESES = 10
SMALLEST = 0.07  # radius of gyration of a part, of how far the views reach: smaller ones have too many places to try
UNMOVED = torch.eye(4, 3)  # the placement that leaves a part as it is: for a trial
TEMPERATURE = 4.0  # of the weights: densities are rougher than the likelihood takes them to be


def views_that_place(likelihood: Likelihood | None) -> Projections | None:
    """The projections that show where its subunit lies; None if it has none that is not placed.

    Raises ValueError where it cannot be found.
    """
    part = part_to_place(likelihood)
    if part is None:
        return None
    parts = likelihood.parts if isinstance(likelihood, Joint) else [likelihood]
    views = [p for p in parts if isinstance(p, Projections) and not (p.unknown or p.rough or p.shifted)]
    if len(views) != 1:
        raise ValueError(
            "likelihood must be a Joint of a subunit that is not placed and one Projections whose orientations are all "
            f"known, without tolerance and not shifted, got {len(views)} such."
        )
    if any(p is not part and isinstance(p, Subunit) and not p.placed for p in parts):
        raise ValueError("likelihood must hold at most one subunit that is not placed, got several.")
    reach = max(float(y.abs().max()) for y in views[0].points)
    radius = float(part.points.var(dim=0, correction=0).sum().sqrt())
    if not radius > SMALLEST * reach:
        raise ValueError(
            f"likelihood must hold a subunit with a radius of gyration above {SMALLEST * reach:.3g} to be placed, "
            f"{SMALLEST:g} of how far the views reach, got {radius:.3g}."
        )
    return views[0]


def find_placements(views: Projections, part: Subunit, n_points: int, seed: int = 0) -> Poses:
    """Up to ten hypotheses (h, 4, 3) of where a part lies in an object of n points, the most probable first.

    Raises ValueError for views in which it finds no room.
    """
    found, ratios = search_placements(views.points, views.rotations, part.points, n_points, N_HYPOTHESES, seed)
    if len(found) == 0:
        raise ValueError("likelihood must hold views that show the same object, got none where the subunit has room.")
    return Poses(found, (ratios / TEMPERATURE).softmax(dim=0))
