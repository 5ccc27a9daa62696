"""Writing files so that a crash, a full disk or a second writer never leaves a half-written one under its final name."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[BinaryIO]:
    """Open a temporary file beside `path` for writing; it takes the name `path` when the block ends well and is removed when it does not.

    `durable` waits until the bytes are on the disk, which only files that others build on need.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename == str(temporary):
            error.filename = str(path)  # the name that the user gave
        raise


def write_file(path: Path, content: bytes | Iterable[bytes], *, durable: bool = True) -> None:
    """Write `content`, or its pieces one after the other, to `path` by way of `replacing`."""
    with replacing(path, durable=durable) as file:
        if isinstance(content, bytes):
            file.write(content)
        else:
            file.writelines(content)


def place_file(source: Path, target: Path, how: str) -> None:
    """Put a file at `target`, whose folder is made: "copy" its bytes, or "link" it, which takes no space.

    Where the file system has no hard links, or `target` lies on another one, a link is a copy.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if how == "link":
        with contextlib.suppress(OSError):
            target.hardlink_to(source.resolve())
            return
    shutil.copyfile(source, target)


@contextmanager
def locked(path: Path, busy: Exception) -> Iterator[None]:
    """Hold the lock file `path`, or raise `busy` where another process does. The system releases it when its holder ends, however it ends."""
    with path.open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise busy from None
        yield
