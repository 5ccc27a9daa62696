"""Batches made ahead by a thread, on a GPU's stream of its own, while the trainer's stream computes."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterator
from contextlib import closing, nullcontext
from dataclasses import dataclass, fields
from typing import Protocol

import torch

from amodalsynth.baselines.batch import Batch

_PATIENCE = 0.1  # seconds between two looks whether the trainer has stopped


class Source(Protocol):
    """Makes batches, until it is closed."""

    def __iter__(self) -> Iterator[Batch]: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class _Made:
    """A batch and the event after which the GPU has made it, or the error that came instead; neither at the end."""

    batch: Batch | None = None
    done: torch.cuda.Event | None = None
    error: BaseException | None = None


def make_ahead(batches: Source, device: torch.device, *, depth: int = 2) -> Generator[Batch]:
    """The same batches in the same order, up to `depth` of them made before they are asked for; closing the generator closes their source.

    What making a batch waits for, and the many small operations that it consists of, would stand between two training steps otherwise.
    Errors come out where the batch would have.
    """
    made: queue.Queue[_Made] = queue.Queue(depth)
    stopped = threading.Event()
    stream = torch.cuda.Stream(device) if device.type == "cuda" else None
    thread = threading.Thread(target=_fill, args=(made, stopped, batches, stream), name="batches", daemon=True)
    thread.start()
    try:
        while (item := made.get()).batch is not None:
            if item.done is not None:
                _hand_over(item.batch, item.done, torch.cuda.current_stream(device))
            yield item.batch
        if item.error is not None:
            raise item.error
    finally:
        stopped.set()
        thread.join()


def _fill(made: queue.Queue[_Made], stopped: threading.Event, batches: Source, stream: torch.cuda.Stream | None) -> None:
    try:
        with closing(batches), torch.cuda.stream(stream) if stream else nullcontext():
            for batch in batches:
                if not _put(made, stopped, _Made(batch, stream.record_event() if stream else None)):
                    return
            _put(made, stopped, _Made())
    except BaseException as error:
        _put(made, stopped, _Made(error=error))


def _put(made: queue.Queue[_Made], stopped: threading.Event, item: _Made) -> bool:
    """Wait for room; false where the trainer has stopped."""
    while not stopped.is_set():
        try:
            made.put(item, timeout=_PATIENCE)
        except queue.Full:
            continue
        return True
    return False


def _hand_over(batch: Batch, done: torch.cuda.Event, stream: torch.cuda.Stream) -> None:
    """Let `stream` wait for the batch, and the allocator know that it is read there."""
    stream.wait_event(done)
    for spec in fields(batch):
        getattr(batch, spec.name).record_stream(stream)
