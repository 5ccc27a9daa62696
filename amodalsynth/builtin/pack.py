"""The files of the built-in pack, made by several processes; every file follows from its place in the pack alone."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from amodalsynth.builtin.renderer import render_object
from amodalsynth.builtin.shapes import SHAPES
from amodalsynth.builtin.textures import NUM_VARIANTS, PATTERNS, PHOTOS, pattern, photos
from amodalsynth.rng import asset_rng
from amodalsynth.workers import run_parts

NUM_VIEWS = 10
OBJECTS_OF_SPLIT = {"train": (0, 1, 2, 3, 4), "val": (5,), "test": (6, 7)}  # object numbers: no object is in two splits

Progress = Callable[[int, int], None]
Job = tuple[Callable[..., None], tuple, int]  # what to call, with what, and how many pictures it makes


def make_pack(
    folder: Path,
    *,
    num_workers: int,
    progress: Progress | None = None,
    categories: Iterable[str] = tuple(SHAPES),
    num_views: int = NUM_VIEWS,
) -> None:
    """Write the pack's pictures under `folder`: `foregrounds/<split>/<category>/<object>/<view>.png` and `backgrounds/<category>/<name>.png`.

    Raises `AmodalSynthError` when workers keep being killed, `OSError` when a file cannot be written.
    """
    jobs: list[Job] = [
        (_write_object, (folder / "foregrounds" / split, category, number, num_views), num_views)
        for category in categories
        for split, numbers in OBJECTS_OF_SPLIT.items()
        for number in numbers
    ]
    jobs += [(_write_patterns, (folder / "backgrounds", category), NUM_VARIANTS) for category in PATTERNS]
    jobs += [(_write_photos, (folder / "backgrounds", category), len(crops)) for category, crops in PHOTOS.items()]
    total = sum(count for *_, count in jobs)
    done = 0
    for _, count in run_parts(functools.partial(_do, jobs), range(len(jobs)), num_workers):
        done += count
        if progress is not None:
            progress(done, total)


def _do(jobs: list[Job], number: int, checkpoint: Callable[[], None]) -> int:
    call, arguments, count = jobs[number]
    checkpoint()
    call(*arguments)
    return count


def _write_object(folder: Path, category: str, number: int, num_views: int) -> None:
    rng = asset_rng(0, 0, list(SHAPES).index(category), number)
    for view, rgba in enumerate(render_object(SHAPES[category], num_views, rng)):
        _save(folder / category / f"{category}_{number}" / f"{view:02d}.png", rgba)


def _write_patterns(folder: Path, category: str) -> None:
    for variant in range(NUM_VARIANTS):
        rng = asset_rng(0, 1, list(PATTERNS).index(category), variant)
        _save(folder / category / f"{category}_{variant}.png", pattern(category, rng))


def _write_photos(folder: Path, category: str) -> None:
    for number, picture in enumerate(photos(category)):
        _save(folder / category / f"{category}_{number}.png", picture)


def _save(path: Path, picture: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path, compress_level=1)
