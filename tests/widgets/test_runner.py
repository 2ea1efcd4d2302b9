"""One job at a time in the background."""

import threading
import time

import pytest

from dpskit.widgets.runner import Runner


class Watcher:
    def __init__(self):
        self.items, self.finished, self.failed = [], 0, []
        self.runner = Runner(self.items.append, self.finish, self.failed.append)

    def finish(self):
        self.finished += 1


@pytest.fixture
def watcher():
    return Watcher()


@pytest.fixture
def thread_errors(monkeypatch):
    caught = []
    monkeypatch.setattr(threading, "excepthook", lambda args: caught.append(args.exc_value))
    return caught


def ticking(label, steps, ticks):
    """A job whose step k begins when tick k is released."""
    for k in range(steps):
        assert ticks.acquire(timeout=10)
        yield (label, k)


def test_every_item_is_shown_and_the_end_is_told(watcher):
    watcher.runner.start(lambda: range(5))
    watcher.runner.wait(10)
    assert watcher.items == [0, 1, 2, 3, 4] and watcher.finished == 1 and not watcher.runner.running


def test_nothing_is_shown_after_stop_and_the_job_ends_at_its_next_item(watcher):
    ticks, steps = threading.Semaphore(0), []

    def job():
        for item in ticking("a", 10, ticks):
            steps.append(item)
            yield item

    watcher.runner.start(job)
    ticks.release(2)
    while len(watcher.items) < 2:
        time.sleep(0.001)
    watcher.runner.stop()
    ticks.release(8)
    watcher.runner.wait(10)
    assert watcher.items == [("a", 0), ("a", 1)] and watcher.finished == 0
    assert len(steps) == 3, "one more step at most"


def test_two_jobs_never_mix(watcher):
    """The second begins when the first has ended, and shows all of its items, and only they come after the start."""
    ticks = threading.Semaphore(0)
    watcher.runner.start(lambda: ticking("old", 10, ticks))
    ticks.release(2)
    while len(watcher.items) < 2:
        time.sleep(0.001)
    watcher.runner.start(lambda: (("new", k) for k in range(3)))
    ticks.release(8)
    watcher.runner.wait(10)
    assert watcher.items == [("old", 0), ("old", 1), ("new", 0), ("new", 1), ("new", 2)]
    assert watcher.finished == 1


def test_many_quick_starts_run_the_last_job_alone(watcher):
    ran = []
    for k in range(40):
        watcher.runner.start(lambda k=k: [ran.append(k)], delay=0.2)
    watcher.runner.wait(10)
    assert ran == [39] and watcher.finished == 1


def test_generators_of_stopped_jobs_are_closed(watcher):
    ticks, closed = threading.Semaphore(0), threading.Event()

    def job():
        try:
            yield from ticking("a", 5, ticks)
        finally:
            closed.set()

    watcher.runner.start(job)
    ticks.release(1)
    while not watcher.items:
        time.sleep(0.001)
    watcher.runner.stop()
    ticks.release(4)
    watcher.runner.wait(10)
    assert closed.wait(5)


def test_an_error_is_shown_kept_raised_and_goes_to_the_hook(watcher, thread_errors):
    def job():
        yield 1
        raise ValueError("the seventh sample is broken.")

    watcher.runner.start(job)
    with pytest.raises(ValueError, match="seventh"):
        watcher.runner.wait(10)
    assert watcher.items == [1] and watcher.finished == 0
    assert [str(e) for e in watcher.failed] == [str(e) for e in thread_errors] == ["the seventh sample is broken."]


def test_an_error_while_showing_is_no_less_an_error(thread_errors):
    failed = []
    runner = Runner(lambda item: 1 / item, lambda: None, failed.append)
    runner.start(lambda: [1, 0, 2])
    with pytest.raises(ZeroDivisionError):
        runner.wait(10)
    assert len(failed) == len(thread_errors) == 1


def test_a_new_start_forgets_the_old_error(watcher, thread_errors):
    watcher.runner.start(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        watcher.runner.wait(10)
    watcher.runner.start(lambda: [1])
    watcher.runner.wait(10)
    assert watcher.items == [1] and watcher.runner.error is None


def test_wait_has_a_limit(watcher):
    ticks = threading.Semaphore(0)
    watcher.runner.start(lambda: ticking("a", 1, ticks))
    with pytest.raises(TimeoutError):
        watcher.runner.wait(0.05)
    ticks.release()
    watcher.runner.wait(10)


def test_errors_in_threads_fail_the_suite(request):
    assert "error::pytest.PytestUnhandledThreadExceptionWarning" in request.config.getini("filterwarnings")
