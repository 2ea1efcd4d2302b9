import inspect
import itertools
import math

import pytest
import torch

from dpskit import (
    DPS,
    Algorithm1,
    CoarseGrained,
    DiffusionPrior,
    EulerODE,
    GaussianMixturePrior,
    GaussianPrior,
    Heun,
    InverseTime,
    Joint,
    LikelihoodScore,
    Projections,
    Subunit,
    iterate,
    karras_schedule,
    sample,
)
from dpskit.priors.transformer import PointTransformer, TransformerConfig
from dpskit.sampling.noise import NoiseSource

SCHEDULE = karras_schedule(5)


def run(prior, data, **settings):
    defaults = {"n_samples": 3, "n_points": 24, "schedule": SCHEDULE, "guidance": DPS(2000), "progress": False}
    return sample(prior, data, **(defaults | settings))


@pytest.fixture(scope="module")
def network_prior():
    torch.manual_seed(2)
    network = PointTransformer(TransformerConfig(32, 1, 32))
    torch.nn.init.normal_(network.output.weight, std=0.1)
    return DiffusionPrior(network.eval().requires_grad_(False))


@pytest.fixture(scope="module")
def data(normal):
    x = 0.4 * normal(24, 3, seed=11)
    return Joint([Projections.observe(x, n_views=2, n_points=10), CoarseGrained(x[:8]), Subunit(x[10:16])])


# --- What a run is ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", [Algorithm1(), Heun(InverseTime(0.15)), EulerODE()])
def test_infos_tell_the_whole_run(data, solver):
    prior = GaussianPrior(0.0, 0.4)
    settings = {
        "n_samples": 2,
        "n_points": 24,
        "schedule": SCHEDULE,
        "guidance": DPS(2000),
        "solver": solver,
        "seed": 3,
    }
    infos = list(iterate(prior, data, **settings))
    assert [info.step for info in infos] == list(range(5))
    assert [info.t for info in infos] == SCHEDULE[1:].tolist()
    for before, after in itertools.pairwise(infos):
        # The evaluation of a step is at the point and the time that the step before reached.
        denoised = prior.denoise(before.x, torch.full((2,), before.t))
        assert torch.allclose(after.denoised, denoised)
        assert torch.allclose(after.energy, data.energy(denoised), rtol=1e-5)
    drawn = sample(prior, data, progress=False, **settings)
    assert torch.equal(infos[-1].x, drawn.points)
    assert torch.equal(drawn.energy, data.energy(drawn.points))
    assert torch.allclose(infos[-1].x, infos[-1].denoised, atol=1e-3) or not isinstance(solver, EulerODE)


@pytest.mark.parametrize("t_max", [0.3, 80.0])
def test_a_run_starts_from_noise_of_the_first_time(t_max):
    class Identity:
        def denoise(self, x, t):
            return x

    # fmt: off
    first = next(iterate(Identity(), None, n_samples=4, n_points=100, seed=6, first=2,
                         schedule=karras_schedule(5, t_max=t_max)))
    # fmt: on
    assert torch.allclose(first.denoised, t_max * NoiseSource(6, range(2, 6), (100, 3)).draw(0))
    assert abs(float(first.denoised.std()) / t_max - 1) < 4 / math.sqrt(2 * 1200)


def test_unconditional_runs_have_no_energy():
    prior = GaussianPrior(0.0, 0.4)
    infos = list(iterate(prior, None, n_samples=2, n_points=5, schedule=SCHEDULE))
    assert all(info.energy is None for info in infos)
    drawn = run(prior, None)
    assert drawn.energy is None
    assert drawn.settings["likelihood"] is None and drawn.settings["guidance"] is None


def test_the_last_step_lands_on_the_denoised_cloud():
    *_, last = iterate(GaussianPrior(0.2, 0.4), None, n_samples=2, n_points=5, schedule=SCHEDULE)
    assert torch.allclose(last.x, last.denoised, atol=1e-5)  # x + t (D - x) / t^2 t


def test_iterate_works_step_by_step():
    class Counting:
        calls = 0

        def denoise(self, x, t):
            self.calls += 1
            return 0.5 * x

    prior = Counting()
    steps = iterate(prior, None, n_samples=1, n_points=3, schedule=SCHEDULE, solver=EulerODE())
    assert prior.calls == 1  # a trial
    for calls in range(2, 7):
        next(steps)
        assert prior.calls == calls
    assert next(steps, None) is None


