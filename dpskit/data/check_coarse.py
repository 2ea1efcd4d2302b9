"""Does a coarse structure lie where the views see the object, as large as they see it, and turned as they see it?"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dpskit.data.view_warning import ViewWarning
from dpskit.rotations import angles_between, even_rotations, rotations_by

MOST = 400  # points of a view, and of the coarse structure, that are compared
FEW = 80  # of them, over a grid of orientations
APART = 0.35  # radii of gyration between the centres of both that are a mistake
SIZES = (0.8, 1.2)  # of the coarse structure over the views', between which nothing is said: means lie further inside
BETTER = 0.6  # share of the disagreement that is left in another orientation or hand, where that is the right one
SIMPLER = 1.3  # times the least disagreement that a simpler explanation may leave
ALONG = 0.05  # of the coordinates that the views see: directions that they see less of are left alone
INVERSION = -torch.eye(3, dtype=torch.float64)


def check_coarse(
    coarse: Tensor, views: Sequence[Tensor], rotations: Tensor, length: float, unit: str, *, shifted: bool = False
) -> list[ViewWarning]:
    """What is wrong between a coarse structure and views that agree with each other.

    Parameters
    ----------
    coarse : Tensor
        (m, 3), in the coordinates of the views.
    views : sequence of Tensor
        (m_k, 2) each.
    rotations : Tensor
        (k, 3, 3), all known.
    length, unit : float, str
        Of the coordinates, for the message.
    shifted : bool
        Whether each view may have been moved: nothing is said about the centre then.

    Returns
    -------
    list of ViewWarning
        Empty if nothing is wrong that could be seen. Each concerns all views.

    Notes
    -----
    Centre and size are compared first. Then each view is compared with the coarse structure as it would be seen there,
    both about their means, by the energy distance 2 E|a - b| - E|a - a'| - E|b - b'| (Szekely and Rizzo, J. Stat. Plan.
    Inference 143, 2013): from two views on, an orientation or a hand that leaves much less of it is named.
    """
    coarse, rotations = _some(coarse.double()), rotations.double()
    centred = [_some(y.double() - y.double().mean(dim=0)) for y in views]
    if not bool((coarse != coarse[0]).any()) or not any(bool(y.any()) for y in centred):  # a point has no size
        return []
    found = [] if shifted else _centre(coarse, views, rotations, length, unit)
    coarse = coarse - coarse.mean(dim=0)
    seen = (coarse @ rotations)[..., :2].square().sum() / len(coarse)
    size = float((seen / sum(y.square().sum() / len(y) for y in centred)).sqrt())
    if not SIZES[0] <= size <= SIZES[1]:
        text = f"the coarse structure is {size:.3g} times as large as the views: another pixel or voxel size?"
        return [*found, ViewWarning(None, "pixel size", text)]
    if len(views) < 2:  # one view fits many orientations about as well as the right one
        return found
    return [*found, *_orientation(coarse / size, centred, rotations)]


def _some(points: Tensor, most: int = MOST) -> Tensor:
    """At most so many of the points, evenly from their order."""
    return points[:: -(-len(points) // most)]


def _centre(coarse: Tensor, views: Sequence[Tensor], rotations: Tensor, length: float, unit: str) -> list[ViewWarning]:
    """By how much the coarse structure must be moved to lie at the centre of the views."""
    rows = torch.cat([rotation[:, :2].T for rotation in rotations])
    wanted = torch.cat([y.double().mean(dim=0) for y in views]) - rows @ coarse.mean(dim=0)
    move = torch.linalg.pinv(rows, rtol=ALONG**0.5) @ wanted
    radius = coarse.var(dim=0, correction=0).sum().sqrt()
    if move.norm() <= APART * radius:
        return []
    text = ", ".join(f"{value:.3g}" for value in (move * length).tolist())
    message = f"the coarse structure agrees with the views if it is moved by ({text}) {unit}: another origin?"
    return [ViewWarning(None, "shift", message)]


def _orientation(coarse: Tensor, views: Sequence[Tensor], rotations: Tensor) -> list[ViewWarning]:
    """Whether the centred views see a coarse structure that is turned, or of the other hand."""
    as_is = torch.eye(3, dtype=torch.float64)
    turned, mirrored = (_best(coarse, views, rotations, hand) for hand in (as_is, INVERSION))
    hand = "the coarse structure and the views seem to be of different hands"
    angle = float(angles_between(turned, as_is))
    trials = [  # the simplest first
        (INVERSION, "mirrored", f"{hand}: they agree if one of both is mirrored through its centre."),
        (turned, "orientation", f"the coarse structure agrees with the views if it is turned by {angle:.0f} degrees."),
        (mirrored, "mirrored", f"{hand}, and turned against each other."),
    ]
    now, *left = _apart(coarse, views, rotations, torch.stack([as_is, *(turn for turn, _, _ in trials)])).tolist()
    if min(left) > BETTER * now:
        return []
    return [
        next(
            ViewWarning(None, kind, message)
            for rest, (_, kind, message) in zip(left, trials, strict=True)
            if rest <= SIMPLER * min(left)
        )
    ]


def _best(coarse: Tensor, views: Sequence[Tensor], rotations: Tensor, hand: Tensor) -> Tensor:
    """(3, 3) the orientation of one hand with the least disagreement: the best of a grid, corrected in small turns."""
    grid = even_rotations(600) @ hand
    best = grid[_apart(_some(coarse, FEW), [_some(y, FEW) for y in views], rotations, grid).argmin()]
    generator = torch.Generator().manual_seed(0)
    for spread in (0.25, 0.12, 0.06):
        turns = rotations_by(spread * torch.randn(24, 3, generator=generator, dtype=torch.float64))
        near = torch.cat([best[None], best @ turns])
        best = near[_apart(coarse, views, rotations, near).argmin()]
    return best


def _apart(coarse: Tensor, views: Sequence[Tensor], rotations: Tensor, turns: Tensor) -> Tensor:
    """(g,) energy distances of the views from the coarse structure in each orientation `turns` (g, 3, 3), summed."""
    total = torch.zeros(len(turns), dtype=torch.float64)
    for view, rotation in zip(views, rotations, strict=True):
        seen = (coarse @ turns @ rotation)[..., :2]
        between = torch.cdist(seen, view).mean(dim=(1, 2))
        total += 2 * between - torch.cdist(seen, seen).mean(dim=(1, 2)) - torch.cdist(view, view).mean()
    return total
