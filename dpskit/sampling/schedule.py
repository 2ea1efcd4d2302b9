"""The time steps of a run."""

from __future__ import annotations

import torch
from torch import Tensor

from dpskit.checks import check_array, check_integer, check_number


def karras_schedule(n_steps: int, t_max: float = 1.0, t_min: float = 0.002, rho: float = 3.0) -> Tensor:
    """The noise levels of a run, falling to 0.

    Parameters
    ----------
    n_steps
        At least 1.
    t_max, t_min
        The first and the last noise level before 0. Paper (3.1 and A.3): t_max is 1 with guidance, 80 without; t_min is
        not given.
    rho
        At least 1: a larger one puts more steps at small t.

    Returns
    -------
    Tensor
        (n_steps + 1,).

    Raises
    ------
    ValueError
        Unless n_steps >= 1, t_max > t_min > 0 and rho >= 1.

    Notes
    -----
    t_i = (t_max^(1/rho) + i/(N-1) (t_min^(1/rho) - t_max^(1/rho)))^rho for i < N, and t_N = 0.

    Examples
    --------
    >>> import dpskit
    >>> [round(t, 3) for t in dpskit.karras_schedule(3, t_max=1.0, t_min=0.001).tolist()]
    [1.0, 0.166, 0.001, 0.0]
    """
    n_steps = check_integer("n_steps", n_steps)
    t_min = check_number("t_min", t_min, above=0.0)
    t_max = check_number("t_max", t_max, above=t_min)
    rho = check_number("rho", rho, least=1.0)
    ramp = torch.linspace(0, 1, n_steps, dtype=torch.float64)
    times = (t_max ** (1 / rho) + ramp * (t_min ** (1 / rho) - t_max ** (1 / rho))) ** rho
    return torch.cat([times, times.new_zeros(1)])


def check_schedule(schedule: Tensor) -> Tensor:
    """Return `schedule` if it is a falling sequence of finite times that ends at 0, or raise ValueError."""
    schedule = check_array("schedule", schedule, "(n_steps + 1,)").double()
    if schedule.ndim != 1 or len(schedule) < 2:
        raise ValueError(f"schedule must hold at least two times, got shape {tuple(schedule.shape)}.")
    if not bool(torch.isfinite(schedule).all() and (schedule.diff() < 0).all()) or schedule[-1] != 0:
        raise ValueError(f"schedule must be finite, fall at every step and end at 0, got {schedule.tolist()}.")
    return schedule


def default_schedule(guided: bool, scale: float = 0.5) -> Tensor:
    """40 steps from t = 1 with guidance, 100 steps from t = 80 without. Paper: A.3 and figures 3 to 5.

    For a prior wider than the cube, of a scale above 1, they start at 10 and at 160 times the scale.
    """
    wide = scale > 1
    if guided:
        return karras_schedule(40, t_max=10 * scale if wide else 1.0)
    return karras_schedule(100, t_max=160 * scale if wide else 80.0)
