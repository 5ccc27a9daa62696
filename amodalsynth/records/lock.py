"""One writer at a time: a lock on a data set that the system releases when its holder ends, however it ends."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from amodalsynth.errors import OutputConflict
from amodalsynth.files import locked
from amodalsynth.records.layout import Layout


@contextmanager
def writing(layout: Layout) -> Iterator[None]:
    """Hold the data set for writing; `OutputConflict` where another process does. Temporary files of dead runs are removed."""
    layout.state.mkdir(parents=True, exist_ok=True)
    busy = OutputConflict(f"{layout.root}: another process is writing this data set; wait for it, or write to another folder")
    with locked(layout.lock, busy):
        shutil.rmtree(layout.temporary(), ignore_errors=True)
        try:
            yield
        finally:
            shutil.rmtree(layout.temporary(), ignore_errors=True)
