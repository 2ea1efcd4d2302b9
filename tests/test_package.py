"""The package as a whole: what it exports, what importing it costs, and what it ships."""

import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import dpskit
from dpskit.priors.store import SHIPPED

HEAVY = [
    "gemmi",
    "sklearn",
    "plotly",
    "nglview",
    "lightning",
    "lightning_fabric",
    "ipywidgets",
    "matplotlib",
    "pandas",
    "safetensors",
    "IPython",
]

PUBLIC = [
    "load_prior",
    "list_priors",
    "load_example",
    "list_examples",
    "read_structure",
    "coarse_grain",
    "read_images",
    "read_map",
    "read_poses",
    "points_of_image",
    "points_of_map",
    "find_rotations",
    "write_report",
    "write_chimerax",
    "check_views",
    "ViewWarning",
    "ProjectionImages",
    "Frame",
    "Projections",
    "CoarseGrained",
    "Subunit",
    "Joint",
    "LinearGaussian",
    "sample",
    "iterate",
    "karras_schedule",
    "DPS",
    "LikelihoodScore",
    "MomentMatched",
    "twisted_smc",
    "Algorithm1",
    "InverseTime",
    "Heun",
    "EulerODE",
    "EulerMaruyama",
    "Samples",
    "load_samples",
    "maximum_likelihood",
    "GaussianPrior",
    "GaussianMixturePrior",
    "PointMixturePrior",
    "assign",
    "Assignment",
    "simulation_based_calibration",
    "expected_coverage",
    "chamfer_distance",
    "earth_movers_distance",
    "one_nna",
    "coverage",
    "minimum_matching_distance",
    "superpose",
    "match_radius_of_gyration",
    "rmsd_to_atoms",
    "rmsd_to_points",
    "export_structure",
    "train",
    "TrainConfig",
]


