"""What cannot work fails before a run starts, in one sentence that says what was expected."""

import math

import pytest
import torch

from dpskit import (
    CoarseGrained,
    DataSpace,
    FullGaussianMixture,
    GaussianMixturePrior,
    GaussianPrior,
    Joint,
    LikelihoodScore,
    LinearGaussian,
    PointMixturePrior,
    Projections,
    UnknownOrder,
    iterate,
    karras_schedule,
    maximum_likelihood,
    sample,
    twisted_smc,
)
from dpskit.sampling.trial import cloud_shape, trial_clouds, try_prior

PRIOR = GaussianPrior(0.0, 0.4)


class Likelihood:
    """A likelihood of one's own from its functions."""

    def __init__(self, energy, log_prob=None):
        self.energy = energy
        if log_prob:
            self.log_prob = log_prob


class Denoiser:
    """A prior of one's own from its function."""

    def __init__(self, denoise):
        self.denoise = denoise


class Once(Denoiser):
    """A denoiser that must not be called after the trial."""

    def denoise(self, x, t):
        assert not self.called, "work has begun"
        self.called = True
        return self.function(x, t)

    def __init__(self, function):
        self.called, self.function = False, function


def square(x0):
    return x0.square().sum(dim=(1, 2)) / 2


@pytest.mark.parametrize(
    ("energy", "error", "words"),
    [
        (lambda x0: square(x0).mean(), ValueError, ["energy(x0)", "one number for each of 2 clouds", "shape ()"]),
        (lambda x0: square(x0)[:, None], ValueError, ["energy(x0)", "(2,)", "shape (2, 1)"]),
        (lambda x0: square(x0).tolist(), ValueError, ["energy(x0)", "(2,)", "list"]),
        (lambda x0: square(x0).detach(), ValueError, ["energy(x0)", "differentiable", "detached"]),
        (lambda x0: -square(x0), ValueError, ["energy(x0)", "at least 0", "-"]),
        (lambda x0: square(x0) * math.nan, ValueError, ["energy(x0)", "finite", "nan"]),
        (lambda x0: torch.ones(len(x0), requires_grad=True), ValueError, ["energy(x0)", "depend on x0"]),
        (lambda x0: x0 @ torch.ones(4), TypeError, ["energy(x0)", "(2, 9, 3)", "RuntimeError"]),
        (lambda x0: x0.nothing, TypeError, ["energy(x0)", "(2, 9, 3)", "AttributeError", "nothing"]),
    ],
)
def test_what_an_energy_must_be(one_sentence, energy, error, words):
    with one_sentence(error, *words):
        iterate(Once(PRIOR.denoise), Likelihood(energy), n_points=9)


@pytest.mark.parametrize("guidance", [LikelihoodScore(), DataSpace()])
def test_what_a_log_prob_must_be_where_it_is_used(one_sentence, guidance):
    settings = {"n_points": 9, "guidance": guidance}
    with one_sentence(ValueError, "log_prob(x0)", "(2,)", "shape ()"):
        iterate(PRIOR, Likelihood(square, lambda x0: -square(x0).mean()), **settings)
    with one_sentence(TypeError, "likelihood", "log_prob(x0)"):
        iterate(PRIOR, Likelihood(square), **settings)
    iterate(PRIOR, Likelihood(square, lambda x0: -square(x0)), **settings)  # may be negative
    with one_sentence(TypeError, "likelihood", "with_noise(variance)"):
        iterate(PRIOR, Likelihood(square, square), n_points=9, guidance=LikelihoodScore(0.4))
    with one_sentence(ValueError, "log_prob(x0)", "detached"):
        twisted_smc(PRIOR, Likelihood(square, lambda x0: square(x0).detach()), guidance=LikelihoodScore(), n_points=9)


class Started(Likelihood):
    """One whose `start` returns the energy of a run as a function."""

    def start(self):
        return self.energy


@pytest.mark.parametrize("guidance", [LikelihoodScore(), DataSpace(), LikelihoodScore(reach=2.0)])
@pytest.mark.parametrize("pose", [None, torch.eye(3)])
def test_only_the_methods_that_are_used_are_asked_of_the_parts(one_sentence, guidance, pose):
    """Of a likelihood of one's own, alone, beside projections, and in the frame of a pose."""
    prior, views = Denoiser(PRIOR.denoise), Projections([[[0.0, 0.1]]], torch.eye(3)[None], sigma=0.1)
    prior.orientation, prior.scale = "upright", 0.4
    own, none = Likelihood(square, lambda x0: -square(x0)), Likelihood(square)
    settings = {"n_points": 9, "pose": pose, "guidance": guidance}
    for data in (Joint([views, own]), Joint([Joint([own]), views]), Started(square, lambda x0: -square(x0))):
        iterate(prior, data, **settings)
        with one_sentence(TypeError, "likelihood", "with_noise(variance)"):
            iterate(prior, data, **settings | {"guidance": LikelihoodScore(0.4)})
    with one_sentence(TypeError, "likelihood.parts[1]", "log_prob(x0)"):
        iterate(prior, Joint([views, none]), **settings)
    with one_sentence(TypeError, "likelihood.parts[0].parts[0]", "log_prob(x0)"):
        iterate(prior, Joint([Joint([none]), views]), **settings)


