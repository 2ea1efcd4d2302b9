"""The code of the how-to pages, exactly as it is printed there."""

import re
from pathlib import Path

import pytest
import torch

import dpskit

FOLDER = Path(__file__).parents[2] / "docs" / "how-to"
PARTS = ("own-prior", "own-likelihood", "own-guidance", "own-solver")
PAGES = sorted(path.stem for path in FOLDER.glob("*.md") if "```python" in path.read_text())


@pytest.fixture(scope="module")
def names():
    """Run a page once, and return what it defines."""
    done = {}

    def run(page):
        if page not in done:
            done[page] = {"__name__": f"docs.{page.replace('-', '_')}"}
            for number, block in enumerate(
                re.findall(r"```python\n(.*?)```", (FOLDER / f"{page}.md").read_text(), re.S)
            ):
                exec(compile(block, f"{page}.md, block {number + 1}", "exec"), done[page])
        return done[page]

    return run


@pytest.mark.parametrize("page", PAGES)
def test_a_page_runs_as_printed(names, page):
    defined = names(page)
    assert page not in PARTS or any(name[0].isupper() for name in defined), "it defines a class"


def test_there_is_a_page_for_each_part_that_a_person_can_bring():
    assert set(PARTS) <= set(PAGES)
    listed = re.findall(r"^[a-z-]+$", (FOLDER / "index.md").read_text(), re.M)
    assert sorted(listed) == sorted(path.stem for path in FOLDER.glob("*.md") if path.stem != "index")


@pytest.mark.parametrize("page", ["own-prior", "own-likelihood"])
def test_a_prior_and_a_likelihood_take_fifteen_lines(page):
    block = re.search(r"(@dataclass.*?)```", (FOLDER / f"{page}.md").read_text(), re.S)[1]
    assert len([line for line in block.splitlines() if line.strip()]) <= 15


def test_the_prior_is_the_closed_form_of_a_mixture(names, normal):
    clouds = normal(3, 5, 3)
    mine = names("own-prior")["Library"](clouds, 0.3)
    exact = dpskit.GaussianMixturePrior([1.0, 1.0, 1.0], clouds, [0.3, 0.3, 0.3])
    x, t = normal(4, 5, 3, seed=1), torch.tensor([0.05, 0.3, 1.0, 10.0])
    torch.testing.assert_close(mine.denoise(x, t), exact.denoise(x, t))


def test_the_likelihood_is_right_for_a_known_cloud(names):
    shell = torch.nn.functional.normalize(torch.randn(1, 50, 3, generator=torch.Generator().manual_seed(0)), dim=2)
    pairs = torch.cat([shell, -shell], dim=1)  # centred, of radius 1
    energy = names("own-likelihood")["RadiusOfGyration"](0.4).energy(torch.cat([pairs, 0.4 * pairs + 3]))
    torch.testing.assert_close(energy, torch.tensor([0.18, 0.0]), atol=1e-6, rtol=0)


def test_the_guidance_becomes_dps_without_its_damping(names, normal):
    prior = dpskit.GaussianPrior(0.0, 0.5)
    views = dpskit.Projections.observe(normal(16, 3), n_views=1, n_points=16, seed=0)
    x, t = normal(2, 16, 3, seed=1), torch.full((2,), 0.3)
    late, dps = names("own-guidance")["LateDPS"](700.0, s=1e6), dpskit.DPS(700.0, reach=None)
    mine, exact = late(prior, views)(x, t), dps(prior, views)(x, t)
    torch.testing.assert_close(mine.score, exact.score)
    torch.testing.assert_close(mine.energy, exact.energy)
    half = names("own-guidance")["LateDPS"](700.0, s=0.3)(prior, views)(x, t)
    own = (half.denoised - x) / 0.3**2
    torch.testing.assert_close(half.score - own, (mine.score - own) / 2, rtol=1e-4, atol=1e-4)
