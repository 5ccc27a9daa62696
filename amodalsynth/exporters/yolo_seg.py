"""YOLO segmentation labels: a line an instance, the category's number from 0 and one amodal polygon in parts of the image's size.

A line holds one polygon, so fragments are joined to one ring as ultralytics joins them, over bridges of no width. An image and its labels share
their name, the image's id: names of files may repeat in folders and with other suffixes. The data set's file has the paths of all splits in any
case, so that splits can be exported one after the other.
"""

from __future__ import annotations

from pathlib import PurePosixPath

import numpy as np
import orjson

from amodalsynth.exporters.base import About, Job
from amodalsynth.exporters.flat import IF_SIMPLIFIED, NEVER_HELD
from amodalsynth.exporters.polygons import one_polygon
from amodalsynth.labelled import LabelledImage
from amodalsynth.rng import SPLITS


class _Writer:
    def __init__(self, job: Job) -> None:
        self._job = job
        self._number = {category: number for number, category in enumerate(job.categories)}
        self._images, self._labels = job.to / "images" / job.split, job.to / "labels" / job.split
        self._labels.mkdir(parents=True)

    def add(self, image: LabelledImage) -> None:
        name = f"{image.image_id:09d}"
        width_height = np.array(image.size_hw[::-1])
        lines = []
        for category, mask in zip(image.category_id.tolist(), image.pixels[0]):
            ring = np.array(one_polygon(mask, self._job.losses, self._job.options.tolerance)).reshape(-1, 2) / width_height
            if len(ring):
                lines.append(" ".join([str(self._number[category]), *(f"{value:.7g}" for value in ring.ravel().tolist())]) + "\n")
        (self._labels / f"{name}.txt").write_text("".join(lines), encoding="ascii")
        self._job.place_image(image, self._images / f"{name}{PurePosixPath(image.file_name).suffix}")

    def finish(self) -> None:
        """Write data.yaml; a JSON text is a YAML one, whatever a name holds."""
        paths = [f"{split}: images/{split}\n" for split in SPLITS]
        names = [f"  {number}: {orjson.dumps(name).decode()}\n" for number, name in enumerate(self._job.categories.values())]
        (self._job.to / "data.yaml").write_text("".join([*paths, "names:\n", *names]), encoding="utf-8")


class _YoloSeg:
    about = About(
        "yolo-seg",
        "YOLO segmentation labels of the amodal masks",
        "Ultralytics, supervision",
        "images/<split>/, labels/<split>/, data.yaml",
        (
            NEVER_HELD,
            "visible and invisible masks",
            "occlusion order and layers",
            "ids of annotations and categories, names of files",
            "holes and fragments (bridged: one polygon an instance)",
            "up to a pixel along outlines, in readers that fill them with OpenCV",
            IF_SIMPLIFIED,
        ),
        ("images", "tolerance"),
    )

    def begin(self, job: Job) -> _Writer:
        return _Writer(job)


EXPORTER = _YoloSeg()
