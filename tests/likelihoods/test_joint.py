"""Several observations together."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from likelihood_cases import DEEP, Height, clouds, every_kind, seeds

from dpskit import CoarseGrained, Joint, Projections, Subunit, posterior_predictive_check, random_rotations


@given(seeds, st.booleans())
def test_joint_is_the_weighted_sum_over_all_observations(seed, given_weights):
    x = clouds(seed, 2, 6, 3)
    views = Projections([clouds(seed + 1, 4, 2), clouds(seed + 2, 6, 2)], random_rotations(2, seed))
    low, part = CoarseGrained(clouds(seed + 3, 3, 3)), Subunit(clouds(seed + 4, 2, 3))
    weights = [0.5, 2.0, 0.0, 3.0] if given_weights else None
    joint = Joint([views, low, part], weights)
    a, b = views.energies(x).unbind(dim=1)
    expected = [a, b, low.energy(x), part.energy(x)]
    assert torch.allclose(joint.energies(x), torch.stack(expected, dim=1))
    scaled = [w * e for w, e in zip(weights or [0.25] * 4, expected, strict=True)]
    assert torch.allclose(joint.energy(x), sum(scaled))


def test_joint_takes_any_likelihood():
    x, kinds = clouds(1, 2, 9, 3), every_kind(2, 9)
    joint = Joint([Height(), kinds["projections"], kinds["joint"]], [2, 3, 4, 5])
    expected = 2 * Height().energy(x) + kinds["projections"].energies(x) @ clouds(0, 2).new_tensor([3.0, 4.0])
    expected = expected + 5 * kinds["joint"].energy(x)
    for data in (joint, joint.start()):
        assert torch.allclose(data.energy(x), expected)
    densities = [Height(), kinds["projections"], kinds["joint"]]
    assert torch.allclose(joint.log_prob(x), sum(part.log_prob(x) for part in densities))


def test_joint_of_projections_alone_is_their_mean(normal):
    views = Projections.observe(normal(12, 3), n_views=3, n_points=5)
    x = normal(2, 12, 3, seed=1)
    assert torch.allclose(Joint([views]).energy(x), views.energy(x))


class TwoArguments:
    def energy(self, x0, warm):
        return x0.sum(dim=(1, 2))


class EnergyAlone:
    def energy(self, x0):
        return x0.square().sum(dim=(1, 2))


def test_a_part_without_a_method_is_named(one_sentence, normal):
    joint, x = Joint([Subunit(normal(2, 3), 0.1), EnergyAlone()]), normal(1, 5, 3, seed=1)
    with one_sentence(TypeError, "parts[1]", "log_prob(x0)", "EnergyAlone"):
        joint.log_prob(x)
    with one_sentence(TypeError, "parts[1]", "with_noise(variance)", "EnergyAlone"):
        joint.with_noise(0.1)
    for call in (lambda: joint.simulate(x[0], torch.Generator()), lambda: posterior_predictive_check(joint, x)):
        with one_sentence(TypeError, "parts[1]", "simulate(x0, generator)", "EnergyAlone"):
            call()
    with one_sentence(TypeError, "likelihood", "simulate(x0, generator)"):
        posterior_predictive_check(EnergyAlone(), x)
    with one_sentence(ValueError, "samples", "(b, n, d)", "(5, 3)"):
        posterior_predictive_check(joint, x[0])


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: Joint([]), ValueError, ["parts", "none"]),
        (lambda: Joint(Subunit(DEEP)), TypeError, ["parts", "Subunit"]),
        (lambda: Joint([DEEP]), TypeError, ["parts[0]", "energy(x0)", "Tensor"]),
        (lambda: Joint([Subunit(DEEP), TwoArguments()]), TypeError, ["parts[1]", "energy(x0)", "got energy(x0, warm)"]),
        (lambda: Joint([Subunit(DEEP)], [1.0, 1.0]), ValueError, ["weights", "1 observations", "(2,)"]),
        (lambda: Joint([Subunit(DEEP)], [-1.0]), ValueError, ["weights", "-1.0"]),
        (lambda: Joint([Subunit(DEEP)], [math.nan]), ValueError, ["weights", "nan"]),
        (lambda: Joint([Subunit(DEEP)], [0.0]), ValueError, ["weights", "0.0"]),
        (lambda: Joint([Subunit(DEEP)], "equal"), TypeError, ["weights", "str"]),
    ],
)
def test_bad_input(one_sentence, call, error, words):
    with one_sentence(error, *words):
        call()
