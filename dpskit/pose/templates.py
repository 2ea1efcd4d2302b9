"""How the objects of a prior stand: densities of upright training clouds, against which poses of a cloud are scored."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from dpskit.checks import check_integer, check_points
from dpskit.cloud import as_generator
from dpskit.rotations import distinct_rotations, even_rotations, rotations_by

GRID = 22  # cells along an axis
REACH = 1.32  # half the side of the grid: clouds that noise has widened stay inside
CLUSTER_WIDTH = 0.12  # standard deviation by which clouds are blurred before they are compared, in the cube
MATCH_WIDTH = 0.08  # the same for templates before clouds are matched with them
BACKGROUND = 0.03  # share of a uniform density in each template, for points that no object of its kind has
INDEPENDENT = 16  # points of a cloud count as so many independent ones, however many there are
N_ROTATIONS = 1_200  # first rotations tried, about 20 degrees apart
TURNS = (14.0, 7.0, 3.5, 1.8)  # degrees by which candidates are turned, to refine them
N_TURNS = 40  # of each
CHUNK = 128  # rotations that are scored at once
MAX_CLOUDS = 3_000  # that templates are made of


@dataclass(frozen=True, eq=False)
class Templates:
    """Densities of the kinds of objects that a prior knows, as they stand in its frame.

    Parameters
    ----------
    density
        (s, g, g, g) uint8: one for each kind, on a grid over [-1.32, 1.32]^3, up to a factor, and symmetric under the
        mirror x -> -x.
    weight
        (s,) share of the training clouds that each kind has.

    Notes
    -----
    Of a cloud x = upright @ R of n points, log p(R | x) = log sum_s weight_s exp(16 / n sum_i log density_s(x_i R^T)),
    up to a constant. The points count as 16 independent ones, because those of an estimated cloud err together: on
    maximum-likelihood clouds of held-out chairs, from five projections and from two with a subunit, 16 gave the poses
    their best-calibrated probabilities (16 to 256 tried).
    """

    density: Tensor
    weight: Tensor

    def __post_init__(self) -> None:
        density, weight = self.density, self.weight
        grid = density.shape[-1] if density.ndim else 0
        if density.dtype != torch.uint8 or density.shape[1:] != (grid, grid, grid) or not density.numel():
            got = f"{tuple(density.shape)} of {density.dtype}"
            raise ValueError(f"density must have shape (s, g, g, g) of torch.uint8, got {got}.")
        if not bool(density.flatten(1).any(dim=1).all()):
            raise ValueError("density must not vanish in any template.")
        if weight.shape != density.shape[:1] or not bool((torch.isfinite(weight) & (weight > 0)).all()):
            raise ValueError(
                f"weight must be a number above 0 for each of {len(density)} templates, got {weight.tolist()}."
            )

    @cached_property
    def log_density(self) -> Tensor:
        """(g^3, s) logarithms of the blurred densities."""
        density = blur(self.density.float(), MATCH_WIDTH).flatten(1)
        density = density / density.sum(dim=1, keepdim=True)
        return ((1 - BACKGROUND) * density + BACKGROUND / density.shape[1]).log().T.contiguous()

    def log_score(self, cloud: Tensor, rotations: Tensor) -> Tensor:
        """log p(R | cloud) up to a constant, for a cloud (n, 3) = upright @ R and rotations (k, 3, 3) -> (k,)."""
        grid = self.density.shape[-1]
        scores = []
        for some in rotations.split(CHUNK):
            matched = histograms(cloud @ some.mT, grid) @ self.log_density
            scores.append((INDEPENDENT * matched + self.weight.log()).logsumexp(dim=1))
        return torch.cat(scores)

    def candidates(self, cloud: Tensor, count: int = 4, apart: float = 40.0) -> tuple[Tensor, Tensor]:
        """The best poses of a cloud.

        Parameters
        ----------
        cloud
            (n, 3) in the cube, in an unknown pose: upright @ R.
        count
            How many poses to find at most.
        apart
            Degrees by which they differ at least.

        Returns
        -------
        rotations, scores
            (k, 3, 3) and (k,) with k <= count, the best first, and their log scores.
        """
        cloud, count = check_points("cloud", cloud).float().cpu(), check_integer("count", count)
        rotations = even_rotations(N_ROTATIONS).float()
        score = self.log_score(cloud, rotations)
        best = rotations[distinct_rotations(rotations, score, 2 * count, apart)]
        generator = torch.Generator().manual_seed(0)
        for degrees in TURNS:
            vectors = math.radians(degrees) * torch.randn(N_TURNS, 3, generator=generator)
            vectors[0] = 0.0  # as it is
            tried = best.unsqueeze(1) @ rotations_by(vectors)
            score = self.log_score(cloud, tried.flatten(0, 1)).reshape(tried.shape[:2])
            best = tried[torch.arange(len(best)), score.argmax(dim=1)]
        score = score.amax(dim=1)
        kept = distinct_rotations(best, score, count, apart)
        return best[kept], score[kept]


def make_templates(clouds: Tensor, n_templates: int = 96, seed: int = 0) -> Templates:
    """Templates from upright training clouds (k, m, 3) in the cube: the mean densities of clusters of them.

    They are clustered by k-means, on the square roots of their blurred densities, so that distances are those of
    Hellinger. Of more than 3,000 clouds, as many are used, spread evenly. n_templates: clusters at most. seed: of their
    start.
    """
    from scipy.cluster.vq import kmeans2

    if len(clouds) > MAX_CLOUDS:
        clouds = clouds[torch.linspace(0, len(clouds) - 1, MAX_CLOUDS).long()]
    n_templates = min(check_integer("n_templates", n_templates), len(clouds))
    density = torch.cat([histograms(cloud.float().unsqueeze(0).cpu(), GRID) for cloud in clouds])
    density = density.reshape(-1, GRID, GRID, GRID)
    density = (density + density.flip(1)) / 2
    coarse = torch.nn.functional.avg_pool3d(blur(density, CLUSTER_WIDTH), 2)
    numbers = torch.randint(2**31, (1,), generator=as_generator(seed))
    _, labels = kmeans2(coarse.sqrt().flatten(1).numpy(), n_templates, minit="++", iter=20, seed=int(numbers))
    labels = torch.from_numpy(labels).long()
    used, counts = labels.unique(return_counts=True)
    means = torch.stack([density[labels == label].mean(dim=0) for label in used])
    return Templates(
        (255 * means / means.amax(dim=(1, 2, 3), keepdim=True)).round().to(torch.uint8), counts / counts.sum()
    )


def histograms(clouds: Tensor, grid: int) -> Tensor:
    """The share of the points of clouds (k, n, 3) in each of grid^3 cells -> (k, grid^3); outer ones at the border."""
    k, n, _ = clouds.shape
    cell = ((clouds + REACH) * (grid / (2 * REACH))).long().clamp_(0, grid - 1)
    index = (cell[..., 0] * grid + cell[..., 1]) * grid + cell[..., 2]
    index += grid**3 * torch.arange(k).unsqueeze(1)
    return torch.bincount(index.flatten(), minlength=k * grid**3).reshape(k, -1) / n


def blur(density: Tensor, width: float) -> Tensor:
    """Densities (s, g, g, g) convolved with a Gaussian of standard deviation `width`, in the cube, along each axis."""
    grid = density.shape[-1]
    centre = (torch.arange(grid) + 0.5) * (2 * REACH / grid)
    kernel = torch.exp(-(centre[:, None] - centre).square() / (2 * width**2))
    kernel = kernel / kernel.sum(dim=0, keepdim=True)
    for axis in (1, 2, 3):
        density = (density.transpose(axis, 3) @ kernel.T).transpose(axis, 3)
    return density
