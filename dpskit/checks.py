"""Checks of user input: each failure is one sentence that names the argument, its value and what was expected."""

from __future__ import annotations

import inspect
import math
import operator
import os
from collections.abc import Collection
from pathlib import Path
from types import FunctionType
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

Kind = TypeVar("Kind")

MAX_COUNT = 10**8
"""What may be asked for of anything: more would never be done."""
MAX_SEED = 2**32 - 1
"""The largest seed that all random generators take."""


def check_integer(name: str, value: Any, least: int = 1, most: int = MAX_COUNT) -> int:
    """Return `value` as an int from `least` to `most`, or raise ValueError."""
    try:
        number = least - 1 if isinstance(value, bool) else operator.index(value)
    except (TypeError, RuntimeError, ValueError):
        number = least - 1
    if number > most:
        raise ValueError(f"{name} must be an integer from {least} to {most}, got {shown(value)}.")
    if number < least:
        raise ValueError(f"{name} must be an integer of at least {least}, got {shown(value)}.")
    return number


def check_seed(name: str, value: Any) -> int:
    """Return `value` as an int that every random generator takes as its seed, or raise ValueError."""
    return check_integer(name, value, least=0, most=MAX_SEED)


def check_number(name: str, value: Any, least: float = -math.inf, *, above: float = -math.inf) -> float:
    """Return `value` as a finite float that is at least `least` and greater than `above`, or raise ValueError."""
    try:
        number = math.nan if isinstance(value, str | bool) else float(value)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        number = math.nan
    if not (math.isfinite(number) and number >= least and number > above):
        bound = f" above {above:g}" if above > -math.inf else f" of at least {least:g}" if least > -math.inf else ""
        raise ValueError(f"{name} must be a finite number{bound}, got {shown(value)}.")
    return number


def check_share(name: str, value: Any, most: float = 1) -> float:
    """Return `value` as a float from 0 to `most`, or raise ValueError."""
    if not 0 <= (number := check_number(name, value)) <= most:
        raise ValueError(f"{name} must be between 0 and {most:g}, got {shown(value)}.")
    return number


def check_flag(name: str, value: Any) -> bool:
    """Return `value` as a bool, or raise TypeError for anything but True and False, such as the text "False"."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, got {shown(value)}.")
    return bool(value)


def check_levels(name: str, value: Any) -> tuple[float, float]:
    """Return `value` as two noise levels, low and high, or raise ValueError unless 0 <= low <= high."""
    try:
        low, high = (float(level) for level in value)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        low = high = math.nan
    if not 0 <= low <= high:
        raise ValueError(f"{name} must be two noise levels (low, high) with 0 <= low <= high, got {shown(value)}.")
    return low, high


def shown(value: Any) -> str:
    """`value` in an error: in one line, and not without end."""
    try:
        text = " ".join(repr(value).split())
    except ValueError:  # an integer of thousands of digits
        text = "an integer of very many digits"
    return text if len(text) <= 80 else f"{text[:60]} ..."


def check_path(name: str, value: Any) -> Path:
    """Return `value` as a path with "~" expanded, or raise TypeError for what names no file."""
    if not isinstance(value, str | os.PathLike) or isinstance(os.fspath(value), bytes):
        raise TypeError(f"{name} must be a path, got {type(value).__name__}.")
    if "\0" in os.fspath(value):
        raise ValueError(f"{name} must be a path, got one with a null character.")
    if any(len(os.fsencode(part)) > 255 for part in Path(value).parts):
        raise ValueError(f"{name} must be a path, got one with a part of more than 255 bytes.")
    try:
        return Path(value).expanduser()
    except RuntimeError:  # there is no such user
        return Path(value)


def check_array(name: str, value: Any, shape: str) -> Tensor:
    """Return `value` as a real tensor, or raise TypeError naming the expected `shape`; numpy arrays are copied.

    Sparse and quantised tensors, and those of the device "meta", hold no numbers to compute with and are refused.
    """
    try:
        if isinstance(value, np.ndarray):
            value = value.astype(value.dtype.newbyteorder("="))
        array = torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        array = None
    if array is None or array.is_complex():
        raise TypeError(f"{name} must be an array of real numbers of shape {shape}, got {type(value).__name__}.")
    if array.layout is not torch.strided or array.is_meta or array.is_quantized:
        kind = "meta" if array.is_meta else "quantised" if array.is_quantized else "sparse"
        raise TypeError(f"{name} must be a dense array of real numbers of shape {shape}, got a {kind} tensor.")
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
    wrong = [k for k, rotation in enumerate(rotations) if not bool(rotation.isfinite().all())]
    if wrong:
        raise ValueError(f"{name}[{wrong[0]}] must hold finite numbers, got NaN or infinity among them.")
    error = (rotations @ rotations.mT - torch.eye(3)).abs().amax(dim=(1, 2))
    worst = int(error.argmax())
    if not error[worst] < 1e-4:
        raise ValueError(f"{name}[{worst}] must be an orthogonal matrix, but |R R^T - I| reaches {error[worst]:.3g}.")
    return rotations


def check_kind(name: str, value: Any, kind: type[Kind], hint: str = "") -> Kind:
    """Return `value`, or raise TypeError unless it is of the `kind`; hint: what more to say of that kind."""
    if not isinstance(value, kind):
        got = type(value).__name__ + f" {shown(value)}" * isinstance(value, str)
        raise TypeError(f"{name} must be of type {kind.__name__}{hint}, got {got}.")
    return value


def check_method(name: str, value: Any, method: str) -> None:
    """Raise TypeError unless `value` is an object, not a class, with the `method`, which takes the arguments given."""
    called, _, arguments = method.rstrip(")").partition("(")
    function = called == "__call__" and isinstance(value, FunctionType)  # which tells what it takes
    member = value if function else getattr(value, called, None)
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
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}; got {shown(value)}.")
    return value
