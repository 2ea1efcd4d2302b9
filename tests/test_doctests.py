"""The examples in the docstrings run, and print what they say."""

import doctest
import importlib

import pytest

MODULES = [
    "evaluation.distances",
    "exact.linear_gaussian",
    "likelihoods.coarse",
    "likelihoods.joint",
    "likelihoods.protocol",
    "likelihoods.subunit",
    "priors.analytic",
    "priors.protocol",
    "sampling.maximum_likelihood",
    "sampling.noise",
    "sampling.sample",
    "sampling.schedule",
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    failed, attempted = doctest.testmod(importlib.import_module(f"dpskit.{name}"))
    assert attempted > 0 and failed == 0
