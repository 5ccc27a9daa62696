"""The built-in pack: cutouts and textures made by code, for a first run with no download and for tests.

The whole pack follows from this package's code: `shapes` describes the objects as a table of data, `renderer` draws them, `textures` makes the
backgrounds. It is made once, in seconds, and then lies in a folder like anybody's photos.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

PACK_VERSION = 1  # to be raised with every change that alters a picture

_ABOUT = {
    "foregrounds": {
        "title": f"amodalsynth's built-in objects, version {PACK_VERSION}",
        "licence": "Apache-2.0",
        "licence_note": "pictures made by amodalsynth's own code",
    },
    "backgrounds": {
        "title": f"amodalsynth's built-in textures, version {PACK_VERSION}",
        "licence": "Apache-2.0, and CC0 or public domain for the photos",
        "licence_note": "Patterns are made by amodalsynth's own code. The photos ship with scikit-image, whose documentation states: brick and "
        "gravel CC0 (CC0Textures), grass CC0 (linolafett, DeviantArt), hubble_deep_field public domain (NASA), ihc no known copyright "
        "restrictions (CMMI).",
        "citation": "S. van der Walt et al., scikit-image: image processing in Python, PeerJ 2:e453, 2014",
    },
}


def about(kind: str) -> dict[str, str]:
    """Title, licence and what else a data set card says of the pack's "foregrounds" or "backgrounds"."""
    return dict(_ABOUT[kind])


def builtin_folders(home: Path, *, num_workers: int | None = None, progress: Callable[[int, int], None] | None = None) -> tuple[Path, Path]:
    """The pack's folders (foregrounds, backgrounds) below `home`, made first when they are not there.

    `num_workers` processes (None: one for each core) make it; `progress(pictures done, pictures in all)` is called now and then. The files
    are the same whatever the number of workers. The pack gets its name only when it is whole, and a second process that wants it meanwhile
    waits for the first. Raises `AmodalSynthError` when workers keep being killed, `OSError` when `home` cannot be written.
    """
    pack = home / f"builtin-v{PACK_VERSION}"
    if not pack.is_dir():
        home.mkdir(parents=True, exist_ok=True)
        with (home / f"{pack.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # ends with the process, so that no crash leaves it behind
            if not pack.is_dir():
                _make(pack, os.cpu_count() or 1 if num_workers is None else num_workers, progress)
    return pack / "foregrounds", pack / "backgrounds"


def _make(pack: Path, num_workers: int, progress: Callable[[int, int], None] | None) -> None:
    from amodalsynth.builtin.pack import make_pack  # NumPy and Pillow are needed only here

    unfinished = pack.with_name(f".{pack.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)  # left by a killed process: the lock says that nobody is at work
    try:
        make_pack(unfinished, num_workers=num_workers, progress=progress)
        unfinished.replace(pack)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