@pytest.mark.parametrize(
    ("denoise", "dim", "words"),
    [
        (lambda x, t: x / (1 + t), 3, ["denoise(x, t)", "(2, 9, 3)", "its own t"]),
        (lambda x, t: x / (1 + t), 2, ["denoise(x, t)", "(3, 9, 2)", "its own t"]),
        (lambda x, t: x / (1 + t), 1, ["denoise", "shape of x, (2, 9, 1)", "(2, 9, 2)"]),
        (lambda x, t: x / (1 + t[:, None]), 3, ["denoise(x, t)", "(2, 9, 3)", "its own t"]),
        (lambda x, t: x[0], 3, ["denoise", "shape of x", "(9, 3)"]),
        (lambda x, t: x.detach(), 3, ["denoise", "differentiable"]),
    ],
)
def test_what_a_denoiser_must_do(one_sentence, denoise, dim, words):
    with one_sentence((ValueError, TypeError), *words):
        sample(Denoiser(denoise), Likelihood(square), n_points=9, dim=dim, progress=False)


def test_no_error_hides_its_cause():
    with pytest.raises(TypeError) as caught:
        iterate(Denoiser(lambda x, t: {}[0]), None)
    assert isinstance(caught.value.__cause__, KeyError)


@pytest.mark.parametrize(("n", "d"), [(n, d) for n in (1, 2, 3, 4) for d in (1, 2, 3)])
def test_trial_clouds_are_not_as_many_as_points_or_coordinates(n, d):
    x = trial_clouds(n, d)
    assert x.shape[1:] == (n, d) and len(x) not in (1, n, d) and len(x) <= 4


# --- Shapes -----------------------------------------------------------------------------------------------------------

WHOLE = GaussianMixturePrior([0.5, 0.5], torch.zeros(2, 5, 2), [1.0, 1.0])


@pytest.mark.parametrize(
    ("prior", "likelihood", "expected"),
    [
        (PRIOR, None, (1024, 3)),
        (Denoiser(None), None, (1024, 3)),
        (GaussianPrior(torch.zeros(2), 0.4), None, (1024, 2)),
        (GaussianPrior(torch.zeros(5, 1), torch.ones(2)), None, (5, 2)),
        (GaussianPrior(torch.zeros(1, 1), 0.4), None, (1, 1)),
        (WHOLE, None, (5, 2)),
        (PointMixturePrior(torch.zeros(7, 2), 0.1), None, (1024, 2)),
        (FullGaussianMixture.of(WHOLE, 5, 2), None, (5, 2)),
        (PRIOR, LinearGaussian(torch.eye(1), torch.zeros(1), 0.1), (1, 1)),
        (PRIOR, LinearGaussian(torch.eye(6), torch.zeros(6), 0.1), (2, 3)),
        (PRIOR, UnknownOrder(torch.zeros(4, 2), 0.1), (4, 2)),
        (WHOLE, UnknownOrder(torch.zeros(4, 2), 0.1), (5, 2)),
    ],
)
def test_the_shape_of_the_clouds(prior, likelihood, expected):
    assert cloud_shape(prior, likelihood, None, None) == expected
    assert cloud_shape(prior, likelihood, 8, None) == (8, expected[1])
    assert cloud_shape(prior, likelihood, None, 4) == (expected[0], 4)


def test_closed_forms_run_without_a_shape():
    settings = {"n_samples": 2, "schedule": karras_schedule(3), "progress": False}
    one_number = LinearGaussian(torch.eye(1), torch.zeros(1), 0.5)
    assert sample(GaussianPrior(0.0, 0.4), one_number, **settings).points.shape == (2, 1, 1)
    assert sample(WHOLE, None, **settings | {"schedule": None}).points.shape == (2, 5, 2)
    particles = twisted_smc(GaussianPrior(0.0, 0.4), one_number, n_particles=8, progress=False)
    assert particles.points.shape == (8, 1, 1)


def test_a_shape_that_the_prior_cannot_take(one_sentence):
    with one_sentence(TypeError, "denoise", "(3, 6, 2)", "its own shape is (5, 2)"):
        iterate(WHOLE, None, n_points=6)


