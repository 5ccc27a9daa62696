"""Files of a data set by name, whether they lie in a folder or in a tar archive, and never from outside."""

from __future__ import annotations

import os
import stat
import tarfile
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from amodalsynth.errors import DataError

_MAX_OPEN = 8
_IN_ARCHIVE = ".tar/"


@dataclass(frozen=True, slots=True)
class _Archive:
    """An open archive. members: name -> (offset, size) in bytes of the plain files that lie in it whole."""

    file: BinaryIO
    members: dict[str, tuple[int, int]]


class Archives:
    """Reads files of a data set; several threads may share it. Keeps the archives that were used last open until `close`."""

    def __init__(self) -> None:
        self._archives: OrderedDict[Path, _Archive] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, base: Path, name: str, *, max_bytes: int | None = None) -> bytes:
        """The content of a file below the folder `base`; what follows ".tar/" in its name is a member of that archive.

        `DataError` where the name leads out of `base`, by itself or by a link, where there is no such file, where it has more than `max_bytes`,
        and where it cannot be read.
        """
        if not isinstance(name, str) or not name:
            raise DataError(f"{base}: expected the name of a file, got {str(name)[:60]!r}")
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise DataError(f"{base}: file name {name[:200]!r} leads out of the data set")
        try:
            if _IN_ARCHIVE in name:
                archive, member = name.split(_IN_ARCHIVE, 1)
                return self._read_member(base, f"{archive}.tar", member, max_bytes)
            path = _existing(base, name)
            _check_size(path.stat().st_size, max_bytes)
            return path.read_bytes()
        except DataError:
            raise
        except (OSError, ValueError, OverflowError, MemoryError, RecursionError, tarfile.TarError) as error:
            raise DataError(f"{base / name}: cannot be read: {error}") from None

    def close(self) -> None:
        """Close the archives; reading goes on by opening them anew."""
        with self._lock:
            while self._archives:
                self._archives.popitem()[1].file.close()

    def _read_member(self, base: Path, name: str, member: str, max_bytes: int | None) -> bytes:
        with self._lock:  # also while reading, so that no other thread closes the file
            archive = self._open(base, name)
            if member not in archive.members:
                raise FileNotFoundError(f"the archive has no file {member!r}")
            offset, size = archive.members[member]
            _check_size(size, max_bytes)
            archive.file.seek(offset)
            return archive.file.read(size)

    def _open(self, base: Path, name: str) -> _Archive:
        path = base / name
        if path not in self._archives:
            if len(self._archives) == _MAX_OPEN:
                self._archives.popitem(last=False)[1].file.close()
            self._archives[path] = _open_archive(_existing(base, name))
        self._archives.move_to_end(path)
        return self._archives[path]


def stays_within(folder: Path, path: Path) -> bool:
    """Whether `path` lies in `folder` when all links are followed; False where the path is one that no file can have, or a circle of links."""
    try:
        within, real = os.path.realpath(folder), os.path.realpath(path)
    except (OSError, ValueError):
        return False
    return real == within or real.startswith(within.rstrip(os.sep) + os.sep)


def _existing(base: Path, name: str) -> Path:
    """The plain file `name` below `base`: reading a pipe or a device would not end."""
    path = base / name
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError("expected a file, got something else")
    if not stays_within(base, path):
        raise DataError(f"{base}: file name {name[:200]!r} leads out of the data set by a link")
    return path


def _check_size(size: int, max_bytes: int | None) -> None:
    if max_bytes is not None and size > max_bytes:
        raise OSError(f"expected at most {max_bytes} bytes, got {size}")


def _open_archive(path: Path) -> _Archive:
    file = path.open("rb")
    try:
        end = os.fstat(file.fileno()).st_size
        with tarfile.open(fileobj=file, mode="r:") as archive:
            plain = [member for member in archive if member.isreg() and not member.issparse()]
    except BaseException:
        file.close()
        raise
    return _Archive(file, {m.name: (m.offset_data, m.size) for m in plain if 0 <= m.size <= end - m.offset_data})
