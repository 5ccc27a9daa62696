"""WebDataset shards: tar archives of <image id>.<suffix> and <image id>.json.

The JSON is the image's entry with its annotations as docs/format.md has them, and the name of each one's category, so a shard needs no other file.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import BinaryIO

import orjson

from amodalsynth.exporters.base import About, Job
from amodalsynth.exporters.flat import NEVER_HELD
from amodalsynth.labelled import LabelledImage
from amodalsynth.records.encoding import TarWriter

IMAGES_IN_SHARD = 512

_ELSEWHERE = frozenset({"appearance", "background"})  # keys that name files of the data set


class _Writer:
    def __init__(self, job: Job) -> None:
        self._job = job
        self._count = 0
        self._suffix = ""  # of the first image
        self._file: BinaryIO | None = None

    def add(self, image: LabelledImage) -> None:
        if self._count % IMAGES_IN_SHARD == 0:
            self.finish()
            self._file = (self._job.to / f"{self._job.split}-{self._count // IMAGES_IN_SHARD:06d}.tar").open("wb")
            self._archive = TarWriter(self._file)
        entries = [_without_files(entry) | {"category": self._job.categories[entry["category_id"]]} for entry in image.entries]
        suffix = PurePosixPath(image.file_name).suffix.lower().replace("jpeg", "jpg")
        self._suffix = self._suffix or suffix
        self._job.losses["images of another type than the first, which Hugging Face datasets refuses"] += suffix != self._suffix
        self._archive.add(f"{image.image_id:09d}{suffix}", self._job.read_image(image))
        self._archive.add(f"{image.image_id:09d}.json", orjson.dumps(_without_files(image.entry) | {"annotations": entries}))
        self._count += 1

    def finish(self) -> None:
        if self._file is not None:
            self._archive.close()
            self._file.close()


def _without_files(entry: dict) -> dict:
    return {key: value for key, value in entry.items() if key not in _ELSEWHERE}


class _WebDataset:
    about = About(
        "webdataset",
        "Tar shards of images with their annotations as JSON",
        "webdataset, Hugging Face datasets",
        f"<split>-000000.tar, ... of {IMAGES_IN_SHARD} images",
        (NEVER_HELD,),
    )

    def begin(self, job: Job) -> _Writer:
        return _Writer(job)


EXPORTER = _WebDataset()
