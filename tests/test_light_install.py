"""The library works without what the extras bring: no Jupyter, no widgets, no tools of development."""

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
MODULES = {"ipywidgets", "anywidget", "nglview", "jupyterlab", "ipykernel", "voila", "IPython", "sphinx", "pytest"}

CODE = f"""
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {sorted(MODULES)!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}")

sys.meta_path.insert(0, Absent())

import importlib, pkgutil
import dpskit

for module in pkgutil.walk_packages(dpskit.__path__, "dpskit."):
    if not module.name.startswith(("dpskit.widgets", "dpskit.__main__")):
        importlib.import_module(module.name)

from dpskit.plots import cloud_figure, static_figure
truth = dpskit.GaussianPrior(0.0, 0.5).sample(1, 32, seed=1)[0]
views = dpskit.Projections.observe(truth, n_views=2, n_points=20)
schedule = dpskit.karras_schedule(3)
samples = dpskit.sample(dpskit.GaussianPrior(0.0, 0.5), views, n_samples=2, n_points=32, schedule=schedule)
static_figure([{{"sample": samples.points[0]}}], ["cube"])
cloud_figure({{"sample": samples.points[0]}})
print(len(samples.points))
"""


def test_everything_but_the_widgets_works_without_the_extras():
    done = subprocess.run([sys.executable, "-c", CODE], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "2"


def test_the_lab_is_an_extra_and_every_requirement_is_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    def name(requirement):
        return requirement.split(">")[0].split("[")[0].strip().lower().replace("_", "-")

    core = {name(requirement) for requirement in project["dependencies"]}
    lab = {name(requirement) for requirement in project["optional-dependencies"]["lab"]}
    assert lab == {"ipywidgets", "anywidget", "nglview", "jupyterlab", "ipykernel", "voila"} and not lab & core
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in lines if "==" in line}
    wanted = core | {name(r) for extra in project["optional-dependencies"].values() for r in extra} - {"dpskit"}
    assert wanted <= pinned, f"constraints.txt does not pin {sorted(wanted - pinned)}"
