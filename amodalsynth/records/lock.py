"""One writer at a time: a lock on a data set that the system releases when its holder ends, however it ends."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from amodalsynth.errors import OutputConflict
from amodalsynth.records.layout import Layout


@contextmanager
def writing(layout: Layout) -> Iterator[None]:
    """Hold the data set for writing; `OutputConflict` where another process does. Temporary files of dead runs are removed."""
    layout.state.mkdir(parents=True, exist_ok=True)
    with layout.lock.open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutputConflict(
                f"{layout.root}: another process is writing this data set; wait for it, or write to another folder"
            ) from None
        shutil.rmtree(layout.temporary(), ignore_errors=True)
        try:
            yield
        finally:
            shutil.rmtree(layout.temporary(), ignore_errors=True)
