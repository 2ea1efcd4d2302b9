"""The examples in the docstrings run, and print what they say."""

import doctest
import importlib

import pytest

MODULES = [
    "likelihoods.protocol",
    "priors.protocol",
    "sampling.maximum_likelihood",
    "sampling.sample",
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    failed, attempted = doctest.testmod(importlib.import_module(f"dpskit.{name}"))
    assert attempted > 0 and failed == 0
