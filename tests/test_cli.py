"""The command line."""

import argparse

import numpy as np
import pytest

import dpskit
from dpskit.cli import main, make_parser


@pytest.fixture
def clouds(tmp_path):
    points = np.random.default_rng(0).uniform(-1, 1, (80, 32, 3)).astype(np.float32)
    np.savez(tmp_path / "clouds.npz", points=points, name=np.array([f"c{k}" for k in range(80)]))
    return tmp_path / "clouds.npz"


def test_train_then_sample(clouds, tmp_path, capsys):
    out = tmp_path / "runs" / "tiny"
    train = ["train", str(clouds), "--out", str(out), "--precision", "fp32", "--stage", "1", "16", "16"]
    assert main([*train, "--clouds", "32"]) == 0
    weights = out.with_suffix(".safetensors")
    assert capsys.readouterr().out.strip() == str(weights)
    assert "dpskit train clouds.npz" in out.with_suffix(".md").read_text()
    one = clouds.read_bytes(), weights.read_bytes()
    for option, words in {
        "--seed 1": "seed = 1 instead of 0",
        "--clouds 48": "clouds = 48 instead of 32",
        "--orientation rotated": "orientation = 'rotated' instead of 'upright'",
        "--precision bf16": "precision = 'bf16' instead of 'fp32'",
        "--minutes 5": "--minutes must be left out",
    }.items():
        assert main(["train", str(clouds), "--out", str(out), "--resume", *option.split()]) == 2
        assert words in capsys.readouterr().err
    assert main([*train, "--resume"]) == main(["train", str(clouds), "--out", str(out), "--resume"]) == 0
    assert one == (clouds.read_bytes(), weights.read_bytes())
    capsys.readouterr()
    arguments = ["sample", str(weights), "--out", str(tmp_path / "s.npz"), "--n-samples", "2", "--n-points", "16"]
    assert main([*arguments, "--n-steps", "3"]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "s.npz")
    samples = dpskit.load_samples(tmp_path / "s.npz")
    assert samples.points.shape == (2, 16, 3)
    assert samples.energy is None
    assert samples.settings["schedule"][0] == pytest.approx(80)


def test_a_missing_file_is_named_before_missing_options(tmp_path, capsys):
    assert main(["train", str(tmp_path / "nofile.npz"), "--out", str(tmp_path / "new" / "a")]) == 2
    assert capsys.readouterr().err.startswith(f"dpskit: data must be an existing npz file, got '{tmp_path}")
    assert main(["train", str(tmp_path), "--out", str(tmp_path / "new" / "a")]) == 2
    assert "dpskit data packs a folder" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_stage_of_more_points_than_the_clouds_have_is_refused(clouds, tmp_path, capsys):
    assert main(["train", str(clouds), "--out", str(tmp_path / "new" / "a"), "--minutes", "1"]) == 2
    message = capsys.readouterr().err.strip()
    assert "at least the 1024 points" in message and "got clouds of 32" in message and "--stage" in message
    assert not (tmp_path / "new").exists()


def test_version(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert (ended.value.code, capsys.readouterr().out.strip()) == (0, f"dpskit {dpskit.__version__}")


def parsers(parser):
    yield parser
    for action in parser._actions:
        for inner in (action.choices or {}).values() if isinstance(action, argparse._SubParsersAction) else ():
            yield from parsers(inner)


def test_every_option_is_explained():
    found = list(parsers(make_parser()))
    assert len(found) > 10
    for parser in found:
        for action in parser._actions:
            assert action.help or isinstance(action, argparse._SubParsersAction), (parser.prog, action.dest)


def test_a_default_is_said_once():
    for parser in parsers(make_parser()):
        formatter = parser._get_formatter()
        for action in parser._actions:
            assert (formatter._get_help_string(action) or "").count("default:") < 2, (parser.prog, action.dest)


def test_a_source_is_not_replaced(clouds, tmp_path, capsys):
    before = clouds.read_bytes()
    (tmp_path / "link.npz").symlink_to(clouds)
    for out in (clouds, tmp_path / "link.npz"):
        assert main(["data", str(clouds), "--out", str(out)]) == 2
        assert "out must be another file than the source" in capsys.readouterr().err
    assert clouds.read_bytes() == before
    assert main(["train", str(clouds), "--out", str(tmp_path / "a"), "--clouds", "1", "--shard-size", "nan"]) == 2
    assert "shard_size must be a finite number above 0, got nan" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "missing.npz", "--out", "x", "--minutes", "1"],
        ["train", "missing.npz", "--out", "x", "--minutes", "-1"],
        ["sample", "no-such-prior", "--out", "x.npz"],
        ["benchmark", "runtime", "--prior", "shapes", "--device", "gpu"],
        ["benchmark", "exact", "--trials", "1"],
        ["benchmark", "calibration", "--prior", "no-such-prior"],
        ["benchmark", "calibration", "--targets", "1"],
        ["benchmark", "a4", "missing.cif", "--count", "1"],
        ["benchmark", "table1", "--targets", "missing.npz"],
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
