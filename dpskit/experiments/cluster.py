"""Work on many processes or machines with Dask: tasks that are independent, and lost at most one by one.

Needs the extra `dpskit[cluster]`; without a client everything runs in this process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from dpskit.checks import check_integer

if TYPE_CHECKING:
    from distributed import Client, Future

ALLOWED_FAILURES = 20
"""How many workers may die at one task before it is given up, on a cluster that is started here."""


@contextmanager
def open_client(workers: int = 0, scheduler: str | None = None) -> Iterator[Client | None]:
    """A Dask client while the context lasts; None, and with it this process alone, without workers and scheduler.

    Parameters
    ----------
    workers
        Processes to start on this machine, of one thread each.
    scheduler
        Address of a running scheduler, such as tcp://10.0.0.1:8786, instead.

    Raises
    ------
    ImportError
        Without Dask.
    ConnectionError
        If there is no scheduler at the address.
    """
    workers = check_integer("workers", workers, least=0)
    if not workers and scheduler is None:
        yield None
        return
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError:
        raise ImportError("workers and scheduler need Dask: pip install 'dpskit[cluster]'.") from None
    settings = {
        "distributed.scheduler.allowed-failures": ALLOWED_FAILURES,
        "distributed.admin.large-graph-warning-threshold": "1GB",  # the weights of a prior travel with its first task
    }
    with dask.config.set(settings):
        if scheduler is None:
            started = LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None, silence_logs=50)
            with started, Client(started) as client:
                yield client
            return
        try:
            client = Client(scheduler, timeout="20s")
        except (OSError, ValueError) as error:
            raise ConnectionError(f"scheduler must be the address of a Dask scheduler, got {scheduler!r}.") from error
        with client:
            yield client


def run_tasks(
    function: Callable[..., Any], tasks: Sequence[tuple[Any, ...]], client: Client | None = None
) -> Iterator[tuple[int, Any]]:
    """(number, function(*task)) of all tasks: in order in this process, or as they end on the workers of a client.

    Every worker computes with one thread. A task whose worker dies is run again by another. An argument that several
    tasks share is sent once. An exception of a task is raised here, and the others are given up. Raises ConnectionError
    when the scheduler is gone.
    """
    if client is None:
        for k, task in enumerate(tasks):
            yield k, function(*task)
        return
    from concurrent.futures import CancelledError

    from distributed import as_completed

    held: dict[int, Future] = {}
    numbers: dict[Future, int] = {}
    for k, task in enumerate(tasks):
        arguments = [_held(part, held, client) for part in task]
        numbers[client.submit(_with_one_thread, function, *arguments, pure=False)] = k
    try:
        for future in as_completed(list(numbers)):
            yield numbers[future], future.result()
            future.release()
    except (CancelledError, OSError) as error:
        raise ConnectionError("the scheduler of the cluster is gone; what had ended is kept.") from error
    finally:
        client.cancel([*numbers, *held.values()])


def _held(part: Any, held: dict[int, Future], client: Client) -> Any:
    """A future of a large argument. It is a task, not scattered data, which would be lost with its worker."""
    if part is None or isinstance(part, bool | int | float | str):
        return part
    if id(part) not in held:
        held[id(part)] = client.submit(_itself, part, pure=False)
    return held[id(part)]


def _itself(part: Any) -> Any:
    return part


def _with_one_thread(function: Callable[..., Any], *arguments: Any) -> Any:
    torch.set_num_threads(1)
    return function(*arguments)
