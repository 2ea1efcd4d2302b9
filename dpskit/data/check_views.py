"""What is wrong with a set of views, before any sampling: do they show one object from where they say?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from dpskit.checks import check_number
from dpskit.cloud import Frame
from dpskit.data.check_coarse import check_coarse
from dpskit.data.images import points_of_image
from dpskit.data.observations import Observations
from dpskit.data.view_warning import ViewWarning
from dpskit.likelihoods.coarse import CoarseGrained
from dpskit.likelihoods.image import ProjectionImages
from dpskit.likelihoods.joint import Joint
from dpskit.likelihoods.projection import Projections

MOST = 1_000  # points that an image is turned into, and that a comparison of two views counts: with more, it would find
# the small errors of any real data
TAIL = 3.2  # a mean of so many statistics of pairs above 1, divided by the root of their number, is no chance
SIZE = 3.2  # standard errors by which the size of a view may differ from the others'
CLEAR = 0.8  # share of the accepted disagreement that may be left once the right mistake is undone
FLIPS = {"mirrored": (1.0, -1.0), "mirrored left to right": (-1.0, 1.0), "turned by 180 degrees": (-1.0, -1.0)}


def check_views(
    data: Projections | ProjectionImages | Observations | Joint, frame: Frame | None = None
) -> list[ViewWarning]:
    """Whether the views can show one object from their orientations, and the likely mistake where they cannot.

    Two views share an axis, the direction that both see in full length. Along it the projected points must have the
    same distribution. Where a pair of views disagrees more than its number of points explains, one mistake after the
    other is undone on trial: rotations transposed, images mirrored, and in one view a wrong centre, pixel size or hand.
    The one that makes all views agree is named; if there is none, a view without which the others agree.
    A coarse structure beside views that agree is held against them: its centre, its size, its orientation and its hand.

    Parameters
    ----------
    data : Projections, ProjectionImages, Observations or Joint
        Of a joint likelihood, its views and its coarse structure. At least two views of known orientation, or one
        and a coarse structure; with fewer nothing can be said.
    frame : Frame, optional
        Of the cube that `data` lives in, for lengths in angstrom. Images and observations know theirs.

    Returns
    -------
    list of ViewWarning
        Empty if nothing is wrong that could be seen. Not to be seen from views alone, but beside a coarse structure: a
        wrong pixel size or the wrong hand of all of them, if they agree with each other.

    Notes
    -----
    The distributions are compared by the two-sample statistic of Anderson and Darling (Pettitt, Biometrika 63, 1976),
    whose mean is 1 for samples of one distribution, whatever it is; and by their widths, which it hardly feels.
    Images are turned into points first, see `points_of_image`.

    Examples
    --------
    >>> import dpskit
    >>> data = dpskit.Projections.observe(dpskit.load_example("ruvab").points, n_views=4, n_points=500)
    >>> dpskit.check_views(data)
    []
    >>> swapped = dpskit.Projections(data.points, data.rotations.mT)
    >>> [warning.kind for warning in dpskit.check_views(swapped)]
    ['transposed']
    """
    seen = _seen(data, frame)
    known = [k for k, rotation in enumerate(seen.rotations) if np.isfinite(rotation).all()]
    views, rotations = [seen.views[k] for k in known], seen.rotations[known]
    names = _Names(known, len(seen.views))
    found = _diagnose(views, rotations, seen.length, seen.unit, names) if len(known) > 1 else []
    if found or seen.coarse is None or not known:
        return found
    points = [torch.from_numpy(y) for y in views]
    return check_coarse(seen.coarse, points, torch.from_numpy(rotations), seen.length, seen.unit, shifted=seen.shifted)


@dataclass(frozen=True, eq=False)
class _Seen:
    """Points of every view (m, 2), rotations (k, 3, 3), the length and name of the unit of the points, the coarse
    structure (m, 3) in the same coordinates if there is one, and whether the views may be shifted."""

    views: list[np.ndarray]
    rotations: np.ndarray
    length: float
    unit: str
    coarse: Tensor | None = None
    shifted: bool = False


def _seen(data: object, frame: Frame | None) -> _Seen:
    """What the data show, whichever they are."""
    coarse = None
    if isinstance(data, Joint):
        views = [part for part in data.parts if isinstance(part, Projections | ProjectionImages)]
        structures = [part.points for part in data.parts if isinstance(part, CoarseGrained)]
        coarse = structures[0] if len(structures) == 1 else None
        data = views[0] if len(views) == 1 else data
    if isinstance(data, Projections):
        length, unit = (1.0, "of the cube") if frame is None else (frame.scale, frame.unit)
        points = [y.double().numpy() for y in data.points]
        return _Seen(points, data.rotations.double().numpy(), length, unit, coarse, data.shifted)
    if isinstance(data, Observations):
        points = [y.double().numpy() for y in data.projections]
        return _Seen(points, data.rotations.double().numpy(), 1.0, "angstrom", data.coarse, data.shifted)
    if isinstance(data, ProjectionImages):
        smooth = 0.5 * check_number("width", data.width) / data.pixel_size
        pixels = [torch.from_numpy(gaussian_filter(image, smooth)) for image in data.pixels.numpy()]
        shifts = [None] * len(pixels) if data.shifts is None else list(data.shifts)
        pairs = zip(pixels, shifts, strict=True)
        images = [points_of_image(image, MOST, pixel_size=data.pixel_size, shift=shift) for image, shift in pairs]
        points = [y.double().numpy() for y in images]
        coarse = None if coarse is None else data.frame.to_physical(coarse)
        return _Seen(points, data.rotations.double().numpy(), 1.0, data.frame.unit, coarse)
    raise TypeError(
        f"data must be Projections, ProjectionImages, Observations or a Joint with one of them, got "
        f"{type(data).__name__}."
    )


@dataclass(frozen=True)
class _Names:
    """The numbers, from 0, of the views that are compared, among how many there are."""

    numbers: list[int]
    count: int

    def __getitem__(self, k: int) -> str:
        """For a person, who counts from 1."""
        return f"view {self.numbers[k] + 1} of {self.count}"

    def blame(self, k: int) -> tuple[int | None, str, str]:
        """The number of a view that a mistake is undone in, what it then agrees with, and whose mistake it is: of two
        views nobody knows."""
        if len(self.numbers) > 2:
            return self.numbers[k], "the others", ""
        return None, f"view {self.numbers[1 - k] + 1}", " of one of the two"


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Views (m, 2) along the axes that each shares with each: the comparison of a set of views."""

    views: list[np.ndarray]
    rotations: np.ndarray

    def along(self, i: int, j: int) -> tuple[np.ndarray, np.ndarray]:
        """The unit vectors, in view i and in view j, of the axis that both see; any, if they look along one line."""
        axis = np.cross(self.rotations[i][:, 2], self.rotations[j][:, 2])
        if np.linalg.norm(axis) < 1e-3:
            axis = self.rotations[i][:, 0]
        axis /= np.linalg.norm(axis)
        return self.rotations[i][:, :2].T @ axis, self.rotations[j][:, :2].T @ axis

    def compare(self) -> tuple[np.ndarray, np.ndarray]:
        """Anderson-Darling statistics (k, k), and log widths of view i less those of view j with their variances
        (2, k, k); NaN on the diagonal."""
        k = len(self.views)
        statistic, widths = np.full((k, k), np.nan), np.full((2, k, k), np.nan)
        for i in range(k):
            for j in range(i):
                first, second = (y @ a for y, a in zip((self.views[i], self.views[j]), self.along(i, j), strict=True))
                statistic[i, j] = statistic[j, i] = anderson_darling(first, second)
                (one, v), (other, w) = _log_width(first), _log_width(second)
                widths[:, i, j], widths[:, j, i] = (one - other, v + w), (other - one, v + w)
        return statistic, widths

    def badness(self, of: int | None = None) -> tuple[float, np.ndarray]:
        """How far the views are from agreeing, in units of what is still accepted: of all, and of each view.

        of: a view that has been changed, which must then agree with the others about as well as they do.
        """
        k = len(self.views)
        statistic, widths = self.compare()
        of_view = np.nanmean(statistic, axis=1) / _accepted(k - 1)
        error = np.sqrt(np.nanmean(widths[1], axis=1) * (0.5 + 0.5 / (k - 1)))
        of_width = np.abs(np.nanmean(widths[0], axis=1)) / error / SIZE
        worst = max(np.nanmean(statistic) / _accepted(k * (k - 1) // 2), of_view.max(), of_width.max())
        if of is not None and k > 2:
            others = np.nanmean(np.delete(np.delete(statistic, of, 0), of, 1))
            worst = max(worst, np.nanmean(statistic[of]) / (2 * max(others, 0.5)))
        return float(worst), np.maximum(of_view, of_width)

    def changed(self, k: int, view: np.ndarray) -> _Pairs:
        return _Pairs([*self.views[:k], view, *self.views[k + 1 :]], self.rotations)

    def without(self, k: int) -> _Pairs:
        return _Pairs(self.views[:k] + self.views[k + 1 :], np.delete(self.rotations, k, axis=0))

    def shift(self, k: int) -> np.ndarray:
        """(2,) what brings the mean of view k to those of the others along their common axes."""
        others = [j for j in range(len(self.views)) if j != k]
        axes = [self.along(k, j) for j in others]
        means = [y.mean(axis=0) for y in self.views]
        wanted = [means[j] @ b - means[k] @ a for j, (a, b) in zip(others, axes, strict=True)]
        return np.linalg.lstsq(np.array([a for a, _ in axes]), np.array(wanted), rcond=1e-3)[0]

    def magnification(self, k: int) -> float:
        """By how much view k is wider than the others along their common axes."""
        widths = self.compare()[1][:, k]
        weight = 1 / np.delete(widths[1], k)
        return float(np.exp(np.delete(widths[0], k) @ weight / weight.sum()))


def anderson_darling(a: np.ndarray, b: np.ndarray) -> float:
    """The two-sample statistic of Anderson and Darling, 1 on average for samples of one distribution, as of at most
    `MOST` points each."""
    m, n = len(a), len(b)
    total = m + n
    order = np.concatenate([a, b]).argsort(kind="stable")
    i = np.arange(1, total)
    excess = np.cumsum(order < m)[:-1] * total - i * m
    count = m * n / total
    return float((excess**2 / (i * (total - i))).sum() / (m * n) * min(1.0, MOST / 2 / count))


def _accepted(pairs: int) -> float:
    """The largest mean of Anderson-Darling statistics of so many pairs that is no sign of a mistake."""
    return 1 + TAIL / np.sqrt(pairs)


def _log_width(values: np.ndarray) -> tuple[float, float]:
    """The logarithm of the standard deviation, and its variance."""
    centred = values - values.mean()
    variance = np.square(centred).mean() + 1e-30
    kurtosis = np.mean(centred**4) / variance**2
    return float(np.log(variance) / 2), float(max(kurtosis - 1, 0.1) / (4 * min(len(values), MOST)))


def _diagnose(
    views: list[np.ndarray], rotations: np.ndarray, length: float, unit: str, names: _Names
) -> list[ViewWarning]:
    """The mistake that explains best why the views disagree; nothing if they agree."""
    pairs = _Pairs(views, rotations)
    badness, of_view = pairs.badness()
    if badness <= 1:
        return []
    found = [trial for trial in _trials(pairs, length, unit, names) if trial[0] <= CLEAR]
    if found:
        simplest = [trial for trial in found if trial[1].kind == found[0][1].kind]
        return [min(simplest, key=lambda trial: trial[0])[1]]
    if len(views) > 2:
        rest, k = min((pairs.without(k).badness()[0], k) for k in range(len(views)))
        if rest <= 1:
            text = "no shift, size or hand makes it agree with the other views, which agree with each other"
            message = f"{names[k]} seems to show another structure, or another orientation than stated: {text}."
            return [ViewWarning(names.numbers[k], "structure", message)]
    worst = names[int(of_view.argmax())]
    message = f"the views disagree, {worst} most, and no single mistake that is known here explains it."
    return [ViewWarning(None, "disagreement", message)]


def _trials(pairs: _Pairs, length: float, unit: str, names: _Names) -> Iterator[tuple[float, ViewWarning]]:
    """What is left of the disagreement once a mistake is undone, and the warning that names it; the simplest first."""
    views, rotations = pairs.views, pairs.rotations
    message = "the views agree if the rotations are transposed: they seem to be written for column vectors, R x."
    transposed = _Pairs(views, rotations.transpose(0, 2, 1)).badness()[0]
    yield transposed, ViewWarning(None, "transposed", message)
    message = "the views agree if all images are mirrored: their y axis seems to point the other way."
    mirrored = [y * FLIPS["mirrored"] for y in views]
    yield _Pairs(mirrored, rotations).badness()[0], ViewWarning(None, "mirrored", message)
    single = range(len(views))
    for k in single if len(views) > 2 else ():
        for name, flip in FLIPS.items():
            message = f"{names[k]} agrees with the others if it is {name}."
            yield pairs.changed(k, views[k] * flip).badness(k)[0], ViewWarning(names.numbers[k], "mirrored", message)
    for k in single:
        shift = pairs.shift(k)
        text = ", ".join(f"{value:.3g}" for value in shift * length)
        view, rest, whose = names.blame(k)
        message = f"{names[k]} agrees with {rest} if its points are moved by ({text}) {unit}: a wrong centre{whose}?"
        yield pairs.changed(k, views[k] + shift).badness(k)[0], ViewWarning(view, "shift", message)
    for k in single:
        factor = pairs.magnification(k)
        scaled = pairs.changed(k, views[k] / factor)
        scaled = scaled.changed(k, scaled.views[k] + scaled.shift(k))
        view, rest, whose = names.blame(k)
        message = f"{names[k]} agrees with {rest} if it is {1 / factor:.3g} times as large: wrong pixel size{whose}?"
        yield scaled.badness(k)[0], ViewWarning(view, "pixel size", message)
    if len(views) > 2:
        message = (
            "the views agree if all images are mirrored and centred: their y axis seems to point the other way, and "
            "turning images of an even number of pixels round moves their centres by one."
        )
        centred = _Pairs([y - y.mean(axis=0) for y in mirrored], rotations).badness()[0]
        yield centred, ViewWarning(None, "mirrored", message)
