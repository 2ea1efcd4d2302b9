"""Run one job at a time in a background thread; it can be stopped and replaced."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any


class Runner:
    """Iterates over one job in a thread and hands every item to `show`, as long as the job is the latest one.

    Each `start` and `stop` begins a new generation. Items of an older one are never shown: the check and the showing
    happen under one lock, and after `stop` has returned nothing more comes. A job ends at its next item, and the next
    one begins when it has ended. An error is handed to `fail`, kept in `error`, raised again by `wait`, and goes to
    `threading.excepthook`.
    """

    def __init__(
        self, show: Callable[[Any], None], finish: Callable[[], None], fail: Callable[[BaseException], None]
    ) -> None:
        self.show, self.finish, self.fail = show, finish, fail
        self.error: BaseException | None = None
        self.lock = threading.RLock()
        self._generation = 0
        self._superseded = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> bool:
        """Whether the latest job has not ended; a job that was stopped does not count."""
        return not self._superseded.is_set() and self._thread is not None and self._thread.is_alive()

    def start(self, job: Callable[[], Iterable[Any]], delay: float = 0.0) -> None:
        """Replace the running job by `job`, after `delay` seconds in which another start may replace it."""
        with self.lock:
            self.stop()
            self.error, self._superseded = None, threading.Event()
            arguments = (job, self._generation, self._superseded, self._thread, delay)
            self._thread = threading.Thread(target=self._run, args=arguments, name="dpskit", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop displaying the running job, which ends at its next item."""
        with self.lock:
            self._generation += 1
            self._superseded.set()

    def wait(self, timeout: float | None = None) -> None:
        """Return when no job runs. Raises the error of the last one, and TimeoutError after `timeout` seconds."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout)
            if thread.is_alive():
                raise TimeoutError(f"the run did not end within {timeout} seconds.")
        if self.error is not None:
            raise self.error

    def _run(
        self,
        job: Callable[[], Iterable[Any]],
        generation: int,
        superseded: threading.Event,
        previous: threading.Thread | None,
        delay: float,
    ) -> None:
        if previous is not None:
            previous.join()
        if superseded.wait(delay):
            return
        try:
            for item in job():
                with self.lock:
                    if generation != self._generation:
                        return
                    self.show(item)
            with self.lock:
                if generation == self._generation:
                    self.finish()
        except BaseException as error:
            with self.lock:
                if generation == self._generation:
                    self.error = error
                    self.fail(error)
            raise
