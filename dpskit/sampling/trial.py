"""A trial of the parts of a run on two small clouds before it starts, so that what cannot work fails at once."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from dpskit.checks import check_integer, shown
from dpskit.likelihoods.protocol import USUAL_POINTS, Likelihood
from dpskit.priors.protocol import Prior, checked_denoise
from dpskit.sampling.schedule import check_schedule, default_schedule

DIM = 3  # of a cloud whose shape nobody states
MEASURABLE = 0.99  # slope of a denoiser above which it hardly says what its prior is
LARGEST_TRIAL = 4  # clouds


def cloud_shape(prior: Prior, likelihood: Likelihood | None, n_points: int | None, dim: int | None) -> tuple[int, int]:
    """(n, d) of the clouds of a run: what is given, else the attribute `shape` of prior or likelihood, else (1024, 3).

    A `shape` may hold None for a number that it leaves open.
    """
    given = [n_points, dim]
    for part in (prior, likelihood):
        own = getattr(part, "shape", None) or (None, None)
        given = [mine if value is None else value for value, mine in zip(given, own, strict=True)]
    n, d = (default if value is None else value for value, default in zip(given, (USUAL_POINTS, DIM), strict=True))
    return check_integer("n_points", n), check_integer("dim", d)


def trial_clouds(n: int, d: int, device: torch.device | str = "cpu") -> Tensor:
    """Standard normal clouds (b, n, d), few, but not as many as points or coordinates: a mistaken axis then shows."""
    batch = next(b for b in range(2, LARGEST_TRIAL + 1) if b not in (n, d))
    return torch.randn(batch, n, d, generator=torch.Generator().manual_seed(0)).to(device)


def try_prior(prior: Prior, x: Tensor, t: float, *, gradient: bool) -> float:
    """Denoise t x once, and return the scale of the prior: its attribute `scale`, or a rough measurement.

    The scale is the root mean square of the coordinates of clouds of the prior. Measured, it is the larger one of that
    of the denoised clouds and of the standard deviation s of the Gaussian prior that would denoise alike, whose
    denoiser has the slope s^2 / (s^2 + t^2), if s is below 10 t. Raises ValueError or TypeError for a denoiser
    that cannot be used.
    """
    x = (t * x).requires_grad_(gradient)
    with torch.set_grad_enabled(gradient):
        denoised = _attempt(
            lambda: checked_denoise(prior, x, torch.full((len(x),), t).to(x)), "prior.denoise(x, t)", x, prior
        )
    scale = getattr(prior, "scale", None)
    if scale is not None:
        return float(scale)
    x, denoised = x.detach(), denoised.detach()
    apart, kept = x[0] - x[1], denoised[0] - denoised[1]
    slope = float((kept * apart).sum() / apart.square().sum())
    width = t * math.sqrt(slope / (1 - slope)) if 0 < slope < MEASURABLE else 0.0
    return max(float((denoised if slope < MEASURABLE else 0 * denoised).square().mean().sqrt()), width)


def try_likelihood(likelihood: Likelihood, x0: Tensor, *, density: bool = False) -> None:
    """Compute the energy of clouds x0 (b, n, d) once, and log_prob where the `density` is needed.

    Raises ValueError or TypeError unless they are finite tensors of shape (b,) that depend on x0 differentiably, and
    the energy is at least 0; RuntimeError where torch knows no gradients.
    """
    if torch.is_inference_mode_enabled():
        raise RuntimeError("a run with data must not be inside torch.inference_mode(), which knows no gradients.")
    for method in ("energy", "log_prob") if density else ("energy",):
        name, x = f"likelihood.{method}(x0)", x0.detach().clone().requires_grad_()
        with torch.enable_grad():
            values = _attempt(lambda m=method, x=x: getattr(likelihood, m)(x), name, x, likelihood)
        if not isinstance(values, Tensor) or values.shape != (len(x),):
            got = f"shape {tuple(values.shape)}" if isinstance(values, Tensor) else type(values).__name__
            raise ValueError(
                f"{name} must return one number for each of {len(x)} clouds, shape ({len(x)},), got {got}."
            )
        if not bool(torch.isfinite(values).all()):
            raise ValueError(f"{name} must be finite, got {values.tolist()} for standard normal clouds.")
        if method == "energy" and bool((values < 0).any()):
            raise ValueError(f"{name} must be at least 0, got {values.tolist()} for standard normal clouds.")
        if not values.requires_grad:
            raise ValueError(f"{name} must be differentiable in x0, but its result is detached from it (no gradient).")
        if torch.autograd.grad(values, x, torch.ones_like(values), allow_unused=True)[0] is None:
            raise ValueError(f"{name} must depend on x0, but its result does not.")


def prepare(
    prior: Prior,
    likelihood: Likelihood | None,
    n_points: int | None,
    dim: int | None,
    schedule: Tensor | None,
    *,
    density: bool = False,
    device: torch.device | str = "cpu",
) -> tuple[tuple[int, int], list[float], float]:
    """The shape (n, d), the times and the width of the start of a run, after a trial of its prior and its likelihood.

    At the first noise level t a cloud of the prior has the width sqrt(t^2 + s^2), s being the prior's scale. Narrower
    clouds are none that a prior knows: at t = 1 it takes them for objects without extent. The paper starts from t.
    Warns of a prior whose scale does not fit the schedule.
    """
    device = check_device(device)
    n, d = cloud_shape(prior, likelihood, n_points, dim)
    given = None if schedule is None else check_schedule(schedule)
    x = trial_clouds(n, d, device)
    if likelihood is not None:
        try_likelihood(likelihood, x, density=density)
    scale = try_prior(prior, x, 1.0 if given is None else float(given[0]), gradient=likelihood is not None)
    if given is None:
        given = default_schedule(likelihood is not None, scale)
    elif scale > float(given[0]):
        warnings.warn(
            f"schedule starts at t = {float(given[0]):.3g}, less than the scale of the prior, {scale:.3g}, so the "
            f"samples may be biased: start at t_max = {10 * scale:.2g} or more.",
            RuntimeWarning,
            stacklevel=4,
        )
    return (n, d), given.tolist(), math.hypot(float(given[0]), scale)


def check_device(device: torch.device | str) -> torch.device:
    """Return the device, or raise ValueError if torch has none of this name here."""
    try:
        return torch.zeros(0, device=torch.device(device)).device  # None, which is no device, fails too
    except (RuntimeError, AssertionError, TypeError, NotImplementedError, UnicodeError):
        known = ["cpu", *(f"cuda:{k}" for k in range(torch.cuda.device_count()))]
        raise ValueError(f"device must be one that torch has here ({', '.join(known)}), got {shown(device)}.") from None


def _attempt(call: Callable[[], Any], name: str, x: Tensor, part: object) -> Any:
    """The result of `call`, or TypeError that says which call failed on what; ValueErrors explain themselves."""
    try:
        return call()
    except ValueError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split()).rstrip(".") or "no message"
        own = getattr(part, "shape", None)
        hint = f", while its own shape is {tuple(own)}" if own else ", each with its own t" if "denoise" in name else ""
        raise TypeError(
            f"{name} must take clouds of shape {tuple(x.shape)}{hint}, but it raised {type(error).__name__}: {reason}."
        ) from error
