"""Draw bad inputs over every public reader and constructor: `python tests/fuzz/fuzz.py [COUNT] [SEED]`, or `make fuzz`.

Each is fine (a result), one sentence (an error that says what is wrong), or a failure: an exception of another library
or without words, no answer within ten seconds, or more than a gigabyte of memory.
"""

import collections
import resource
import signal
import sys
import tempfile
import time
import warnings
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from calls import CALLS
from damaged import TOML, damage, good_files
from values import VALUES

SECONDS, MEMORY = 10, 1 << 30
EXPECTED = (ValueError, TypeError, OSError)


class TooLong(BaseException):
    """An answer took longer than it may."""


def judge(call):
    """("fine" | "sentence" | "failure", what was said)."""

    def stop(*_):
        raise TooLong

    before = {kind: signal.signal(kind, stop) for kind in (signal.SIGPROF, signal.SIGALRM)}
    signal.setitimer(signal.ITIMER_PROF, SECONDS)  # of the processor, which others may be using too
    signal.alarm(60 * SECONDS)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            call()
        return "fine", ""
    except EXPECTED as error:
        text = str(error)
        own = text.endswith(".") and "\n" not in text and 12 < len(text) < 5000
        return ("sentence" if own else "failure"), f"{type(error).__name__}: {text}"
    except TooLong:
        return "failure", f"no answer within {SECONDS} s"
    except Exception as error:
        return "failure", f"{type(error).__name__}: {error}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)
        for kind, handler in before.items():
            signal.signal(kind, handler)


def run(count, number):
    """Counter of outcomes, and the failures as (what was tried, what was said)."""
    outcomes, failures = collections.Counter(), []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = good_files(folder)
        (folder / "p.toml").write_text(TOML)
        cases = st.one_of(
            st.tuples(st.sampled_from(sorted(CALLS)), VALUES),
            st.tuples(st.sampled_from(sorted(files)), st.integers(0, 10**9)),
        )

        @seed(number)
        @settings(
            max_examples=count,
            database=None,
            deadline=None,
            derandomize=False,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(cases)
        def draw(case):
            what, value = case
            if what in CALLS:
                tried, call = f"{what}({value!r:.100})", lambda: CALLS[what](value)
            else:
                path, content, read = folder / files[what][0], files[what][1], files[what][2]
                path.write_bytes(damage(content, value))
                tried, call = f"file {what}, damage {value}", lambda: read(path)
            outcome, said = judge(call)
            if what not in CALLS:
                (folder / files[what][0]).write_bytes(files[what][1])
            outcomes[outcome] += 1
            if outcome == "failure":
                failures.append((" ".join(tried.split()), " ".join(said.split())[:200]))

        draw()
    return outcomes, failures


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    number = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    started, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcomes, failures = run(count, number)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10
    for tried, said in failures:
        print(f"FAILURE {tried}: {said}")
    shown = ", ".join(f"{outcomes[name]} {name}" for name in ("fine", "sentence", "failure"))
    print(
        f"{sum(outcomes.values())} inputs of seed {number}: {shown};"
        f" {time.process_time() - started:.0f} s, {grown} MB more memory"
    )
    return 1 if failures or grown > MEMORY >> 20 else 0


if __name__ == "__main__":
    sys.exit(main())
