"""The report on disk: one HTML file that holds everything or, for more images, a page with a folder of pieces beside it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from amodalsynth.errors import ConfigurationError, OutputConflict
from amodalsynth.files import write_file
from amodalsynth.report.build import Report
from amodalsynth.report.page import GENERATOR, piece_script, render_page
from amodalsynth.report.pictures import Picture, data_url, encode_for_page, thumbnail
from amodalsynth.report.summary import summarise

SINGLE_FILE_IMAGES = 400  # up to so many images are held by the page itself
_LARGEST_SIDE, _QUALITY = 1024, 90  # of pictures in a report, which are compressed; `amodalsynth view` shows the files themselves
_MARK = ".amodalsynth-report"  # in a folder of pieces, with the name of its page: it may be replaced with that
_HEAD = 1 << 16  # bytes of a page within which it says what it is; its stylesheet comes later


@dataclass(frozen=True, slots=True)
class Written:
    """The page, its folder of pieces or None, how many images it shows, and the bytes of all of it."""

    page: Path
    pieces: Path | None
    num_rows: int
    num_bytes: int


def check_target(to: Path, max_images: int) -> None:
    """Refuse, before any work is done, what `write_report` would refuse of a target for at most `max_images` images.

    `ConfigurationError` for a name or a folder that cannot be, `OutputConflict` where something else is there.
    """
    if to.suffix.lower() not in (".html", ".htm"):
        raise ConfigurationError(f"--to {to}: expected a file name that ends in .html")
    if not to.absolute().parent.is_dir():
        raise ConfigurationError(f"--to {to}: expected an existing folder to write to, found none at {to.absolute().parent}; make it first")
    _refuse_foreign(to, with_pieces=max_images > SINGLE_FILE_IMAGES)


def _refuse_foreign(to: Path, *, with_pieces: bool) -> None:
    advice = "move it away, or write the report to another name"
    if to.exists():
        with to.open("rb") as file:
            if f'content="{GENERATOR}"'.encode() not in file.read(_HEAD):
                raise OutputConflict(f"{to}: expected no such file, or an earlier report; {advice}")
    pieces = _pieces_of(to)
    if with_pieces and (pieces.exists() or pieces.is_symlink()) and not _belongs(pieces, to):
        raise OutputConflict(f"{pieces}: expected no such folder, or that of an earlier report to {to.name}; {advice}")


def _pieces_of(to: Path) -> Path:
    return to.with_name(f"{to.stem}_files")


def _belongs(pieces: Path, to: Path) -> bool:
    """Whether a folder of pieces was made for the page `to`."""
    mark = pieces / _MARK
    return not pieces.is_symlink() and mark.is_file() and mark.read_bytes() == os.fsencode(to.name)


def write_report(report: Report, to: Path, *, workers: int = 1, progress: Callable[[int, int], None] | None = None) -> Written:
    """Write the report to `to`, and beyond `SINGLE_FILE_IMAGES` images its pieces to a folder beside it.

    An interrupted or failed run leaves what was there before; of several at once the last one counts. `OutputConflict` where `to` or the folder
    for the pieces holds something else than an earlier report.
    """
    pieces, with_pieces = _pieces_of(to), report.num_rows > SINGLE_FILE_IMAGES
    _refuse_foreign(to, with_pieces=with_pieces)
    if not with_pieces:
        content = _single_page(report, workers, progress)
        with _alone(to.parent):
            write_file(to, content)
            if _belongs(pieces, to):
                shutil.rmtree(pieces)  # of the page that has just been replaced
        return Written(to, None, report.num_rows, len(content))
    with tempfile.TemporaryDirectory(prefix=f".{pieces.name}.", dir=to.parent) as folder:
        fresh, former = Path(folder) / "new", Path(folder) / "old"
        num_bytes, missing = _write_pieces(report, fresh, workers, progress)
        num_bytes += (fresh / _MARK).write_bytes(os.fsencode(to.name))
        content = _page(report, {"kind": "files", "base": f"./{quote(pieces.name)}/", "missing": missing}, None)
        with _alone(to.parent):
            _refuse_foreign(to, with_pieces=True)
            if pieces.exists():
                pieces.rename(former)
            try:
                fresh.rename(pieces)
                write_file(to, content)
            except BaseException:  # the earlier page keeps its pieces
                shutil.rmtree(pieces, ignore_errors=True)
                if former.exists():
                    former.rename(pieces)
                raise
    return Written(to, pieces, report.num_rows, num_bytes + len(content))


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other run puts a page and its pieces in their places in this folder."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _page(report: Report, store: dict[str, Any], inline: dict[str, Any] | None) -> bytes:
    return render_page(summarise(report), data=report.data(store), inline=inline)


def _single_page(report: Report, workers: int, progress: Callable[[int, int], None] | None) -> bytes:
    thumbs, inline = [], {}
    for row, (scene, thumb) in enumerate(_make_rows(report, workers, progress)):
        inline[f"scene-{row}"] = scene
        thumbs.append(None if thumb is None else data_url(thumb))
    return _page(report, {"kind": "inline"}, {"thumbs": thumbs, **inline})


def _write_pieces(report: Report, folder: Path, workers: int, progress: Callable[[int, int], None] | None) -> tuple[int, list[int]]:
    """How many bytes there are, and the rows without a thumbnail."""
    for name in ("scenes", "thumbs"):
        (folder / name).mkdir(parents=True)
    num_bytes, missing = 0, []
    for row, (scene, thumb) in enumerate(_make_rows(report, workers, progress)):
        content = piece_script(row, scene)
        (folder / "scenes" / f"{row}.js").write_bytes(content)
        num_bytes += len(content)
        if thumb is None:
            missing.append(row)
        else:
            (folder / "thumbs" / f"{row}.webp").write_bytes(thumb.content)
            num_bytes += len(thumb.content)
    return num_bytes, missing


def _make_rows(
    report: Report, workers: int, progress: Callable[[int, int], None] | None
) -> Iterator[tuple[dict[str, Any], Picture | None]]:
    """The scene and the thumbnail of every row, in order, made by threads: encoding pictures is most of the work, and needs no lock."""

    def make(row: int) -> tuple[dict[str, Any], Picture | None]:
        thumbs = []

        def to_url(name: str, picture: Picture) -> str:
            if name == "image":
                thumbs.append(thumbnail(picture))
            return data_url(encode_for_page(picture, largest=_LARGEST_SIDE, quality=_QUALITY))

        return report.scene(row, to_url), thumbs[0] if thumbs else None

    with ThreadPoolExecutor(workers) as pool, contextlib.ExitStack() as stack:
        stack.callback(pool.shutdown, cancel_futures=True)
        ahead = 4 * workers  # so that memory does not grow with the number of rows
        waiting = [pool.submit(make, row) for row in range(min(ahead, report.num_rows))]
        for row in range(report.num_rows):
            made = waiting.pop(0).result()
            if row + ahead < report.num_rows:
                waiting.append(pool.submit(make, row + ahead))
            if progress is not None:
                progress(row + 1, report.num_rows)
            yield made
