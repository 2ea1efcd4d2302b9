"""A slider over pictures: a picture for each value, and one of them is shown."""

import io
import re

import numpy as np
import pytest
from PIL import Image

from dpskit.plots import picture_slider


def bars(figure, height):
    axis = figure.subplots()
    axis.bar([0], [height], color="black")
    axis.set(ylim=(0, 10))


def test_each_value_has_its_picture_of_one_size():
    slider = picture_slider(bars, [2, 5, 9.0], "height (cm)", figsize=(2, 2))
    pictures = [np.asarray(Image.open(io.BytesIO(data)).convert("L")) for data in slider.pictures]
    assert {picture.shape for picture in pictures} == {(200, 200)}
    black = [(picture < 100).sum() for picture in pictures]
    assert black[0] < black[1] < black[2]  # the higher the bar
    assert slider.values == ("2", "5", "9") and slider.start == 1


def test_the_page_shows_one_picture_and_names_its_value():
    page = picture_slider(bars, [0.25, 12345.0, "a < b"], "height <cm>", figsize=(1, 1), start=2)._repr_html_()
    images = re.findall(r'<img [^>]*alt="([^"]*)"[^>]*style="display:(\w+)', page)
    assert images == [
        ("height &lt;cm&gt; 0.25", "none"),
        ("height &lt;cm&gt; 12,345", "none"),
        ("height &lt;cm&gt; a &lt; b", "block"),
    ]
    assert 'max="2" value="2"' in page and "<output>a &lt; b</output>" in page
    assert "http" not in page and "<script" not in page


@pytest.mark.parametrize(
    ("values", "start", "message"),
    [
        ([], None, "values must hold at least one value, got none."),
        ([1], 1, "start must be an integer from 0 to 0, got 1"),
        ([1], -1, "start"),
    ],
)
def test_no_values_and_a_wrong_start_are_refused(values, start, message):
    with pytest.raises(ValueError, match=message):
        picture_slider(bars, values, "height", start=start)
