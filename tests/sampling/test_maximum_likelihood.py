import math

import pytest
import torch

import dpskit
from dpskit import CoarseGrained, Joint, Projections, Subunit, load_samples, maximum_likelihood
from dpskit.sampling.maximum_likelihood import iterate_maximum_likelihood


def climb(data, **settings):
    return maximum_likelihood(data, **({"n_samples": 2, "progress": False} | settings))


def test_it_starts_from_uniform_clouds(normal):
    """One step of Adam moves every coordinate by the learning rate, here by next to nothing."""
    data = CoarseGrained(5 * normal(4, 3))
    x = climb(data, n_samples=40, n_points=50, n_steps=1, learning_rate=1e-7, seed=3).points.double()
    count = x.numel()
    assert float(x.abs().max()) < 1 + 1e-5
    for power, mean, variance in [(1, 0, 1 / 3), (2, 1 / 3, 4 / 45), (4, 1 / 5, 16 / 225)]:
        assert abs(float(x.pow(power).mean()) - mean) < 4 * math.sqrt(variance / count)


def test_a_step_of_adam():
    """The first one has the length of the learning rate in every coordinate, downhill."""
    data = CoarseGrained([[5.0, -5.0, 5.0]])
    start = climb(data, n_points=6, n_steps=1, learning_rate=1e-9).points
    moved = climb(data, n_points=6, n_steps=1, learning_rate=0.01).points
    assert torch.allclose(moved - start, 0.01 * torch.tensor([1.0, -1.0, 1.0]).expand(2, 6, 3), atol=1e-5)


def test_every_step_keeps_its_own_cloud():
    data, settings = CoarseGrained([[5.0, -5.0, 5.0]]), {"n_samples": 1, "n_points": 2, "learning_rate": 0.1}
    infos = list(iterate_maximum_likelihood(data, n_steps=4, **settings))
    assert [info.step for info in infos] == [0, 1, 2, 3]
    for k, info in enumerate(infos, start=1):
        assert torch.equal(info.x, climb(data, n_steps=k, **settings).points)


def test_the_energy_falls_with_the_number_of_steps(normal):
    x = normal(16, 3).clamp(-1, 1)
    data = Joint([Projections.observe(x, n_views=2, n_points=16), CoarseGrained(x), Subunit(x[:4])])
    energies = [float(climb(data, n_points=16, n_steps=n).energy.mean()) for n in (1, 20, 100)]
    assert energies == sorted(energies, reverse=True)
    assert energies[-1] < 0.2 * energies[0]


def test_it_reaches_the_data_where_the_fit_can_be_perfect(normal):
    y = normal(6, 3).clamp(-1, 1)
    found = climb(CoarseGrained(y), n_points=6, n_steps=200, learning_rate=0.02)
    assert float(found.energy.max()) < 1e-5
    distance = (found.points[:, :, None] - y).norm(dim=3)
    assert torch.allclose(distance.amin(dim=1), torch.zeros(2, 6), atol=0.01)


def test_it_reaches_the_known_optimum_of_contradictory_data():
    """Two views of one point from the same side that disagree: the least energy is |y1 - y2|^2 / 8, half way."""
    views = [torch.tensor([[0.2, 0.6]]), torch.tensor([[-0.6, 0.0]])]
    found = climb(Projections(views, torch.eye(3).expand(2, 3, 3)), n_points=1, n_steps=200, learning_rate=0.02)
    assert torch.allclose(found.points[:, 0, :2], torch.tensor([-0.2, 0.3]).expand(2, 2), atol=1e-3)
    assert torch.allclose(found.energy, torch.tensor((0.64 + 0.36) / 8), atol=1e-5)
    start = climb(Projections(views, torch.eye(3).expand(2, 3, 3)), n_points=1, n_steps=1, learning_rate=1e-9)
    assert torch.allclose(found.points[:, 0, 2], start.points[:, 0, 2], atol=1e-6)  # nothing pulls along the view


def test_the_optimum_of_many_to_one():
    """Six points share two observed ones: all of them end there, each taken as often as U says."""
    y = torch.tensor([[0.5, 0.5, 0.5], [-0.5, -0.5, -0.5]])
    data = CoarseGrained(y, seed=4)
    found = climb(data, n_points=6, n_steps=200, learning_rate=0.02)
    assert float(found.energy.max()) < 1e-5
    near_first = (found.points[..., 0] > 0).sum(dim=1)
    assert near_first.tolist() == [int(data.observation.multiplicity(6)[0])] * 2


def test_the_seed_and_the_number_of_samples(normal):
    data = Projections.observe(normal(8, 3), n_views=2, n_points=5)
    one, again, other = (climb(data, n_points=8, n_steps=10, seed=seed).points for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.isclose(one, other).any()
    more = climb(data, n_points=8, n_steps=10, n_samples=4, seed=1).points
    assert torch.allclose(more[:2], one, atol=1e-5)


def test_the_energy_of_the_result_starts_warm(normal):
    started = []

    class Watched(CoarseGrained):
        def energy(self, x0):
            started.append(bool(self.memory and self.memory.assignments))
            return super().energy(x0)

    climb(Watched(normal(4, 3)), n_points=8, n_steps=3)
    assert started == [False, False, True, True, True]  # of a trial, three steps and the result


def test_the_result(normal, tmp_path):
    data = Projections.observe(normal(8, 3), n_views=2, n_points=5)
    found = climb(data, n_points=8, n_steps=3, seed=5)
    assert found.points.shape == (2, 8, 3) and not found.points.requires_grad
    assert torch.equal(found.energy, data.energy(found.points))
    assert (found.seed, found.version) == (5, dpskit.__version__)
    assert found.settings["method"] == "maximum_likelihood"
    assert (found.settings["n_steps"], found.settings["learning_rate"]) == (3, 0.01)
    found.save(tmp_path / "a.npz")
    assert load_samples(tmp_path / "a.npz").settings == found.settings


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"n_steps": 0}, ValueError, ["n_steps", "0"]),
        ({"n_samples": 0}, ValueError, ["n_samples", "0"]),
        ({"n_points": -4}, ValueError, ["n_points", "-4"]),
        ({"learning_rate": 0.0}, ValueError, ["learning_rate", "above 0", "0.0"]),
        ({"learning_rate": math.nan}, ValueError, ["learning_rate", "nan"]),
        ({"seed": -1}, ValueError, ["seed", "-1"]),
        ({"likelihood": None}, TypeError, ["likelihood", "energy", "NoneType"]),
    ],
)
def test_bad_input(one_sentence, capsys, settings, error, words):
    data = settings.pop("likelihood", CoarseGrained([[0.0, 0.0, 0.0]]))
    with one_sentence(error, *words):
        maximum_likelihood(data, **settings)
    assert capsys.readouterr() == ("", "")
