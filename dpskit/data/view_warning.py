"""A sentence about views that cannot be right."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ViewWarning:
    """What is wrong with a view, or with a coarse structure beside the views.

    Attributes
    ----------
    view : int or None
        Its index, from 0; None where it concerns all of them, or one of two.
    kind : str
        "transposed", "mirrored", "shift", "pixel size", "structure", "disagreement", or "orientation" of a coarse
        structure.
    message : str
        One sentence for a person, in which views are counted from 1; `str` gives it.

    Examples
    --------
    >>> import dpskit
    >>> print(dpskit.ViewWarning(2, "shift", "view 3 of 4 is off its centre."))
    view 3 of 4 is off its centre.
    """

    view: int | None
    kind: str
    message: str

    def __str__(self) -> str:
        return self.message