def test_defaults_are_the_documented_ones():
    prior, data = GaussianPrior(0.0, 0.4), CoarseGrained([[0.0, 0.0, 0.0]])
    guided = sample(prior, data, n_samples=1, n_points=2, progress=False)
    assert guided.settings["schedule"] == karras_schedule(40, t_max=1.0, t_min=0.002, rho=3.0).tolist()
    assert guided.settings["guidance"] == {
        "type": "DPS",
        "alpha": 50.0,  # of one observed point
        "reach": 2.0,
        "jacobian": [0.0, math.inf],
        "blur": 0.0,
    }
    assert guided.settings["solver"]["type"] == "Algorithm1"
    assert guided.settings["solver"]["noise"] == {"type": "InverseTime", "cutoff": 0.0, "below": 0.0}
    free = sample(prior, None, n_samples=1, n_points=2, progress=False)
    assert free.settings["schedule"] == karras_schedule(100, t_max=80.0).tolist()
    assert free.settings["solver"]["type"] == "Heun" and free.settings["solver"]["noise"]["cutoff"] == math.inf
    for function in (sample, iterate):
        parameters = inspect.signature(function).parameters
        assert (parameters["n_samples"].default, parameters["n_points"].default) == (10, None)
    points = sample(prior, data, n_samples=1, schedule=karras_schedule(1), progress=False).points
    assert points.shape == (1, 1024, 3)


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_any_dimension_and_a_single_point(dim):
    drawn = run(GaussianPrior(0.0, 0.5), None, n_points=1, dim=dim)
    assert drawn.points.shape == (3, 1, dim)


def test_anything_with_denoise_is_a_prior(data):
    class Shrinking:
        def denoise(self, x, t):
            return x / (1 + t[:, None, None])

    assert run(Shrinking(), data).points.shape == (3, 24, 3)


def test_anything_with_energy_is_a_likelihood():
    """One's own likelihood needs neither observations nor the base of any class."""

    class Height:
        def energy(self, x0):
            return (x0[..., 2] - 0.5).square().mean(dim=1)

    prior = GaussianPrior(0.0, 0.3)
    settings = {"n_points": 200, "schedule": karras_schedule(20), "guidance": DPS(20_000)}
    free, pulled = run(prior, None, **settings), run(prior, Height(), **settings)
    assert abs(float(free.points[..., 2].mean())) < 0.1
    assert 0.3 < float(pulled.points[..., 2].mean()) < 0.6
    assert abs(float(pulled.points[..., :2].mean())) < 0.1


# --- It samples the right distribution --------------------------------------------------------------------------------


def test_unconditional_samples_of_a_mixture_have_its_moments():
    weights, means = torch.tensor([0.25, 0.75]), torch.tensor([-2.0, 1.0])[:, None, None]
    prior = GaussianMixturePrior(weights, means, torch.tensor([0.3, 0.3]))
    schedule = karras_schedule(60, t_max=30.0)
    drawn = sample(prior, None, n_samples=500, n_points=1, dim=1, schedule=schedule, seed=1, progress=False)
    x = drawn.points.flatten().double()
    z = (int((x < -0.5).sum()) - 125) / math.sqrt(500 * 0.25 * 0.75)
    assert abs(z) < 4
    for part, mean in [(x[x < -0.5], -2.0), (x[x > -0.5], 1.0)]:
        assert abs(float(part.mean()) - mean) < 4 * 0.3 / math.sqrt(len(part))
        assert abs(float(part.std()) / 0.3 - 1) < 4 / math.sqrt(2 * len(part)) + 0.02


def test_the_harder_the_guidance_the_better_the_fit(normal):
    prior, data = GaussianPrior(0.0, 0.4), Projections.observe(0.4 * normal(24, 3, seed=11), n_views=2, n_points=24)
    energies = [float(data.energy(run(prior, None, n_samples=6, schedule=karras_schedule(20)).points).mean())]
    for alpha in (2_000, 10_000, 50_000):
        guided = run(prior, data, n_samples=6, schedule=karras_schedule(20), guidance=DPS(alpha))
        energies.append(float(guided.energy.mean()))
    assert energies == sorted(energies, reverse=True)
    assert energies[-1] < 0.1 * energies[0]


# --- Randomness -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("guided", [False, True])
def test_the_same_seed_gives_the_same_bits(network_prior, data, guided):
    data = data if guided else None
    one, again, other = (run(network_prior, data, seed=seed).points for seed in (5, 5, 6))
    assert torch.equal(one, again)
    assert not torch.isclose(one, other).any()


def test_other_random_numbers_play_no_role(network_prior, data):
    first = run(network_prior, data).points
    torch.manual_seed(123)
    torch.rand(7)
    assert torch.equal(run(network_prior, data).points, first)


