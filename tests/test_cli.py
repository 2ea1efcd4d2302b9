"""The command line."""

import numpy as np
import pytest

import dpskit
from dpskit.cli import main


@pytest.fixture
def clouds(tmp_path):
    points = np.random.default_rng(0).uniform(-1, 1, (80, 32, 3)).astype(np.float32)
    np.savez(tmp_path / "clouds.npz", points=points, name=np.array([f"c{k}" for k in range(80)]))
    return tmp_path / "clouds.npz"


def test_train_then_sample(clouds, tmp_path, capsys):
    out = tmp_path / "runs" / "tiny"
    assert main(["train", str(clouds), "--out", str(out), "--clouds", "32", "--precision", "fp32"]) == 0
    weights = out.with_suffix(".safetensors")
    assert capsys.readouterr().out.strip() == str(weights)
    assert "dpskit train clouds.npz" in out.with_suffix(".md").read_text()
    arguments = ["sample", str(weights), "--out", str(tmp_path / "s.npz"), "--n-samples", "2", "--n-points", "16"]
    assert main([*arguments, "--n-steps", "3"]) == 0
    samples = dpskit.load_samples(tmp_path / "s.npz")
    assert samples.points.shape == (2, 16, 3)
    assert samples.energy is None
    assert samples.settings["schedule"][0] == pytest.approx(80)


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "missing.npz", "--out", "x", "--minutes", "1"],
        ["train", "missing.npz", "--out", "x", "--minutes", "-1"],
        ["sample", "no-such-prior", "--out", "x.npz"],
        ["benchmark", "exact", "--trials", "1"],
        ["benchmark", "calibration", "--prior", "no-such-prior"],
        ["benchmark", "calibration", "--targets", "1"],
        ["benchmark", "complexes", "missing.cif", "--train", "missing.npz"],
    ],
)
def test_bad_input_is_one_sentence_and_status_2(arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("dpskit: ")
    assert error.endswith(".")
    assert "\n" not in error
    assert list(tmp_path.iterdir()) == []
