"""Where points of a sweep, or studies, run: here, in processes of this machine, or on a dask cluster.

A backend takes a function and the argument lists of its calls and gives results as they come.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
import time
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Calls = Sequence[tuple[Any, ...]]

BACKENDS = ("serial", "processes", "dask")
WORKERS_PER_CORE = 4
"""More processes than this take turns, and memory for each."""


def results(
    backend: str, function: Callable[..., Any], calls: Calls, workers: int, scheduler: str
) -> Iterator[Any]:
    """Call `function` with each of `calls`; results come in any order.

    Parameters
    ----------
    backend : {"serial", "processes", "dask"}
    workers : int
        Processes of this machine, each with one BLAS thread.
    scheduler : str
        Address of a dask scheduler, such as ``tcp://10.0.0.1:8786``.

    Raises
    ------
    InputError
        If there are too many workers, a worker dies, or there is no dask or no such scheduler.
    """
    require_workers(workers)
    if scheduler and backend != "dask":
        raise InputError(f"--scheduler {scheduler}: expected --backend dask with it, not {backend}")
    if not calls:
        return iter(())
    if backend == "dask":
        return _on_dask(function, calls, scheduler)
    if backend == "processes" and workers > 1:
        return _in_processes(function, calls, min(workers, len(calls)))
    return (function(*call) for call in calls)


def in_order(function: Callable[..., Any], calls: Calls, workers: int | None = None) -> list[Any]:
    """Call `function` with each of `calls` in processes of this machine; results keep the order of calls.

    A worker process, which shares the cores with others already, makes the calls itself.

    Parameters
    ----------
    workers : int, optional
        Processes, each with one BLAS thread; one per core by default.

    Raises
    ------
    InputError
        If there are too many workers.
    """
    if workers is not None:
        require_workers(workers)
    if multiprocessing.parent_process() is not None:
        return [function(*call) for call in calls]
    from joblib import Parallel, cpu_count, delayed, parallel_config

    with parallel_config(backend="loky", inner_max_num_threads=1):
        pool = Parallel(n_jobs=max(1, min(workers or cpu_count(), len(calls))))
        made: list[Any] = pool(delayed(function)(*call) for call in calls)
    return made


def require_workers(workers: int) -> None:
    """Refuse more processes than the cores can use.

    Raises
    ------
    InputError
        If there are more than four per core.
    """
    cores = os.cpu_count() or 1
    if not 1 <= workers <= WORKERS_PER_CORE * cores:
        raise InputError(
            f"{workers} workers on {cores} cores, expected 1 to {WORKERS_PER_CORE * cores}: "
            f"{WORKERS_PER_CORE} per core"
        )


def _in_processes(function: Callable[..., Any], calls: Calls, workers: int) -> Iterator[Any]:
    from joblib import Parallel, delayed, parallel_config

    with parallel_config(backend="loky", inner_max_num_threads=1):
        pool = Parallel(n_jobs=workers, batch_size=1, return_as="generator_unordered")
        try:
            yield from pool(delayed(_in_worker)(os.getpid(), function, call) for call in calls)
        except BrokenProcessPool:
            raise InputError(
                "a worker process died (killed, or out of memory): what was finished is kept, run it again"
            ) from None


def _in_worker(coordinator: int, function: Callable[..., Any], call: tuple[Any, ...]) -> Any:
    _die_with(coordinator)
    return function(*call)


@cache
def _die_with(coordinator: int) -> None:
    """End this process soon after its coordinator, which may be killed and then tells nobody."""

    def watch() -> None:
        while os.getppid() == coordinator:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _without_logs() -> Iterator[None]:
    """Keep tracebacks off the terminal that dask logs when a scheduler dies: the error says it.

    Its threads go on logging until the process ends, so that after an error nothing is logged any more.
    """
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(before)


def _on_dask(function: Callable[..., Any], calls: Calls, scheduler: str) -> Iterator[Any]:
    try:
        distributed = import_module("distributed")
    except ImportError:
        raise InputError("the dask backend needs dask: expected `pip install hwsim[cluster]`") from None
    if not scheduler:
        raise InputError("the dask backend needs the address of a scheduler: expected --scheduler ADDRESS")
    try:
        client = distributed.Client(scheduler, timeout=10)
    except (OSError, ValueError):
        raise InputError(
            f"no dask scheduler at {scheduler!r}, expected an address like tcp://HOST:8786"
        ) from None
    with _without_logs(), client:
        futures = client.map(function, *zip(*calls, strict=True), pure=False) if calls else []
        try:
            for future, result in distributed.as_completed(futures, with_results=True):
                if future.status != "finished":
                    raise distributed.CancelledError
                yield result
        except (distributed.KilledWorker, distributed.CancelledError, OSError):
            raise InputError(
                "the dask cluster lost its workers or its scheduler: finished points are kept, run it again"
            ) from None
