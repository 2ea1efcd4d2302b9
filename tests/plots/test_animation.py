"""Runs as moving pictures."""

import pytest
import torch
from PIL import Image

from dpskit.plots.animation import animation


def test_every_cloud_is_a_frame_and_they_move(tmp_path):
    path = tmp_path / "run.gif"
    clouds = [torch.rand(50, 3) * scale for scale in (3.0, 2.0, 1.0)]
    animation(clouds, path, captions=["one", "two", "three"], beside=torch.rand(40, 3))
    with Image.open(path) as image:
        assert image.format == "GIF" and image.n_frames == 3 and image.info["loop"] == 0
        frames = []
        for k in range(3):
            image.seek(k)
            frames.append((image.convert("RGB").tobytes(), image.info["duration"]))
    assert len({content for content, _ in frames}) == 3
    assert [duration for _, duration in frames] == [100, 100, 2000]
    assert [file.name for file in tmp_path.iterdir()] == ["run.gif"]


def test_nothing_cannot_be_animated(tmp_path):
    with pytest.raises(ValueError, match="at least one cloud"):
        animation([], tmp_path / "run.gif", captions=[])
    assert list(tmp_path.iterdir()) == []