@pytest.mark.parametrize("solver", [Algorithm1(), Heun(InverseTime(1, 1))])
def test_sample_k_does_not_depend_on_the_number_of_samples_or_the_batch_size(network_prior, data, solver):
    for prior in [GaussianPrior(0.0, 0.4), network_prior]:
        whole = run(prior, data, n_samples=5, solver=solver, seed=2)
        few = run(prior, data, n_samples=2, solver=solver, seed=2)
        assert torch.allclose(few.points, whole.points[:2], atol=1e-4)
        for batch_size in (1, 2, 3):
            split = run(prior, data, n_samples=5, batch_size=batch_size, solver=solver, seed=2)
            assert torch.allclose(split.points, whole.points, atol=1e-4)
            assert torch.allclose(split.energy, whole.energy, rtol=1e-3)
        assert not torch.isclose(whole.points[0], whole.points[1]).any()


def test_a_run_can_be_split_by_the_number_of_its_first_sample():
    settings = {"n_points": 6, "schedule": SCHEDULE, "seed": 9}
    *_, whole = iterate(GaussianPrior(0.0, 0.4), None, n_samples=4, **settings)
    *_, rest = iterate(GaussianPrior(0.0, 0.4), None, n_samples=2, first=2, **settings)
    assert torch.allclose(rest.x, whole.x[2:], atol=1e-5)
    part = sample(GaussianPrior(0.0, 0.4), None, n_samples=3, first=1, batch_size=2, progress=False, **settings)
    assert part.settings["first"] == 1
    torch.testing.assert_close(part.points[1:], rest.x)


def test_two_runs_that_share_a_likelihood_do_not_affect_each_other(data):
    def start(seed, n_samples):
        settings = {"n_samples": n_samples, "n_points": 24, "schedule": SCHEDULE, "seed": seed}
        return iterate(GaussianPrior(0.0, 0.4), data, guidance=DPS(2000), **settings)

    alone = [list(start(1, 2))[-1].x, list(start(2, 3))[-1].x]
    for one, other in zip(start(1, 2), start(2, 3), strict=True):  # in turns
        together = [one.x, other.x]
    assert torch.equal(together[0], alone[0]) and torch.equal(together[1], alone[1])


def test_an_abandoned_run_leaves_no_trace(data):
    first = run(GaussianPrior(0.0, 0.4), data).points
    steps = iterate(GaussianPrior(0.0, 0.4), data, n_samples=2, n_points=24, schedule=SCHEDULE, seed=8)
    next(steps), next(steps)
    steps.close()
    assert torch.equal(run(GaussianPrior(0.0, 0.4), data).points, first)


# --- Bad input --------------------------------------------------------------------------------------------------------


class TwoArguments:
    """A likelihood whose energy asks for more than the clouds."""

    def energy(self, x0, warm):
        raise AssertionError("work has begun")


class Untouched:
    """A prior whose denoiser must never be called."""

    def denoise(self, x, t):
        raise AssertionError("work has begun")


BAD_SETTINGS = [
    ({"n_samples": 0}, ValueError, ["n_samples", "0"]),
    ({"n_samples": 2.5}, ValueError, ["n_samples", "2.5"]),
    ({"n_points": -1}, ValueError, ["n_points", "-1"]),
    ({"dim": 0}, ValueError, ["dim", "0"]),
    ({"seed": -1}, ValueError, ["seed", "-1"]),
    ({"seed": None}, ValueError, ["seed", "None"]),
    ({"schedule": torch.tensor([0.0, 1.0])}, ValueError, ["schedule", "fall"]),
    ({"schedule": 40}, ValueError, ["schedule", "two times"]),
    ({"schedule": "karras"}, TypeError, ["schedule", "str"]),
    ({"guidance": "dps"}, TypeError, ["guidance", "str"]),
    ({"guidance": DPS}, TypeError, ["guidance", "the class DPS"]),
    ({"solver": "heun"}, TypeError, ["solver", "str"]),
    ({"solver": Heun}, TypeError, ["solver", "the class Heun"]),
    ({"guidance": LikelihoodScore()}, ValueError, ["sigma", "None"]),
    ({"prior": "chairs"}, TypeError, ["prior", "denoise(x, t)", "str"]),
    ({"prior": GaussianPrior}, TypeError, ["prior", "the class GaussianPrior"]),
    ({"likelihood": [1, 2]}, TypeError, ["likelihood", "energy", "list"]),
    ({"likelihood": Subunit}, TypeError, ["likelihood", "the class Subunit"]),
    ({"likelihood": TwoArguments()}, TypeError, ["likelihood", "energy(x0)", "got energy(x0, warm)"]),
]


