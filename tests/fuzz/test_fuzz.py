"""A part of `make fuzz` in every test run: no input of a fixed seed ends in anything but a result or one sentence."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import fuzz


def test_no_input_fails():
    outcomes, failures = fuzz.run(300, 1)
    assert failures == []
    assert sum(outcomes.values()) >= 250 and outcomes["sentence"] > 100 and outcomes["fine"] > 10


def test_what_counts_as_a_failure():
    def fail(error):
        raise error

    assert fuzz.judge(lambda: 1)[0] == "fine"
    assert fuzz.judge(lambda: fail(ValueError("x must be a number, got None.")))[0] == "sentence"
    for error in (
        ValueError("no sentence"),
        ValueError("two\nlines."),
        RuntimeError("x must be a number."),
        KeyError("x"),
    ):
        assert fuzz.judge(lambda error=error: fail(error))[0] == "failure"