# --- Scales -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("std", [0.1, 0.4, 1.0, 3.0])
def test_the_measured_scale_of_a_gaussian_is_its_standard_deviation(std):
    x = trial_clouds(50, 3)
    bare = Denoiser(GaussianPrior(0.0, std).denoise)
    for t in (1.0, 80.0):
        assert try_prior(bare, x, t, gradient=False) == pytest.approx(std, rel=1e-2)
    assert try_prior(GaussianPrior(0.0, std), x, 1.0, gradient=False) == pytest.approx(std)


def test_the_measured_scale_of_distant_clouds():
    """Two clouds at +-4, as far as the noise cannot tell: the denoiser is steep in neither, but points there."""
    means = torch.stack([torch.full((20, 3), -4.0), torch.full((20, 3), 4.0)])
    prior = GaussianMixturePrior([0.5, 0.5], means, [0.1, 0.1])
    assert prior.scale == pytest.approx(math.sqrt(16 + 0.01))
    assert try_prior(Denoiser(prior.denoise), trial_clouds(20, 3), 1.0, gradient=True) == pytest.approx(4, rel=0.05)


@pytest.mark.parametrize(
    ("prior", "draws"),
    [
        (GaussianPrior(0.5, 0.4), lambda p: p.sample(2000, 7, 2)),
        (
            GaussianMixturePrior([1, 3], torch.tensor([[[0.0, 1.0]], [[2.0, -1.0]]]), [0.3, 0.6]),
            lambda p: p.sample(9000),
        ),
        (PointMixturePrior(torch.tensor([[0.0, 1.0], [2.0, -1.0]]), 0.3), lambda p: p.sample(2000, 7)),
        (FullGaussianMixture.of(WHOLE, 5, 2), lambda p: p.sample(5000)),
    ],
)
def test_the_scale_of_closed_forms_is_that_of_their_draws(prior, draws):
    assert prior.scale == pytest.approx(float(draws(prior).square().mean().sqrt()), rel=0.03)


def test_the_default_schedule_follows_the_scale():
    settings = {"n_samples": 1, "n_points": 4, "progress": False}
    data = CoarseGrained(torch.zeros(4, 3))
    starts = {}
    for std in (0.4, 1.0, 2.0):
        for bare in (GaussianPrior(0.0, std), Denoiser(GaussianPrior(0.0, std * 0.98).denoise)):
            run = sample(bare, data, **settings), sample(bare, None, **settings)
            starts[std] = [found.settings["schedule"][0] for found in run]
    assert starts[0.4] == starts[1.0] == pytest.approx([1, 80])
    assert starts[2.0] == pytest.approx([20, 320], rel=0.05)


def test_a_schedule_that_starts_within_the_prior_is_told(recwarn):
    prior, data = GaussianPrior(0.0, 3.0), CoarseGrained(torch.zeros(4, 3))
    iterate(prior, data, n_points=4, schedule=karras_schedule(4, t_max=30.0))
    iterate(GaussianPrior(0.0, 0.9), data, n_points=4, schedule=karras_schedule(4))
    iterate(Denoiser(lambda x, t: x), data, n_points=4, schedule=karras_schedule(4))  # it does not tell its scale
    assert not recwarn.list
    with pytest.warns(RuntimeWarning, match=r"starts at t = 1, less than the scale of the prior, 3, .* t_max = 30"):
        iterate(prior, data, n_points=4, schedule=karras_schedule(4))


def test_a_device_that_is_not_there(one_sentence):
    for device in ("gpu", "cuda:99", 1.5):
        with one_sentence(ValueError, "device", "cpu", repr(device)):
            iterate(PRIOR, None, device=device)


def test_runs_where_gradients_are_switched_off(one_sentence):
    """They switch them on where they need them; in inference mode they cannot, and say so."""
    data = CoarseGrained([[0.3, 0.0, 0.0]], sigma=0.1)
    settings = {"n_samples": 2, "n_points": 9, "progress": False}
    runs = {
        "dps": lambda: sample(PRIOR, data, **settings).points,
        "density": lambda: sample(PRIOR, data, guidance=LikelihoodScore(0.4), **settings).points,
        "fit": lambda: maximum_likelihood(data, n_steps=5, **settings).points,
        "particles": lambda: twisted_smc(PRIOR, data, n_particles=20, n_points=2, progress=False).points,
    }
    for name, run in runs.items():
        expected = run()
        with torch.no_grad():
            assert torch.equal(run(), expected), name
        with torch.inference_mode(), one_sentence(RuntimeError, "torch.inference_mode()"):
            run()
