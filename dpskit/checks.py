"""Checks of user input: each failure is one sentence that names the argument, its value and what was expected."""

from __future__ import annotations

import inspect
import math
import operator
from collections.abc import Collection
from typing import Any

import numpy as np
import torch
from torch import Tensor


def check_integer(name: str, value: Any, least: int = 1) -> int:
    """Return `value` as an int of at least `least`, or raise ValueError."""
    try:
        number = least - 1 if isinstance(value, bool) else operator.index(value)
    except (TypeError, RuntimeError):
        number = least - 1
    if number < least:
        raise ValueError(f"{name} must be an integer of at least {least}, got {value!r}.")
    return number


def check_number(name: str, value: Any, least: float = -math.inf, *, above: float = -math.inf) -> float:
    """Return `value` as a finite float that is at least `least` and greater than `above`, or raise ValueError."""
    try:
        number = math.nan if isinstance(value, str | bool) else float(value)
    except (TypeError, ValueError, RuntimeError):
        number = math.nan
    if not (math.isfinite(number) and number >= least and number > above):
        bound = f" above {above:g}" if above > -math.inf else f" of at least {least:g}" if least > -math.inf else ""
        raise ValueError(f"{name} must be a finite number{bound}, got {value!r}.")
    return number


def check_array(name: str, value: Any, shape: str) -> Tensor:
    """Return `value` as a real tensor, or raise TypeError naming the expected `shape`; numpy arrays are copied."""
    try:
        array = torch.as_tensor(value.copy() if isinstance(value, np.ndarray) else value)
    except (TypeError, ValueError, RuntimeError):
        array = None
    if array is None or array.is_complex():
        raise TypeError(f"{name} must be an array of real numbers of shape {shape}, got {type(value).__name__}.")
    return array


def check_points(name: str, value: Any, dim: int | None = 3, *, batched: bool = False) -> Tensor:
    """Return `value` as a float32 tensor of finite points: (n, dim), or (b, n, dim) when `batched`.

    Float64 tensors keep their precision. `dim` None accepts any number of coordinates. Raises ValueError on a wrong
    shape, an empty cloud, NaN or infinity, and TypeError on what is not numeric.
    """
    shape = f"({'b, ' if batched else ''}n, {dim or 'd'})"
    points = check_array(name, value, shape)
    if points.dtype != torch.float64:
        points = points.to(torch.float32)
    if points.ndim != 2 + batched or (dim is not None and points.shape[-1] != dim):
        raise ValueError(f"{name} must have shape {shape}, got {tuple(points.shape)}.")
    if points.numel() == 0:
        raise ValueError(f"{name} must hold at least one point, got an empty array of shape {tuple(points.shape)}.")
    bad = int((~torch.isfinite(points)).any(dim=-1).sum())
    if bad:
        raise ValueError(f"{name} must be finite, got NaN or infinity in {bad} of {points[..., 0].numel()} points.")
    return points


def check_rotations(name: str, value: Any) -> Tensor:
    """Return `value` as (k, 3, 3) float32 orthogonal matrices (O(3), to 1e-4), or raise ValueError."""
    rotations = check_array(name, value, "(k, 3, 3)").to(torch.float32)
    if rotations.ndim != 3 or rotations.shape[1:] != (3, 3) or len(rotations) == 0:
        raise ValueError(f"{name} must have shape (k, 3, 3), got {tuple(rotations.shape)}.")
    error = (rotations @ rotations.mT - torch.eye(3)).abs().amax(dim=(1, 2))
    worst = int(torch.nan_to_num(error, nan=math.inf).argmax())
    if not error[worst] < 1e-4:
        raise ValueError(f"{name}[{worst}] must be an orthogonal matrix, but |R R^T - I| reaches {error[worst]:.3g}.")
    return rotations


def check_method(name: str, value: Any, method: str) -> None:
    """Raise TypeError unless `value` is an object, not a class, with the `method`, which takes the arguments given."""
    called, _, arguments = method.rstrip(")").partition("(")
    member = getattr(value, called, None)
    if isinstance(value, type) or not callable(member):
        got = f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__
        raise TypeError(f"{name} must be an object with a method {method}, got {got}.")
    try:
        signature = inspect.signature(member)
    except ValueError:  # written in C
        return
    try:
        signature.bind(*arguments.split(", "))
    except TypeError:
        own = ", ".join(signature.parameters)
        raise TypeError(f"{name} must be an object with a method {method}, got {called}({own}).") from None


def check_choice(name: str, value: str, choices: Collection[str]) -> str:
    """Return `value` if it is one of `choices`, or raise ValueError listing them."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}; got {value!r}.")
    return value