@pytest.fixture(scope="module")
def fresh_import():
    """What a new interpreter has loaded after `import dpskit`."""
    code = "import json, sys, dpskit; print(json.dumps(sorted(sys.modules)))"
    root = Path(dpskit.__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return json.loads(done.stdout)


@pytest.mark.parametrize("module", HEAVY)
def test_import_stays_light(fresh_import, module):
    assert module not in fresh_import


def test_the_compiler_is_not_loaded_before_it_is_needed():
    """torch's takes over a second to load, which a first reconstruction does not need."""
    code = "import sys, dpskit; dpskit.load_prior('chairs'); print('torch._dynamo' in sys.modules)"
    root = Path(dpskit.__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_import_needs_what_it_says(fresh_import):
    assert {"torch", "numpy", "scipy", "numba"} <= set(fresh_import)


TRAINING = """
import sys
from importlib.machinery import PathFinder

module, package, absent = PathFinder.find_spec, PathFinder.find_distributions, sys.argv[1].split()
PathFinder.find_spec = lambda name, *rest: None if name.partition(".")[0] in absent else module(name, *rest)
PathFinder.find_distributions = lambda context: [] if context.name in absent else package(context)
from dpskit.cli import main
sys.exit(main(["train", sys.argv[2], "--out", sys.argv[3], "--clouds", "8", "--stage", "1", "16", "8"]))
"""


def test_training_needs_no_more_than_torch_lightning_and_numbers(tmp_path):
    """A cluster that has nothing else (but safetensors and tqdm) can train on an npz file."""
    absent = "gemmi mrcfile pooch requests sklearn trimesh plotly matplotlib anywidget ipywidgets nglview IPython"
    np.savez(tmp_path / "a.npz", points=np.random.default_rng(0).normal(size=(70, 16, 3)).astype(np.float32))
    arguments = [absent, str(tmp_path / "a.npz"), str(tmp_path / "prior")]
    root = Path(dpskit.__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", TRAINING, *arguments], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "prior.safetensors").stat().st_size > 1e6


@pytest.mark.parametrize("name", PUBLIC)
def test_public_names_are_there(name):
    assert name in dpskit.__all__
    assert hasattr(dpskit, name)


def test_what_the_texts_use_is_public():
    """Every dpskit.NAME of the README, the notebooks and the lessons, but for the modules that they import from."""
    root = Path(dpskit.__file__).parent.parent
    texts = [root / "README.md", *root.glob("notebooks/*.ipynb"), *root.glob("tutorials/*.ipynb")]
    used = {name for path in texts for name in re.findall(r"\bdpskit\.([A-Za-z_]\w*)", path.read_text())}
    modules = {path.stem for path in Path(dpskit.__file__).parent.iterdir()}
    assert len(used) > 30 and used - modules <= set(dpskit.__all__)


@pytest.mark.parametrize("name", dpskit.__all__)
def test_every_public_name_is_documented(name):
    value = getattr(dpskit, name)
    if name == "__version__":
        assert isinstance(value, str)
        return
    text = inspect.getdoc(value)
    assert text and not text.startswith(f"{name}("), "a docstring of its own, not the one a dataclass makes"
    if inspect.isclass(value):
        for method, function in inspect.getmembers(value, inspect.isfunction):
            if not method.startswith("_") and method not in ("denoise", "step"):
                assert inspect.getdoc(function), f"{name}.{method}"


def test_all_holds_each_name_once_and_no_modules():
    assert len(set(dpskit.__all__)) == len(dpskit.__all__)
    for name in dpskit.__all__:
        assert not inspect.ismodule(getattr(dpskit, name))


@pytest.mark.parametrize("name", [name for name in dpskit.__all__ if inspect.isfunction(getattr(dpskit, name))])
def test_public_functions_take_no_open_keywords(name):
    kinds = {parameter.kind for parameter in inspect.signature(getattr(dpskit, name)).parameters.values()}
    assert inspect.Parameter.VAR_KEYWORD not in kinds


# --- What ships -------------------------------------------------------------------------------------------------------


def example_for(prior):
    """1,024 points of the example that a prior is made for, under a rotation it has not been told of."""
    example = dpskit.load_example("ruvab" if "complex" in prior else "chair")
    points = dpskit.resample(example.points, 1024, seed=0)
    return points @ dpskit.random_rotations(1, seed=1)[0]


@pytest.mark.parametrize("name", dpskit.list_priors())
def test_shipped_priors_are_small_and_load(name, normal):
    path = SHIPPED / f"{name}.safetensors"
    assert path.stat().st_size <= 25_000_000
    assert sum(file.stat().st_size for file in SHIPPED.glob("*.safetensors")) <= 70 * 2**20
    prior = dpskit.load_prior(name)
    assert prior.name == name
    for t in (0.002, 0.1, 80.0):
        x = normal(2, 64, 3) * (0.25 + t**2) ** 0.5
        found = prior.denoise(x, torch.full((2,), t))
        assert found.shape == (2, 64, 3) and bool(torch.isfinite(found).all())


@pytest.mark.parametrize("name", dpskit.list_priors())
def test_shipped_priors_say_where_they_come_from(name):
    card = dpskit.load_prior(name).card
    assert card["steps"] > 0 and card["clouds"] > 0 and card["minutes"] > 0
    assert card["settings"]["data"] and "/" not in card["settings"]["data"]
    losses = [line["loss"] for line in card["curve"]]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("name", dpskit.list_priors())
def test_shipped_priors_denoise_better_than_a_gaussian(name, normal):
    x0, t = example_for(name), torch.tensor([0.1])
    x = (x0 + 0.1 * normal(1024, 3))[None]
    error, baseline = (
        float((prior.denoise(x, t)[0] - x0).square().mean())
        for prior in (dpskit.load_prior(name), dpskit.GaussianPrior(0.0, 0.4))
    )
    assert error < baseline


@pytest.mark.parametrize("name", dpskit.list_examples())
def test_shipped_examples_fill_the_cube(name):
    points = dpskit.load_example(name).points
    assert points.dtype == torch.float32 and points.shape[1] == 3 and len(points) >= 1024
    assert float(points.abs().max()) == pytest.approx(1, abs=1e-3)


# --- Bad input --------------------------------------------------------------------------------------------------------


def test_unknown_names(one_sentence):
    with one_sentence(ValueError, "prior", "'dragons'", *dpskit.list_priors()):
        dpskit.load_prior("dragons")
    with one_sentence(ValueError, "name", "'dragons'", "ruvab", "chair"):
        dpskit.load_example("dragons")


def test_files_that_are_not_there(one_sentence, tmp_path):
    with one_sentence(FileNotFoundError, "prior", "none.safetensors"):
        dpskit.load_prior(tmp_path / "none.safetensors")
    with one_sentence(FileNotFoundError, "path", "none.npz"):
        dpskit.load_samples(tmp_path / "none.npz")


@pytest.mark.parametrize("content", [b"", b"\x08", b"\x10\x00\x00\x00\x00\x00\x00\x00{", b"not safetensors at all"])
def test_a_broken_prior(one_sentence, tmp_path, content):
    path = tmp_path / "broken.safetensors"
    path.write_bytes(content)
    with one_sentence(ValueError, "prior", path):
        dpskit.load_prior(path)


def test_a_foreign_prior(one_sentence, tmp_path):
    from safetensors.torch import save_file

    path = tmp_path / "foreign.safetensors"
    save_file({"weight": torch.zeros(3)}, path)
    with one_sentence(ValueError, "prior", "saved by dpskit", path):
        dpskit.load_prior(path)
