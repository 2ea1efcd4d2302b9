"""What tests of unknown orientations share."""

import pytest

import dpskit
from dpskit.sampling import orientations, trial_clouds


@pytest.fixture(scope="session")
def views_of_lopsided(lopsided):
    """views_of_lopsided(n_views, n_points=200): views of an object without symmetry."""

    def observe(n_views, n_points=200):
        return dpskit.Projections.observe(lopsided(400), n_views, n_points, seed=3)

    return observe


@pytest.fixture
def short_trials(monkeypatch):
    """Clouds on trial take eight steps."""
    for module in (trial_clouds, orientations):
        monkeypatch.setattr(module, "N_STEPS", 8)
