"""EDM preconditioning and loss (Karras et al., arXiv 2206.00364), and the prior that a trained network is."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from dpskit.checks import check_method
from dpskit.pose.templates import Templates

SIGMA_DATA = 0.5


def precondition(t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(c_skip, c_out, c_in) at noise levels t, each of t's shape.

    D(x, t) = c_skip x + c_out F(c_in x, t), with sigma_data = 0.5. The paper prints c_out = 0.25 t / sqrt(t^2 + 0.25);
    EDM's 0.5 t / sqrt(t^2 + 0.25) is used here, which makes the network's target of unit variance. How a network
    encodes t (the paper's c_noise) is its own business. Paper: eq. (23).
    """
    total = t.square() + SIGMA_DATA**2
    return SIGMA_DATA**2 / total, SIGMA_DATA * t / total.sqrt(), total.rsqrt()


def denoise(network: nn.Module, x: Tensor, t: Tensor) -> Tensor:
    """The preconditioned network D(x, t): (b, n, 3), (b,) -> (b, n, 3). Paper: eq. (23)."""
    c_skip, c_out, c_in = precondition(t)
    residual = network(c_in[:, None, None] * x, t)
    return c_skip[:, None, None] * x + c_out[:, None, None] * residual.to(x.dtype)


def edm_loss(network: nn.Module, x0: Tensor, t: Tensor, noise: Tensor) -> Tensor:
    """The training loss of a denoiser, for each cloud.

    Parameters
    ----------
    network
        network(x, t): the residual that `denoise` of this module makes a denoiser D of.
    x0
        Clouds (b, n, 3).
    t
        Noise levels (b,).
    noise
        Standard normal, (b, n, 3).

    Returns
    -------
    Tensor
        (b,): lambda(t) |D(x0 + t noise, t) - x0|^2 per coordinate, lambda = 1 / c_out^2.

    Notes
    -----
    A network that always returns zero has a loss of about 1 at every t, whatever the data of variance 0.25. Paper:
    eq. (22).
    """
    _, c_out, _ = precondition(t)
    error = denoise(network, x0 + t[:, None, None] * noise, t) - x0
    return error.square().mean(dim=(1, 2)) / c_out.square()


@dataclass(frozen=True, eq=False)
class DiffusionPrior:
    """A trained prior of clouds in [-1, 1]^3.

    Parameters
    ----------
    network : Module
        network(x, t): the residual that `denoise` of this module makes a denoiser of.
    name : str
        For tables.
    card : dict
        What is known of the training (data, command, steps), as stored with the weights. Its entry "defaults" holds the
        cutoff, the levels of the Jacobian and the blur that were chosen for the prior.
    templates : Templates, optional
        Of its objects, where they stand upright, to find the pose of data.

    Examples
    --------
    >>> import dpskit
    >>> prior = dpskit.load_prior("chairs")
    >>> prior.name, prior.orientation, prior.scale
    ('chairs', 'upright', 0.5)
    """

    network: nn.Module
    name: str = "unnamed"
    card: dict[str, Any] = field(default_factory=dict, repr=False)
    templates: Templates | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        check_method("network", self.network, "__call__(x, t)")

    def denoise(self, x: Tensor, t: Tensor) -> Tensor:
        """As `Prior.denoise` describes: the preconditioned network."""
        dim = getattr(self.network, "dim", None)  # None: any
        clouds, times = tuple(getattr(x, "shape", ())), tuple(getattr(t, "shape", ()))
        if len(clouds) != 3 or dim not in (None, clouds[2]) or times != clouds[:1]:
            raise ValueError(f"x and t must have shapes (b, n, {dim or 'd'}) and (b,), got {clouds} and {times}.")
        return denoise(self.network, x, t)

    @property
    def scale(self) -> float:
        """Root mean square of the coordinates that the preconditioning assumes."""
        return SIGMA_DATA

    @property
    def cutoff(self) -> float:
        """The noise level below which no noise is injected in guided runs; 0 where none was chosen."""
        return self.card.get("defaults", {}).get("cutoff", 0.0)

    @property
    def jacobian(self) -> tuple[float, float]:
        """The noise levels between which the Jacobian of the network is worth its time in `DPS`; all by default."""
        low, high = self.card.get("defaults", {}).get("jacobian", (0.0, math.inf))
        return float(low), float(high)

    @property
    def blur(self) -> float:
        """The width of the kernels of the data's `surprise` that suits the prior in `DPS`; 0 (without) by default."""
        return self.card.get("defaults", {}).get("blur", 0.0)

    @property
    def orientation(self) -> str:
        """How the prior's objects stand: "upright", "rotated" (any way, SO(3)) or "reflected" (O(3)); by its card."""
        settings = self.card.get("settings", {})
        return settings.get("orientation", "rotated" if settings.get("proper") else "reflected")

    def to(self, device: torch.device | str) -> DiffusionPrior:
        """The same prior on another device; the network moves there itself, it is not copied.

        Parameters
        ----------
        device : device or str
            Of torch.

        Returns
        -------
        DiffusionPrior
            With the same network.
        """
        return replace(self, network=self.network.to(device))