@pytest.mark.parametrize("function", [sample, iterate])
@pytest.mark.parametrize(("bad", "error", "words"), BAD_SETTINGS)
def test_bad_settings_are_refused_before_any_work(one_sentence, capsys, function, bad, error, words):
    settings = {"prior": Untouched(), "likelihood": CoarseGrained([[0.0, 0.0, 0.0]]), "n_samples": 1} | bad
    with one_sentence(error, *words):
        function(settings.pop("prior"), settings.pop("likelihood"), **settings)  # iterate too: not only at next()
    assert capsys.readouterr() == ("", "")


def test_no_more_clouds_than_a_batch_are_ever_held_against_the_data():
    """Not at the end either: a batch may be as much as the memory takes."""
    sizes = []

    class Centre:
        def energy(self, x0):
            sizes.append(len(x0))
            return x0.mean(dim=1).square().sum(dim=1)

    settings = {"n_samples": 7, "n_points": 5, "schedule": SCHEDULE, "progress": False}
    split = sample(GaussianPrior(0.0, 0.4), Centre(), batch_size=2, **settings)
    assert max(sizes) == 2
    torch.testing.assert_close(split.energy, sample(GaussianPrior(0.0, 0.4), Centre(), **settings).energy)


@pytest.mark.parametrize("batch_size", [0, -2, 1.5])
def test_bad_batch_size(one_sentence, batch_size):
    with one_sentence(ValueError, "batch_size", batch_size):
        sample(Untouched(), None, batch_size=batch_size)


def test_bad_first(one_sentence):
    with one_sentence(ValueError, "first", "-1"):
        iterate(Untouched(), None, first=-1)


def test_a_subunit_larger_than_the_cloud(one_sentence, normal):
    with one_sentence(ValueError, "x0", "9", "4"):
        run(GaussianPrior(0.0, 0.4), Subunit(normal(9, 3)), n_points=4)


@pytest.mark.parametrize("guided", [False, True])
def test_a_prior_that_yields_nan_is_named(one_sentence, data, guided):
    class Broken:
        def denoise(self, x, t):
            return x * math.nan

    with one_sentence(ValueError, "prior.denoise", "finite", "t = 1"):
        run(Broken(), data if guided else None)


def test_a_run_takes_what_suits_its_prior(network_prior, data):
    network_prior.card["defaults"] = {"cutoff": 0.2, "jacobian": [0.1, 0.5], "blur": 0.07}
    own, free = (sample(network_prior, y, n_samples=1, n_points=24, progress=False).settings for y in (data, None))
    assert own["solver"]["noise"]["cutoff"] == 0.2
    assert own["guidance"]["jacobian"] == [0.1, 0.5] and own["guidance"]["blur"] == 0.07 and free["guidance"] is None
    del network_prior.card["defaults"]
    plain = sample(network_prior, data, n_samples=1, n_points=24, progress=False).settings
    assert plain["guidance"]["jacobian"] == [0.0, math.inf] and plain["guidance"]["blur"] == 0.0
    assert plain["solver"]["noise"]["cutoff"] == 0.0


def test_a_run_that_diverges_says_so(recwarn, data):
    prior = GaussianPrior(0.0, 0.4)
    calm = run(prior, data, guidance=DPS(10_000))
    assert not recwarn.list and float(calm.energy.max()) < 0.3
    bounded = run(prior, data, guidance=DPS(1e12))
    assert not recwarn.list and float(bounded.energy.max()) < 0.3 and float(bounded.points.abs().max()) < 3
    with pytest.warns(RuntimeWarning, match="3 of 3 samples .* diverged: a lower alpha, more steps"):
        absurd = run(prior, data, guidance=DPS(1e12, reach=None))
    assert float(absurd.energy.min()) > 10 and bool(torch.isfinite(absurd.points).all())


def test_a_run_that_overflows_is_refused(one_sentence, network_prior, data):
    with one_sentence(ValueError, "diverge", "lower alpha", "energy"):
        run(GaussianPrior(0.0, 0.4), data, guidance=DPS(1e30, reach=None))
    with one_sentence(ValueError, "diverge", "lower alpha", "prior.denoise"):
        run(network_prior, data, guidance=DPS(1e38, reach=None))

    class Cliff:
        def energy(self, x0):
            return (1e18 * x0).square().sum(dim=(1, 2))

    with one_sentence(ValueError, "diverge", "lower alpha", "NaN"):
        run(GaussianPrior(0.0, 0.4), Cliff(), guidance=DPS(reach=None), schedule=karras_schedule(1))


def test_progress_bar_can_be_switched_off(capfd):
    prior, settings = GaussianPrior(0.0, 0.4), {"n_samples": 3, "n_points": 4, "schedule": SCHEDULE, "batch_size": 2}
    sample(prior, None, progress=False, **settings)
    assert capfd.readouterr() == ("", "")
    sample(prior, None, **settings)
    assert "10/10" in capfd.readouterr().err  # two batches of 5 steps
