"""A slider over pictures that were drawn beforehand: it works in a page without a kernel, and offline."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dpskit.checks import check_integer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOW = (  # what the browser does when the slider is moved
    "const box=this.closest('.picture-slider'),all=box.querySelectorAll('img'),text=all[this.value].dataset.value;"
    "all.forEach((image,k)=>{image.style.display=k==this.value?'block':'none'});"
    "box.querySelector('output').textContent=text;this.setAttribute('aria-valuetext',text)"
)


@dataclass(frozen=True)
class PictureSlider:
    """Pictures of one setting, of which a slider shows one; notebooks draw it as HTML with all pictures inside.

    Attributes
    ----------
    label : str
        What the slider sets, with its unit.
    values : tuple of str
        Its values, as text.
    pictures : tuple of bytes
        For each value a picture in the format WebP.
    start : int
        The index of the value that is shown first.
    """

    label: str
    values: tuple[str, ...]
    pictures: tuple[bytes, ...]
    start: int = 0

    def _repr_html_(self) -> str:
        label, now = html.escape(self.label), html.escape(self.values[self.start])
        images = []
        for k, (value, picture) in enumerate(zip(self.values, self.pictures, strict=True)):
            text, data = html.escape(value), base64.b64encode(picture).decode()
            shown = "block" if k == self.start else "none"
            images.append(
                f'<img src="data:image/webp;base64,{data}" alt="{label} {text}" data-value="{text}" '
                f'style="display:{shown};max-width:100%;height:auto;background:white">'
            )
        slider = (
            f'<input type="range" min="0" max="{len(self.values) - 1}" value="{self.start}" autocomplete="off" '
            f'aria-valuetext="{now}" style="width:min(24rem,60%);vertical-align:middle" oninput="{SHOW}">'
        )
        head = f'<label style="display:block">{label} {slider} <output>{now}</output></label>'
        return f'<div class="picture-slider">{head}{"".join(images)}</div>'


def picture_slider(
    draw: Callable[[Figure, Any], None],
    values: Sequence[Any],
    label: str,
    *,
    figsize: tuple[float, float] = (6.0, 3.6),
    start: int | None = None,
) -> PictureSlider:
    """Draw a picture for each value of a setting, for a slider that needs no kernel.

    Parameters
    ----------
    draw : callable
        `draw(figure, value)` fills an empty figure of matplotlib. All pictures have one size, so that nothing jumps.
    values : sequence
        The values; numbers are shown with at least four digits, anything else by `str`.
    label : str
        What is set, with its unit.
    figsize : (float, float)
        Width and height of a picture in inches.
    start : int, optional
        The index of the value to show first; the middle one by default.

    Returns
    -------
    PictureSlider
        To be the last line of a cell.

    Raises
    ------
    ValueError
        Without a value, or for a `start` that is no index.

    Examples
    --------
    >>> from dpskit.plots import picture_slider
    >>> slider = picture_slider(lambda figure, k: figure.subplots().plot([0, k]), [1, 2, 3], "slope")
    >>> slider.values
    ('1', '2', '3')
    """
    from matplotlib.figure import Figure

    values = list(values)
    if not values:
        raise ValueError("values must hold at least one value, got none.")
    start = len(values) // 2 if start is None else check_integer("start", start, least=0, most=len(values) - 1)
    pictures = []
    for value in values:
        figure = Figure(figsize=figsize, layout="constrained", dpi=100)
        draw(figure, value)
        stream = io.BytesIO()
        figure.savefig(stream, format="webp", pil_kwargs={"lossless": True, "method": 4})
        pictures.append(stream.getvalue())
    return PictureSlider(label, tuple(map(_text, values)), tuple(pictures), start)


def _text(value: Any) -> str:
    if not isinstance(value, int | float):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
