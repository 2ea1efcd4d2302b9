import inspect
import itertools
import math

import pytest
import torch

from dpskit import CoarseGrained, GaussianPrior, Joint, iterate, karras_schedule, sample
from dpskit.sampling.run import Run, called_as

PRIOR = GaussianPrior(0.0, 0.5)
SETTINGS = {"n_points": 4, "schedule": karras_schedule(3), "seed": 7, "progress": False}


def test_sample_and_iterate_take_the_arguments_of_a_run_and_return_their_own():
    own = inspect.signature(Run.of).parameters
    assert inspect.signature(sample).parameters == inspect.signature(iterate).parameters == own
    assert len(own) == 14
    assert inspect.signature(sample).return_annotation == "Samples"
    assert inspect.signature(iterate).return_annotation == "Iterator[Info]"


def test_a_function_of_a_run_is_called_with_what_makes_it():
    @called_as(Run.of)
    def shape(run: Run) -> tuple:
        """Of its clouds."""
        return run.samples, run.shape

    assert shape(PRIOR, None, n_samples=3, first=2, n_points=5, dim=2) == (range(2, 5), (5, 2))
    assert shape.__doc__ == "Of its clouds."


@pytest.mark.parametrize(
    ("arguments", "settings", "message"),
    [
        ((PRIOR,), {}, "missing a required argument: 'likelihood'"),
        ((PRIOR, None), {"n_sample": 3}, "unexpected keyword argument 'n_sample'"),
        ((PRIOR, None, 3), {}, "too many positional arguments"),
    ],
)
def test_wrong_calls_do_not_speak_of_the_run(arguments, settings, message):
    with pytest.raises(TypeError, match=message) as caught:
        sample(*arguments, **settings)
    assert "Run" not in str(caught.value)


def test_the_steps_of_one_batch_come_after_those_of_another():
    infos = list(iterate(PRIOR, None, n_samples=5, batch_size=2, **SETTINGS))
    assert [info.step for info in infos] == 3 * [0, 1, 2]
    assert [len(info.x) for info in infos] == [2, 2, 2, 2, 2, 2, 1, 1, 1]
    ends = torch.cat([info.x for info in itertools.islice(infos, 2, None, 3)])
    torch.testing.assert_close(ends, sample(PRIOR, None, n_samples=5, **SETTINGS).points)


def test_the_record_of_a_run():
    data = Joint([CoarseGrained([[0.3, 0.0, 0.0]])])
    settings = Run.of(PRIOR, data, n_samples=2, first=3, **SETTINGS).settings()
    assert settings["prior"]["type"] == "GaussianPrior" and settings["likelihood"]["type"] == "Joint"
    assert settings["guidance"] == {
        "type": "DPS",
        "alpha": 50.0,  # of one observed point
        "reach": 2.0,
        "jacobian": [0.0, math.inf],
        "blur": 0.0,
    }
    assert settings["schedule"] == SETTINGS["schedule"].tolist()
    assert settings["first"] == 3 and settings["pose"] is None
    alone = Run.of(PRIOR, None, **SETTINGS).settings()
    assert alone["guidance"] is None and not {"first", "hypotheses", "orientations"} & set(alone)


def test_a_run_starts_as_wide_as_the_noisy_prior():
    start = Run.of(PRIOR, None, n_samples=3, **SETTINGS).start(range(1, 3))
    other = Run.of(PRIOR, None, n_samples=1, **SETTINGS | {"schedule": karras_schedule(3, t_max=4.0)})
    assert start.step == 0 and start.x.shape == (2, 4, 3)
    torch.testing.assert_close(other.start(range(1, 3)).x / math.hypot(4, 0.5), start.x / math.hypot(1, 0.5))


@pytest.mark.parametrize("t_max", [0.5, 1.0, 5.0])
def test_the_flow_of_a_gaussian_prior_is_exact_from_any_noise_level(t_max):
    """What is missing at the start of the flow is missing at its end."""
    count, schedule = 40_000, karras_schedule(100, t_max=t_max)
    samples = sample(PRIOR, None, n_samples=1, n_points=count, dim=1, schedule=schedule, seed=0, progress=False)
    z = (float(samples.points.std()) / 0.5 - 1) * math.sqrt(2 * count)
    assert abs(z) < 4
