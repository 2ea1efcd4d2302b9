import pytest
import torch

from dpskit.evaluation.calibration import simulation_based_calibration
from dpskit.evaluation.credible import credible_coverage, expected_coverage, spread_against_error
from dpskit.evaluation.trials import Trials, run_trials


def test_trial_k_is_observed_and_sampled_with_its_own_seed(normal):
    truths = normal(3, 2, 1)
    seen = []

    def observe(truth, generator):
        return truth + torch.rand((), generator=generator)

    def sampler(data, seed):
        seen.append((data, seed))
        return torch.stack([data, data + seed])

    trials = run_trials(truths, observe, sampler, seed=5, progress=False)
    assert [seed for _, seed in seen] == [5, 6, 7]
    noise = torch.rand(3, generator=torch.Generator().manual_seed(5))  # one generator observes them all
    torch.testing.assert_close(torch.stack([data for data, _ in seen]), truths + noise[:, None, None])
    moved = trials.samples[:, 1] - trials.samples[:, 0]
    torch.testing.assert_close(moved[:, 0, 0], torch.tensor([5.0, 6.0, 7.0]))
    assert torch.equal(trials.truths, truths)


def test_a_diverged_sampler_is_named_and_no_miscalibration(one_sentence, normal):
    truths, samples = normal(3, 5, 3), normal(3, 4, 5, 3)
    samples[1, 2, 3, 0] = float("nan")
    with one_sentence(ValueError, "samples must be finite", "trial 1"):
        Trials(truths, samples)
    with one_sentence(ValueError, "sampler must return finite clouds", "trial 0"):
        run_trials(truths, lambda x, g: x, lambda data, seed: samples[1], progress=False)


def test_shapes(one_sentence, normal):
    with one_sentence(ValueError, "samples", "(k, s, n, d)", "(3, 4, 2, 2)"):
        Trials(normal(2, 2, 2), normal(3, 4, 2, 2))
    with one_sentence(ValueError, "samples", "s >= 2"):
        Trials(normal(3, 2, 2), normal(3, 1, 2, 2))


@pytest.mark.parametrize(
    ("shape", "trial", "words"),
    [
        (lambda seed: (4, 2, 3), 0, "(s, 5, 3) with s >= 2"),
        (lambda seed: (1, 5, 3), 0, "(s, 5, 3) with s >= 2"),
        (lambda seed: (4, 15), 0, "(s, 5, 3) with s >= 2"),
        (lambda seed: (4 + seed, 5, 3), 1, "(4, 5, 3), as in trial 0"),
    ],
)
def test_a_wrong_shape_is_named_in_the_trial_that_has_it(one_sentence, normal, shape, trial, words):
    seen = []

    def sampler(data, seed):
        seen.append(seed)
        return torch.zeros(shape(seed))

    with one_sentence(ValueError, "sampler", words, f"trial {trial}"):
        run_trials(normal(3, 5, 3), lambda truth, generator: truth, sampler, progress=False)
    assert seen == list(range(trial + 1))


@pytest.mark.parametrize(
    "instrument", [simulation_based_calibration, expected_coverage, credible_coverage, spread_against_error]
)
def test_clouds_are_no_trials(one_sentence, normal, instrument):
    with one_sentence(TypeError, "trials", "Tensor"):
        instrument(normal(3, 5, 3))


def test_what_observes_and_what_samples_take_two_arguments(one_sentence, normal):
    def two(first, second):
        return torch.zeros(4, 5, 3)

    def one(first):
        return first

    for observe, sampler, name in ((None, two, "observe"), (one, two, "observe"), (two, one, "sampler")):
        with one_sentence(TypeError, name, "__call__("):
            run_trials(normal(3, 5, 3), observe, sampler, progress=False)
