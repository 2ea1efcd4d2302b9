import time

import pytest
import torch

from dpskit import DPS, GaussianPrior, Projections, iterate, karras_schedule
from dpskit.benchmarks.run_profile import profile_run, thread_speedup
from dpskit.likelihoods import projection


@pytest.fixture
def data(normal):
    return Projections.observe(0.3 * normal(40, 3), n_views=2, n_points=20)


class SlowPrior:
    """Sleeps 4 ms forward and 6 ms backward."""

    def denoise(self, x, t):
        time.sleep(0.004)
        if x.requires_grad:
            x = x * 1.0
            x.register_hook(lambda gradient: time.sleep(0.006))
        return GaussianPrior(torch.zeros(3), 0.3).denoise(x, t)


def test_the_parts_of_a_run(data, monkeypatch):
    """Five evaluations: sleeping makes their least time known."""
    energies = Projections.energies
    monkeypatch.setattr(projection.Projections, "energies", lambda *a: time.sleep(0.02) or energies(*a))
    profile = profile_run(SlowPrior(), data, n_samples=3, n_points=40, n_steps=3, progress=False)
    assert profile.network >= 5 * 0.010 and profile.assignment >= 5 * 0.020
    assert profile.rest > 0 and profile.total == profile.network + profile.assignment + profile.rest
    assert [x.shape for x in profile.denoised] == [(3, 40, 3)] * 5


def test_the_run_is_that_of_the_prior_and_the_data(data):
    class Blurred(GaussianPrior):
        blur = 0.2

    prior, times = Blurred(0.0, 0.3), karras_schedule(3)
    profile = profile_run(prior, data, n_samples=3, n_points=40, n_steps=3, progress=False)
    run = iterate(prior, data, n_samples=3, n_points=40, schedule=times, guidance=DPS(), seed=0, progress=False)
    *_, last = run
    assert torch.equal(profile.denoised[-1], last.denoised)


def test_threads_do_not_change_results(data, normal):
    threads = torch.get_num_threads()
    assert thread_speedup([0.3 * normal(4, 40, 3) for _ in range(3)], data) > 0
    assert torch.get_num_threads() == threads
