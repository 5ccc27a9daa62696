"""Worker processes that make parts: spawned, told to stop by an event, ended with their parent, replaced when killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

from amodalsynth.errors import AmodalSynthError

_MAX_DEATHS = 3  # workers that die one after the other without any part getting done

_job: Callable[[int, Callable[[], None]], Any]
_stop: Any


class Stopped(Exception):
    """Raised by a checkpoint when the run is ending: the part in hand is dropped."""


def run_parts(job: Callable[[int, Callable[[], None]], Any], numbers: Iterable[int], num_workers: int) -> Iterator[tuple[int, Any]]:
    """Call job(number, checkpoint) for each number in `num_workers` processes; yields (number, result) as they come.

    `job` is picklable and calls `checkpoint` now and then. A worker that is killed loses its part, which is done again. When the
    caller stops (an error, Ctrl-C), the parts in hand are dropped, and all workers have ended before this returns.
    """
    if num_workers == 1:
        for number in numbers:
            yield number, job(number, lambda: None)
        return
    waiting, deaths = list(numbers)[::-1], 0
    while waiting:
        done_before = len(waiting)
        try:
            yield from _run_pool(job, waiting, num_workers)
        except BrokenProcessPool:
            deaths = deaths + 1 if len(waiting) == done_before else 1
            if deaths == _MAX_DEATHS:
                raise AmodalSynthError(
                    f"{_MAX_DEATHS} worker processes in a row were killed before they finished a part, probably for want of memory; "
                    "try fewer --workers, then --resume"
                ) from None


def _run_pool(job: Callable[[int, Callable[[], None]], Any], waiting: list[int], num_workers: int) -> Iterator[tuple[int, Any]]:
    """Take numbers from the end of `waiting` until it is empty; those whose worker died are put back."""
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    executor = ProcessPoolExecutor(min(num_workers, len(waiting)), context, initializer=_start_worker, initargs=(job, stop))
    running: dict[Future, int] = {}
    try:
        while waiting or running:
            while waiting and len(running) < 2 * num_workers:  # few at a time, so that memory does not grow with their number
                with sigint_blocked():  # inherited by the process that this may start, which would else print a traceback of its own
                    future = executor.submit(_run_job, waiting[-1])
                running[future] = waiting.pop()
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                result = future.result()
                yield running.pop(future), result
    except BrokenProcessPool:
        waiting.extend(sorted(running.values(), reverse=True))
        raise
    finally:
        stop.set()
        executor.shutdown(wait=True, cancel_futures=True)


@contextmanager
def sigint_blocked() -> Iterator[None]:
    """Hold Ctrl-C back; it comes through afterwards."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_worker(job: Callable[[int, Callable[[], None]], Any], stop: Any) -> None:
    global _job, _stop
    _job, _stop = job, stop
    end_with_parent()  # a worker of `ProcessPoolExecutor` would outlive a parent that was killed (CPython issue 111873)


def end_with_parent() -> None:
    """From now on, end this process when the one that started it ends."""

    def wait_and_end() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=wait_and_end, daemon=True).start()


def _run_job(number: int) -> Any:
    return _job(number, _checkpoint)


def _checkpoint() -> None:
    if _stop.is_set():
        raise Stopped
