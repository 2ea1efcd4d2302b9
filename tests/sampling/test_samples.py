import json
import math

import numpy as np
import pytest
import torch

import dpskit
from dpskit import (
    DPS,
    Algorithm1,
    CoarseGrained,
    DiffusionPrior,
    GaussianPrior,
    InverseTime,
    Joint,
    Projections,
    Samples,
    karras_schedule,
    load_samples,
    sample,
)
from dpskit.priors.transformer import PointTransformer, TransformerConfig
from dpskit.sampling.samples import describe


@pytest.fixture
def drawn(normal):
    views = Projections([normal(4, 2)], torch.eye(3)[None], sigma=0.1, seed=3)
    data = Joint([views, CoarseGrained(normal(90, 3))], [1.0, 2.0])
    # fmt: off
    return sample(GaussianPrior(0.0, 0.4), data, n_samples=2, n_points=5, schedule=karras_schedule(3, t_max=2.0),
                  guidance=DPS(123.0), solver=Algorithm1(InverseTime(math.inf)), seed=np.int64(17), progress=False)
    # fmt: on


def test_round_trip(drawn, tmp_path):
    path = tmp_path / "folder" / "run.npz"
    drawn.save(path)
    again = load_samples(str(path))
    assert torch.equal(again.points, drawn.points) and again.points.dtype == torch.float32
    assert torch.equal(again.energy, drawn.energy)
    assert again.settings == drawn.settings
    assert (again.seed, again.version) == (17, dpskit.__version__)
    assert list(path.parent.iterdir()) == [path]


def test_settings_say_how_the_samples_came_to_be(drawn):
    assert drawn.settings["prior"] == {"type": "GaussianPrior", "mean": 0.0, "std": pytest.approx(0.4)}
    everywhere = [0.0, math.inf]
    assert drawn.settings["guidance"] == {
        "type": "DPS",
        "alpha": 123.0,
        "reach": 2.0,
        "jacobian": everywhere,
        "blur": 0.0,
    }
    noise = {"type": "InverseTime", "cutoff": math.inf, "below": 0.0}
    assert drawn.settings["solver"] == {"type": "Algorithm1", "noise": noise}
    assert drawn.settings["schedule"] == karras_schedule(3, t_max=2.0).tolist()
    views, low = drawn.settings["likelihood"]["parts"]
    assert (views["type"], views["sigma"], views["seed"], views["balanced"]) == ("Projections", 0.1, 3, False)
    assert views["rotations"] == torch.eye(3)[None].tolist()
    assert low["points"] == "tensor of shape (90, 3)"
    assert drawn.settings["likelihood"]["weights"] == [1.0, 2.0]


def test_unconditional_samples_have_no_energy(tmp_path, normal):
    samples = Samples(normal(2, 4, 3), None, {"a": [1, None, "x"]}, 0, "1.2.3")
    samples.save(tmp_path / "a.npz")
    again = load_samples(tmp_path / "a.npz")
    assert again.energy is None
    assert (again.settings, again.seed, again.version) == ({"a": [1, None, "x"]}, 0, "1.2.3")
    assert torch.equal(again.points, samples.points)


def test_the_file_is_plain_numpy(drawn, tmp_path):
    drawn.save(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz", allow_pickle=False) as file:
        assert sorted(file) == ["about", "energy", "points"]
        assert json.loads(str(file["about"]))["seed"] == 17


def test_describe():
    network = PointTransformer(TransformerConfig(32, 1, 16))
    assert describe(DiffusionPrior(network, "chairs")) == {
        "type": "DiffusionPrior",
        "network": {
            "type": "TransformerConfig",
            "width": 32,
            "layers": 1,
            "head_width": 16,
        },
        "name": "chairs",
    }
    assert describe([np.int64(3), np.float32(0.5), np.arange(2), torch.zeros(()), print]) == [
        3,
        0.5,
        [0, 1],
        0.0,
        "builtin_function_or_method",
    ]
    json.dumps(describe(Joint([CoarseGrained([[0.0, 0.0, 0.0]])], np.ones(1))))


@pytest.mark.parametrize("keep", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_truncated_file(one_sentence, drawn, tmp_path, keep):
    path = tmp_path / "a.npz"
    drawn.save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    with one_sentence(ValueError, "path", path):
        load_samples(path)


def test_corrupt_file(one_sentence, drawn, tmp_path):
    path = tmp_path / "a.npz"
    drawn.save(path)
    content = bytearray(path.read_bytes())
    for start in range(60, len(content) - 60, 97):
        broken = content.copy()
        broken[start : start + 30] = bytes(30)
        path.write_bytes(broken)
        try:
            again = load_samples(path)
        except ValueError:
            with one_sentence(ValueError, "path", path):
                load_samples(path)
        else:  # the damage hit what is not read
            assert torch.equal(again.points, drawn.points)


def test_missing_and_foreign_files(one_sentence, tmp_path):
    with one_sentence(FileNotFoundError, "path", tmp_path / "none.npz"):
        load_samples(tmp_path / "none.npz")
    path = tmp_path / "a.npz"
    about = np.array(json.dumps({"seed": 1}))
    for write in [
        lambda: np.savez(path, x=np.zeros(3)),
        lambda: np.savez(path, about=about, points=np.zeros((1, 2, 3))),
        lambda: np.savez(path, about=np.array("[]"), points=np.zeros((1, 2, 3))),
        lambda: np.savez(path, about=np.array("{"), points=np.zeros((1, 2, 3))),
        lambda: np.savez(path, about=np.array([{}], dtype=object), points=np.zeros((1, 2, 3))),
        lambda: np.save(path.open("wb"), np.zeros(3)),
        lambda: path.write_text("text"),
    ]:
        write()
        with one_sentence(ValueError, "path", "Samples.save", path):
            load_samples(path)


def test_a_failed_save_keeps_the_old_file_and_leaves_nothing_behind(drawn, tmp_path, monkeypatch, normal):
    path = tmp_path / "a.npz"
    drawn.save(path)

    def full(file, **arrays):
        file.write(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(OSError, match="no space"):
        Samples(normal(1, 2, 3), None, {}, 0, "0").save(path)
    assert list(tmp_path.iterdir()) == [path]
    assert torch.equal(load_samples(path).points, drawn.points)
