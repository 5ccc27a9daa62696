"""The steps of a training run, one item each, made in order by processes of their own: what every loader of batches is built on."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from multiprocessing import resource_tracker
from typing import Any, Protocol

import cv2
import torch
from torch.utils.data import DataLoader

from amodalsynth.errors import AmodalSynthError
from amodalsynth.workers import end_with_parent, sigint_blocked

_LARGEST_STEP = 2**62


class Maker(Protocol):
    """Makes the item of a step; it can be pickled."""

    def __getitem__(self, step: int) -> Any: ...


def iterate_steps(maker: Maker, *, start_step: int, num_workers: int, pin_memory: bool) -> Generator[Any]:
    """maker[start_step], maker[start_step + 1] and so on, without end.

    num_workers: processes, spawned when the iteration begins, that work ahead; with 0 an item is made when it is asked for. pin_memory: for a
    GPU; the items need a method of that name. Library errors that the maker raises come out as they are; `AmodalSynthError` where a process is
    killed.
    """
    loader = DataLoader(
        _ErrorsAsItems(maker),
        batch_size=None,  # an item is a step's already
        sampler=range(start_step, _LARGEST_STEP),
        num_workers=num_workers,
        collate_fn=_unchanged,
        pin_memory=pin_memory,
        worker_init_fn=_start_worker,
        generator=torch.Generator(),  # one of its own, so that iterating does not draw from the trainer's
        # Forked processes would inherit the locks of the trainer's threads, and the state of its GPU.
        multiprocessing_context="spawn" if num_workers else None,
    )
    if num_workers:
        resource_tracker.ensure_running()  # its start, which the first loader process would bring about, unblocks SIGINT
    with sigint_blocked():  # in the loader processes, which inherit it: Ctrl-C is the trainer's to handle
        items = iter(loader)
    while True:
        try:
            item = next(items)
        except RuntimeError as error:
            if "DataLoader worker" not in str(error):
                raise
            raise AmodalSynthError(
                f"a loader process ended unexpectedly, probably for want of memory or of room in /dev/shm; try fewer --workers ({error})"
            ) from None
        if isinstance(item, AmodalSynthError):
            raise item
        yield item


@dataclass(frozen=True, slots=True)
class _ErrorsAsItems:
    """Gives errors back in place of the item: raised in a loader process, one would come out with a traceback as its message."""

    maker: Maker

    def __getitem__(self, step: int) -> Any:
        try:
            return self.maker[step]
        except AmodalSynthError as error:
            return error


def _unchanged(item: Any) -> Any:
    return item


def _start_worker(_number: int) -> None:
    end_with_parent()
    cv2.setNumThreads(1)  # the loader processes run side by side already
