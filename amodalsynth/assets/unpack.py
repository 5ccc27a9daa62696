"""Unpack an archive that came from the network.

Only folders and regular files are made, by our own code, each under a name that was checked: no absolute path, no `..`, no link of any
kind, no device, no file twice. So nothing lands outside the folder, whatever the Python version: `tarfile`'s `data` filter lets links
inside the folder pass, and its releases before 3.11.13 can be made to follow them out of it; `zipfile` drops a `..` silently. The caps
count what is written, not what the headers say.
"""

from __future__ import annotations

import gzip
import io
import lzma
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from amodalsynth.errors import AssetDamaged

_CHUNK_BYTES = 1 << 20
_BROKEN = (tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, lzma.LZMAError, EOFError, ValueError, RuntimeError)

# a member's name, and how to open it: None for a folder
_Member = tuple[str, Callable[[], IO[bytes]] | None]


def unpack(archive: Path, folder: Path, *, max_files: int, max_bytes: int, progress: Callable[[int], None] | None = None) -> int:
    """Unpack `archive` (.zip, .tar, .tar.gz, .tar.bz2 or .tar.xz, told by its content) into `folder`, which must not exist yet.

    `progress(done)` is called with the number of members done. Returns the number of files written. Raises `AssetDamaged` for an archive
    that is broken or that must not be unpacked (naming the member), or that holds more than `max_files` members or `max_bytes` bytes.
    After any error or interruption `folder` is gone.
    """
    folder.mkdir(parents=True)
    try:
        return _unpack(archive, folder, max_files, max_bytes, progress)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        # bz2 says that a stream is broken with an OSError that has no number; with a number it is the disk's
        if isinstance(error, _BROKEN) or (isinstance(error, OSError) and error.errno is None):
            reason = " ".join(str(error).split()) or type(error).__name__
            raise AssetDamaged(f"{archive.name}: truncated, or no archive that can be read ({reason}); fetch it again") from error
        raise


def _unpack(archive: Path, folder: Path, max_files: int, max_bytes: int, progress: Callable[[int], None] | None) -> int:
    num_members = num_files = num_bytes = 0
    for name, open_member in _zip_members(archive) if zipfile.is_zipfile(archive) else _tar_members(archive):
        num_members += 1
        if num_members > max_files:
            raise AssetDamaged(f"{archive.name}: more than {max_files:,} members, refused at '{name}'")
        target = folder.joinpath(*_checked_parts(archive, name))
        try:
            (target.parent if open_member else target).mkdir(parents=True, exist_ok=True)
            if open_member is None:
                continue
            with target.open("xb") as file, open_member() as member:
                while chunk := member.read(_CHUNK_BYTES):
                    num_bytes += len(chunk)
                    if num_bytes > max_bytes:
                        raise AssetDamaged(f"{archive.name}: unpacks to more than {max_bytes:,} bytes, refused at '{name}'")
                    file.write(chunk)
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            raise AssetDamaged(f"{archive.name}: member '{name}' stands where another one lies") from None
        num_files += 1
        if progress is not None:
            progress(num_members)
    return num_files


def _checked_parts(archive: Path, name: str) -> tuple[str, ...]:
    """The parts of a member's name, none of which leads out of the folder."""
    parts = PurePosixPath(name).parts
    if name.startswith("/") or ".." in parts or "\\" in name or "\0" in name or re.match("[A-Za-z]:", name):
        raise AssetDamaged(f"{archive.name}: refused member '{name}', whose name leads out of the folder")
    return parts


def _refuse_kind(archive: Path, name: str) -> AssetDamaged:
    return AssetDamaged(f"{archive.name}: refused member '{name}', which is neither a file nor a folder but a link or a device")


def _tar_members(archive: Path) -> Iterator[_Member]:
    with tarfile.open(archive, "r:*") as tar:
        for member in tar:
            if not (member.isreg() or member.isdir()):
                raise _refuse_kind(archive, member.name)
            yield member.name, None if member.isdir() else lambda member=member: tar.extractfile(member)
        if isinstance(tar.fileobj, io.BufferedReader):  # no compression, so nothing else tells an archive cut off between two members
            tar.fileobj.seek(tar.offset)
            if len(tar.fileobj.read(tarfile.BLOCKSIZE)) < tarfile.BLOCKSIZE:
                raise tarfile.ReadError("no end mark")


def _zip_members(archive: Path) -> Iterator[_Member]:
    with zipfile.ZipFile(archive) as file:
        for member in file.infolist():
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _refuse_kind(archive, member.filename)
            yield member.filename, None if member.is_dir() else lambda member=member: file.open(member)
