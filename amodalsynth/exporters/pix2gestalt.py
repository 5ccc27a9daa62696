"""pix2gestalt's four folders: for each occluded instance the image, its visible mask, its whole appearance on white, and the mask of that.

pix2gestalt matches the files of the four folders by their sorted position and takes the last hundredth for validation, so an item has one name in all
of them. An unoccluded instance teaches nothing to complete and is left out.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np

from amodalsynth.compositing import compose
from amodalsynth.exporters.base import About, Job
from amodalsynth.labelled import LabelledImage
from amodalsynth.records.encoding import encode_png

_FOLDERS = ("occlusion", "visible_object_mask", "whole", "whole_mask")


class _Writer:
    def __init__(self, job: Job) -> None:
        self._job = job
        self._root = job.to / job.split
        for folder in _FOLDERS:
            (self._root / folder).mkdir(parents=True)

    def add(self, image: LabelledImage) -> None:
        _, visible_area, invisible_area = image.areas
        occluded = np.flatnonzero((invisible_area > 0) & (visible_area > 0)).tolist()
        self._job.losses["unoccluded instances left out"] += int((invisible_area == 0).sum())
        self._job.losses["instances without a visible pixel left out"] += int((visible_area == 0).sum())
        if not occluded:
            return
        appearances = self._job.read_appearances(image)
        white = np.full((*image.size_hw, 3), 255, np.uint8)
        amodal, visible, _ = image.pixels
        for i in occluded:
            name = f"{image.image_id:012d}_{i:04d}"
            self._job.place_image(image, self._path("occlusion", name, PurePosixPath(image.file_name).suffix))
            self._write("visible_object_mask", name, visible[i, ..., None] * np.uint8(255))
            self._write("whole", name, compose(white, [appearances[i]]).image)
            self._write("whole_mask", name, amodal[i, ..., None] * np.uint8(255))

    def finish(self) -> None:
        """Every item is written already."""

    def _path(self, folder: str, name: str, suffix: str) -> Path:
        return self._root / folder / f"{name}{suffix}"

    def _write(self, folder: str, name: str, pixels: np.ndarray) -> None:
        self._path(folder, name, ".png").write_bytes(encode_png(pixels))


class _Pix2gestalt:
    about = About(
        "pix2gestalt",
        "Pairs of an occluded object and its whole appearance",
        "pix2gestalt, Amodal-Depth-Anything",
        "<split>/{occlusion,visible_object_mask,whole,whole_mask}/, one item an occluded instance",
        ("unoccluded instances", "backgrounds", "categories", "ids of annotations", "occlusion order and layers"),
        ("images",),
    )

    def begin(self, job: Job) -> _Writer:
        return _Writer(job)


EXPORTER = _Pix2gestalt()
